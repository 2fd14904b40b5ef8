"""A member of sounds that makes no sense is refused; what else only networks of sounds do."""

import re
from pathlib import Path

import pytest
import torch
from pydantic import ValidationError

from tasks.errors import UserError
from tasks.learning.networks import build_network
from tests.tasks.learning.toys import PLAIN, make_member

SHAPES = {"spectrogram": (32, 63), "waveform": (4000,)}
KINDS = {"audionet": "waveform"}


def make(network: str, **values: object):
    features = KINDS.get(network, "spectrogram")
    plain = PLAIN if features == "waveform" else {}
    return make_member(**{"network": network, "features": features, "width": 0, **plain, **values})


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (
            {"network": "melnot"},
            "there is no network 'melnot'; tasks/audio/members has ",
        ),
        (
            {"features": "waveform"},
            "tone_db, pitch_shift_bands, freq_mask_bands, time_mask_frames must be 0 with features waveform",
        ),
        ({"time_stretch": 0.1, "pitch_shift": 1.0}, "time_stretch, pitch_shift must be 0 with features spectrogram"),
        ({"time_stretch": 0.6}, "time_stretch"),
        ({"epochs": 0}, "epochs"),
        ({"batch_size": 1}, "batch_size"),
        ({"lr": 0.0}, "lr"),
        ({"ema_decay": 1.0}, "ema_decay"),
        ({"time_shift": 1.5}, "time_shift"),
        ({"head_epochs": 2}, "must be 0 with weights none"),
        ({"colour": "red"}, "colour"),
    ],
)
def test_an_invalid_param_is_refused_by_name(values: dict[str, object], message: str) -> None:
    with pytest.raises(ValidationError, match=re.escape(message)):
        make_member(**values)


@pytest.mark.parametrize("network", ["melnet", "audionet"])
def test_clips_of_any_length_are_pooled_over_time(network: str) -> None:
    built = build_network(make(network), 3, SHAPES[KINDS.get(network, "spectrogram")]).eval()
    for length in (2000, 5003):
        batch = torch.randn(2, length) if network == "audionet" else torch.randn(2, 32, length // 50)
        assert built(batch).shape == (2, 3)


@pytest.mark.parametrize(
    ("network", "values", "message"),
    [
        (
            "audionet",
            {"features": "spectrogram"},
            "audionet cannot use features spectrogram: set features to waveform",
        ),
        (
            "melnet",
            {"features": "waveform", **PLAIN},
            "melnet cannot use features waveform: set features to spectrogram",
        ),
        ("timm", {"width": 16, "model": "test_resnet"}, "timm cannot use width 16: set width to 0"),
        ("melnet", {"weights": "pretrained"}, "there are no published weights for MelNet"),
        ("melnet", {"weights": "gone.pt"}, "gone.pt: there is no such file"),
    ],
)
def test_a_network_refuses_what_it_cannot_use(network: str, values: dict[str, object], message: str) -> None:
    with pytest.raises(UserError, match=message):
        build_network(make(network, **values), 3, (32, 63))


def test_audionet_says_how_long_clips_must_be() -> None:
    with pytest.raises(UserError, match="1772 samples or more, not 1771"):
        build_network(make("audionet"), 3, (1771,))
    assert build_network(make("audionet"), 3, (1772,)).eval()(torch.randn(1, 1772)).shape == (1, 3)


def test_audionet_is_the_books_network() -> None:
    count = sum(p.numel() for p in build_network(make("audionet"), 10, (220_500,)).parameters())
    biases = 128 + 128 + 256 + 512  # the book's convolutions have them, though batch normalisation undoes them
    assert count == 559_114 - biases


def test_local_weights_count_as_an_input_file(tmp_path: Path) -> None:
    path = tmp_path / "melnet.pt"
    torch.save(build_network(make("melnet", width=4), 9, (32, 63)).state_dict(), path)
    member = make("melnet", width=4, weights=str(path))
    assert member.files() == (str(path),)
    built = build_network(member, 3, (32, 63))
    assert torch.equal(
        built.state_dict()["trunk.stem.0.weight"], torch.load(path, weights_only=True)["trunk.stem.0.weight"]
    )


def test_only_its_own_module_belongs_to_a_member() -> None:
    assert make("melnet").modules() == ("tasks.audio.lesson", "tasks.audio.members.melnet")
