"""Weights that do not fit are probabilities by name, and nothing half-loaded is used."""

from pathlib import Path

import pytest
import torch

from tasks.errors import UserError
from tasks.learning.weights import read_state_dict


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        ("missing", "no such file"),
        ("cut", "the file is damaged"),
        ("text", "the file is damaged"),
        ("code", "the file is damaged"),
        ("list", "holds no state_dict"),
        ("numbers", "holds no state_dict"),
    ],
)
def test_a_corrupt_file_is_told_with_its_path(tmp_path: Path, damage: str, message: str) -> None:
    path = tmp_path / "some.pt"
    if damage == "cut":
        torch.save({"w": torch.zeros(999)}, path)
        path.write_bytes(path.read_bytes()[:2000])
    elif damage == "text":
        path.write_text("weights\n")
    elif damage != "missing":
        torch.save({"code": {"run": Path}, "list": [torch.zeros(1)], "numbers": {"w": 1}}[damage], path)
    with pytest.raises(UserError, match=message) as raised:
        read_state_dict(path)
    assert str(path) in str(raised.value)
