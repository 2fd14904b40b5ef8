"""Weights that do not fit are probabilities by name, and nothing half-loaded is used."""

from pathlib import Path

import pytest
import torch

from tasks.errors import UserError
from tasks.learning.resnet import build_resnet
from tasks.learning.weights import read_state_dict


def save_resnet(path: Path, name: str = "resnet18") -> dict[str, torch.Tensor]:
    weights = build_resnet(name, 1000, weights="none", dropout=0.0).body.state_dict()
    weights = {key.replace("fc.1.", "fc."): value for key, value in weights.items()}
    torch.save(weights, path)
    return weights


def test_a_local_state_dict_is_taken_over_all_but_its_head(tmp_path: Path) -> None:
    weights = save_resnet(tmp_path / "r18.pt")
    network = build_resnet("resnet18", 5, weights=str(tmp_path / "r18.pt"), dropout=0.1)
    assert torch.equal(network.body.state_dict()["layer4.1.conv2.weight"], weights["layer4.1.conv2.weight"])
    assert network(torch.randn(2, 3, 32, 32)).shape == (2, 5)


def test_weights_of_another_architecture_are_named_by_key(tmp_path: Path) -> None:
    save_resnet(tmp_path / "r50.pt", "resnet50")
    with pytest.raises(
        UserError, match=r"another architecture: .* unknown \(layer1\.0\.bn3\.bias.*of another shape \(la"
    ):
        build_resnet("resnet18", 5, weights=str(tmp_path / "r50.pt"), dropout=0.1)


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
