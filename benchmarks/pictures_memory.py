"""Anonymous memory of processes that resize, and train on, many large pictures."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks.memory import watch_peak_mb
from benchmarks.pictures_input import list_pictures, make_pictures
from benchmarks.table import Figure
from tasks.tables import write_rows

N_PICTURES = 20_000
PIXELS = 256
LIMIT_MB = 2_000
RESIZE = """
import sys
from pathlib import Path
from benchmarks.pictures_memory import PIXELS
from benchmarks.pictures_input import resize_ours
resize_ours(Path(sys.argv[1]), PIXELS)
"""
# Batches of 32 from random rows of the array; more batches do not need more memory.
TRAIN = """
import sys
from itertools import islice
from pathlib import Path
import torch
from torch.optim import AdamW
from torchvision.models import resnet18
from benchmarks.pictures_input import CPU, MEMBER, open_resized
from benchmarks.pictures_memory import PIXELS
from tasks.images.transforms import make_batch_augment, to_pictures
from tasks.learning.compute import Compute
from tasks.learning.device import open_device
from tasks.learning.randomness import make_generator
from tasks.learning.step import Step
from tasks.learning.transforms import Transforms, keep_network
device = open_device(Compute(device="cpu", precision="auto", threads=2, replicas=1))
network = device.place(resnet18(num_classes=2)).train()
transforms = Transforms(prepare=to_pictures, augment=make_batch_augment(MEMBER, 1.0), wrap=keep_network)
step, optimiser = Step(network, MEMBER, device, transforms, 2), AdamW(network.parameters(), fused=True)
generator = make_generator(CPU, "benchmark")
for batch in islice(open_resized(Path(sys.argv[1]), PIXELS).shuffled(32, generator), 60):
    step.take(batch, generator, optimiser)
"""


def measure() -> list[Figure]:
    """Return the peak of resizing and of 60 steps of ResNet-18, each in a separate process."""
    with TemporaryDirectory() as place:
        folder = Path(place)
        write_repeated_table(folder)
        peaks = [
            (what, watch_peak_mb(subprocess.Popen([sys.executable, "-c", code, str(folder)])))
            for what, code in (("resizing", RESIZE), ("training ResNet-18", TRAIN))
        ]
    return [
        Figure(
            f"{what}, {N_PICTURES:,} pictures of {PIXELS} px, peak RssAnon, MB",
            f"the array {N_PICTURES * PIXELS**2 * 3 / 1e6:,.0f}",
            f"{peak_mb:,.0f}",
            "",
            f"{LIMIT_MB:,}",
            peak_mb < LIMIT_MB,
        )
        for what, peak_mb in peaks
    ]


def write_repeated_table(folder: Path) -> None:
    """Write a table of `N_PICTURES` rows that repeats a few hundred synthetic files."""
    for label in (0, 1):
        (folder / "pictures" / str(label)).mkdir(parents=True)
    make_pictures(folder)
    paths = list_pictures(folder)
    (folder / "table").mkdir()
    rows = [
        {"file": path.relative_to(folder).as_posix(), "label": path.parent.name}
        for path in (paths[n % len(paths)] for n in range(N_PICTURES))
    ]
    write_rows(folder / "table" / "examples.csv", ["file", "label"], rows)
