"""Many pictures in shards: what a fresh graph costs, and what one more picture does."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import time
import zipfile
from io import BytesIO
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from PIL import Image

from benchmarks.real_data import Clone, clone_for
from benchmarks.table import Figure
from flows.engine.tracking.ledger import read_made

N_PICTURES, SHARDS, PIXELS = 100_000, 64, 32
MOST_STATUS_S, MOST_BYTES = 2.0, 1_000_000_000
CHANGES = {
    "source.shards": SHARDS,
    "source.max_unpacked_mb": 2000,
    "clean.near_duplicate_bits": -1,  # drawn noise; no two are alike
    "clean.group_bits": -1,
    "clean.min_side_px": 16,
}


def measure() -> list[Figure]:
    """Make features of drawn pictures, ask for their status, add one picture, and make them again."""
    with (
        TemporaryDirectory() as place,
        clone_for("images", archive=draw_archive(Path(place) / "pictures.zip")) as clone,
    ):
        names = [f"images-pixels64-shard-{number}" for number in range(SHARDS)]
        first_s, _ = run(clone, names)
        peak_bytes = max(made.peak_bytes for name in names if (made := read_made(clone.root, name)))
        status_s = min(time_status(clone) for _ in range(3))
        add_picture(Path(place) / "pictures.zip")
        again_s, ran = run(clone, names)
        of_shard = [name for name in ran if "shard" in name]
    return [
        Figure(
            f"{N_PICTURES} pictures in {SHARDS} shards: status of the fresh graph, s",
            "-",
            f"{status_s:.1f}",
            "",
            f"{MOST_STATUS_S:g}",
            status_s <= MOST_STATUS_S,
        ),
        Figure(
            "stages of shards computed for one more picture",
            f"all {2 * SHARDS}, {first_s:.0f} s",
            f"{len(of_shard)}, {again_s:.0f} s",
            "",
            "2",
            len(of_shard) == 2,
        ),
        Figure(
            "peak memory of a stage, GB",
            "-",
            f"{peak_bytes / 1e9:.2f}",
            "",
            f"{MOST_BYTES / 1e9:g}",
            peak_bytes <= MOST_BYTES,
        ),
    ]


def draw_archive(path: Path) -> Path:
    """Write a zip of small pictures of noise, in two classes."""
    generator = np.random.default_rng(1)
    with zipfile.ZipFile(path, "w") as archive:
        for number in range(N_PICTURES):
            archive.writestr(f"{('dots', 'noise')[number % 2]}/{number}.png", draw_picture(generator))
    return path


def draw_picture(generator: np.random.Generator) -> bytes:
    """Return a picture of noise as PNG."""
    file = BytesIO()
    Image.fromarray(generator.integers(0, 256, (PIXELS, PIXELS, 3), dtype=np.uint8)).save(file, "PNG", compress_level=1)
    return file.getvalue()


def add_picture(path: Path) -> None:
    """Add a picture to the zip."""
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr("dots/new.png", draw_picture(np.random.default_rng(2)))


def run(clone: Clone, names: list[str]) -> tuple[float, list[str]]:
    """Run the stages up to the pictures' squares; return the seconds and the stages that were computed."""
    values = {"source.archive": clone.archive, "source.digest": "", **CHANGES}
    command = ["run", "images", *(part for name in names for part in ("--stage", name))]
    command += [part for key, value in values.items() for part in ("--set", f"{key}={value}")]
    began_s = time.perf_counter()
    done = subprocess.run(
        [sys.executable, "-m", "flows", *command], cwd=clone.root, check=True, capture_output=True, text=True
    )
    return time.perf_counter() - began_s, re.findall(r"│ (images-\S+) +│ ran", done.stdout)


def time_status(clone: Clone) -> float:
    """Return the seconds that the status of all stages of the flow takes."""
    began_s = time.perf_counter()
    command = [sys.executable, "-m", "flows", "status", "images", "--json"]
    done = subprocess.run(command, cwd=clone.root, check=True, capture_output=True, text=True)
    seconds = time.perf_counter() - began_s
    states = {row["stage"]: row["state"] for row in json.loads(done.stdout)}
    assert states["images-clean"] == "fresh"
    return seconds
