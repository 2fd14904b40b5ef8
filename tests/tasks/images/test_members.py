"""A picture member that makes no sense is refused; what else only networks of pictures do."""

import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch
from pydantic import ValidationError
from torch import Tensor, nn

from tasks.errors import UserError
from tasks.images.member import Member
from tasks.images.sections import Size
from tasks.learning.networks import build_network
from tests.tasks.images.recipe import draw_pictures, make_member

FITTING = {
    "cnnnet": {"width": 4},
    "compactnet": {"width": 4},
    "simplenet": {"sizes": "px64"},
    "xresnet": {"width": 4},
    "timm": {"model": "test_resnet"},
    "torchvision": {"model": "resnet18"},
}
PIXELS = 64


@pytest.fixture(autouse=True)
def _one_thread() -> Iterator[None]:
    """Batches of two pictures are no work for several threads."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def make(network: str, **values: object) -> Member:
    return make_member(**{"network": network, **FITTING.get(network, {}), **values})


def build(network: str, *, classes: int = 3, pixels: int = PIXELS, **values: object) -> nn.Module:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return build_network(make(network, **values), classes, (pixels, pixels, 3))


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (
            {"network": "resnet19"},
            "there is no network 'resnet19'; tasks/images/members has ",
        ),
        ({"train_layers": "head"}, "give weights, and set head_epochs to 0"),
        ({"train_layers": "head", "weights": "some.pt", "head_epochs": 1}, "give weights, and set head_epochs to 0"),
        ({"train_batch_norm": "never"}, "with weights none it has nothing to keep"),
        ({"network": "timm"}, "model is '', but must be a model's name with network timm"),
        ({"network": "cnnnet", "model": "alexnet"}, "model is 'alexnet', but must be empty with network cnnnet"),
        ({"network": "timm", "model": "resnet18", "weights": "lite0"}, "with model tf_efficientnet_lite0 only"),
        ({"colour": "yuv"}, "colour"),
        ({"crop_scale": 0.0}, "crop_scale"),
        ({"jitter": 1.5}, "jitter"),
        ({"hue": 0.6}, "hue"),
        ({"rand_augment_magnitude": 31.0}, "rand_augment_magnitude"),
        ({"flip_share": 2.0}, "flip_share"),
        ({"cutmix_alpha": -1.0}, "cutmix_alpha"),
        ({"head_epochs": 2}, "must be 0 with weights none"),
        ({"epochs": 3}, "epochs"),
    ],
)
def test_an_invalid_param_is_refused_by_name(values: dict[str, object], message: str) -> None:
    with pytest.raises(ValidationError, match=re.escape(message)):
        make_member(**values)


@pytest.mark.parametrize("values", [{"pixels": 7}, {"pixels": 1025}, {"strength": 1.1}, {"epochs": 0}])
def test_an_invalid_size_is_refused_by_name(values: dict[str, object]) -> None:
    with pytest.raises(ValidationError, match=next(iter(values))):
        Size.model_validate({"pixels": 64, "epochs": 2, "batch_size": 8, "strength": 1.0} | values)


def test_only_its_own_module_belongs_to_a_member() -> None:
    assert make("cnnnet").modules() == ("tasks.images.lesson", "tasks.images.members.cnnnet")


@pytest.mark.parametrize(
    ("network", "values"),
    [
        ("simplenet", {"colour": "hsv"}),
        ("cnnnet", {"colour": "lab"}),
        ("timm", {"gradient_checkpointing": True}),
        ("torchvision", {"gradient_checkpointing": True}),
    ],
)
def test_a_trained_network_answers_the_same_in_torchscript(network: str, values: dict[str, object]) -> None:
    built, pictures = build(network, **values), draw_pictures(2, PIXELS, PIXELS)
    built.train()(pictures).sum().backward()
    scripted = torch.jit.script(built.eval())
    with torch.inference_mode():
        assert torch.equal(scripted(pictures), built(pictures))


@pytest.mark.parametrize("colour", ["rgb", "hsv", "lab"])
@pytest.mark.parametrize("network", ["cnnnet", "compactnet", "simplenet", "timm", "torchvision", "xresnet"])
def test_a_network_sees_the_member_s_colours(network: str, colour: str) -> None:
    assert build(network, colour=colour).colour.space == colour


@pytest.mark.parametrize(
    ("network", "pixels"), [("cnnnet", 63), ("cnnnet", 128), ("torchvision", 33), ("torchvision", 96)]
)
def test_weights_of_one_size_load_at_another(network: str, pixels: int) -> None:
    smaller, larger = build(network), build(network, pixels=pixels)
    larger.load_state_dict(smaller.state_dict())
    assert larger.eval()(draw_pictures(2, pixels, pixels)).shape == (2, 3)


@pytest.mark.parametrize(
    ("network", "values", "message"),
    [
        ("simplenet", {"sizes": "all"}, "it learns at one size only: set sizes to the name of one size"),
        ("simplenet", {"gradient_checkpointing": True}, "set gradient_checkpointing to false"),
        ("compactnet", {"gradient_checkpointing": True}, "set gradient_checkpointing to false"),
        ("xresnet", {"gradient_checkpointing": True}, "set gradient_checkpointing to false"),
        ("cnnnet", {"pixels": 62}, "63 px or more, not 62"),
        ("compactnet", {"pixels": 31}, "32 px or more, not 31"),
        ("xresnet", {"pixels": 31}, "32 px or more, not 31"),
        ("timm", {"width": 16}, "timm cannot use width 16: set width to 0"),
        ("simplenet", {"weights": "pretrained"}, "there are no published weights for SimpleNet"),
        ("cnnnet", {"weights": "gone.pt"}, "gone.pt: there is no such file"),
    ],
)
def test_a_network_refuses_what_it_cannot_use(network: str, values: dict[str, object], message: str) -> None:
    with pytest.raises(UserError, match=message):
        build(network, **values)


def test_simplenet_s_weights_of_one_size_are_refused_at_another(tmp_path: Path) -> None:
    torch.save(build("simplenet", pixels=32).state_dict(), tmp_path / "px32.pt")
    with pytest.raises(UserError, match=re.escape("body.0.weight (84, 3072) instead of (84, 12288)")):
        build("simplenet", weights=str(tmp_path / "px32.pt"))


@pytest.mark.parametrize(
    ("network", "count"),
    [
        ("simplenet", 12288 * 84 + 84 + 84 * 50 + 50 + 50 * 2 + 2),
        ("cnnnet", 57_012_034),  # AlexNet's 61,100,840 with 2 classes instead of 1,000
    ],
)
def test_the_book_s_networks_have_the_book_s_parameters(network: str, count: int) -> None:
    with torch.device("meta"):
        built = build_network(make(network, width=0), 2, (64, 64, 3))
    assert sum(p.numel() for p in built.parameters()) == count


def learn(step: Callable[[Tensor], Tensor], network: nn.Module) -> tuple[int, Tensor]:
    """Take the gradients of one batch; return the bytes that the step kept for them, and the logits."""
    kept = 0

    def count(tensor: Tensor) -> Tensor:
        nonlocal kept
        kept += tensor.nbytes
        return tensor

    pictures = draw_pictures(4, 32, 32)
    with torch.autograd.graph.saved_tensors_hooks(count, lambda tensor: tensor):
        logits = step(pictures)
    logits.square().sum().backward()
    return kept, logits.detach()


@pytest.mark.parametrize("network", ["timm", "torchvision"])
def test_checkpointing_gives_the_same_gradients_and_statistics_and_keeps_less(network: str) -> None:
    plain, thrifty = (build(network, dropout=0.0, gradient_checkpointing=on).train() for on in (False, True))
    (kept, logits), (kept_less, same) = learn(plain, plain), learn(thrifty, thrifty)
    assert torch.equal(logits, same)
    for (name, parameter), other in zip(plain.named_parameters(), thrifty.parameters(), strict=True):
        assert torch.equal(parameter.grad, other.grad), name
    for (name, value), other in zip(plain.state_dict().items(), thrifty.state_dict().values(), strict=True):
        assert torch.equal(value, other), name
    assert kept_less < 0.5 * kept


def test_a_frozen_body_may_be_checkpointed_too() -> None:
    network = build("torchvision", gradient_checkpointing=True).train()
    network.network.body.layer1.requires_grad_(False)
    learn(network, network)
    assert network.network.body.layer1[0].conv1.weight.grad is None
    assert network.network.body.layer2[0].conv1.weight.grad is not None
