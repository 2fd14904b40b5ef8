"""The processor and precision that `auto` means are those that are fast."""

import pytest
import torch

from tasks.errors import UserError
from tasks.learning.compute import Compute
from tasks.learning.device import open_device


@pytest.mark.parametrize(
    ("wanted", "got"),
    [("fp32", torch.float32), ("bf16", torch.bfloat16)],
)
def test_a_precision_asked_for_by_name_is_used(wanted: str, got: torch.dtype) -> None:
    device = open_device(Compute.model_validate({"device": "cpu", "precision": wanted, "threads": 1}))
    assert device.precision == got


def test_auto_takes_bf16_only_where_the_processor_multiplies_it() -> None:
    has_bf16 = torch.ops.mkldnn._is_mkldnn_bf16_supported()
    device = open_device(Compute(device="cpu", precision="auto", threads=1))
    assert device.precision == (torch.bfloat16 if has_bf16 else torch.float32)


def test_autocast_computes_in_the_precision_chosen() -> None:
    for precision in (torch.float32, torch.bfloat16):
        name = "bf16" if precision == torch.bfloat16 else "fp32"
        device = open_device(Compute.model_validate({"device": "cpu", "precision": name, "threads": 1}))
        with device.autocast():
            assert torch.nn.functional.linear(torch.ones(2, 4), torch.ones(3, 4)).dtype == precision


def test_the_number_of_threads_is_the_param() -> None:
    before = torch.get_num_threads()
    try:
        open_device(Compute(device="cpu", precision="fp32", threads=1))
        assert torch.get_num_threads() == 1
    finally:
        torch.set_num_threads(before)


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_a_gpu_that_is_not_there_is_told_with_the_mend() -> None:
    with pytest.raises(UserError, match=r"compute\.device is 'cuda'.*auto or cpu"):
        open_device(Compute(device="cuda", precision="auto", threads=1))
