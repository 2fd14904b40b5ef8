"""Sixty sounds of three classes, on which every network of the domain is tried."""

from pathlib import Path

import numpy as np

from tests.tasks.learning.toys import PLAIN, Toy, list_inputs, make_member, make_toy
from tests.tasks.problem import Problem

# What a network needs beside the recipe, by its name.
NEEDS: dict[str, dict[str, object]] = {
    "timm": {"model": "test_resnet"},
    "torchvision": {"model": "shufflenet_v2_x0_5"},
    "audionet": {"features": "waveform", **{key: 0 for key in PLAIN if key not in ("time_shift", "gain_db")}},
}
N_SAMPLES = 1800


def make_problem(root: Path, network: str, **values: object) -> Problem:
    """Write spectrograms, or waveforms; return the member of a network and what its lesson reads."""
    member = make_member(**{"width": 0, "network": network, **NEEDS.get(network, {}), **values})
    toy = make_toy(root)
    if member.features == "waveform":
        write_waveforms(toy)
    return Problem(member, list_inputs(toy))


def write_waveforms(toy: Toy) -> None:
    """Put tones of three pitches in the place of the spectrograms."""
    labels, seconds = np.arange(60) % 3, np.arange(N_SAMPLES) / 8000
    tones = np.sin(2 * np.pi * 200 * (labels[:, None] + 1) * seconds).astype(np.float32)
    np.save(toy.folder("features") / "features.npy", tones)
    np.save(toy.folder("bands5") / "bands.npy", np.array([[0.0], [0.7]], np.float32))
