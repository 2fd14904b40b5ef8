"""One training shared by replicas: what they cost in one process, and what a second process brings."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks.pictures_input import gather_pictures, open_resized, resize_ours
from benchmarks.pictures_training import N_ROUNDS, PIXELS, make_learner, time_epoch
from benchmarks.table import Figure
from tasks.learning.compute import Compute
from tasks.learning.device import open_device
from tasks.learning.group import Group, form_group

COMPUTE = Compute(device="cpu", precision="fp32", threads=1, replicas=2)
OVERHEAD_TARGET, SCALING_TARGET = 1.1, 1.6


def measure() -> list[Figure]:
    """Train ResNet-18 on synthetic JPEGs with one thread a process."""
    with TemporaryDirectory() as place:
        folder = Path(place)
        name = gather_pictures(folder)
        resize_ours(folder, PIXELS)
        whole = train(folder, replicas=1)
        alone = train(folder)
        with form_group(2, open_device(COMPUTE), partial(help_train, folder)) as group:
            together = train(folder, group=group)
    what = f"ResNet-18 at {PIXELS} px with one thread a process, pictures/s, {name}"
    return [
        Figure(
            f"{what}: 2 replicas in one process",
            f"the whole batch at once {whole:.1f}",
            f"{alone:.1f}",
            f"{whole / alone:.2f} times as long",
            f"{OVERHEAD_TARGET}",
            whole / alone <= OVERHEAD_TARGET,
        ),
        Figure(
            f"{what}: 2 replicas on two processes",
            f"in one process {alone:.1f}",
            f"{together:.1f}",
            f"{together / alone:.2f}",
            f"{SCALING_TARGET}",
            together / alone >= SCALING_TARGET,
        ),
    ]


def train(folder: Path, *, replicas: int = COMPUTE.replicas, group: Group | None = None) -> float:
    """Train some epochs; return the pictures per second of the fastest, because other load can only slow one down."""
    device = open_device(COMPUTE.model_copy(update={"replicas": replicas}))
    learner = make_learner(open_resized(folder, PIXELS), device, group)
    return max(time_epoch(learner, epoch) for epoch in range(N_ROUNDS))


def help_train(folder: Path, group: Group) -> None:
    """Do in the other process what `train` does in this one."""
    train(folder, group=group)
