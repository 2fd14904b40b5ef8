"""Input of pictures, resized once and augmented in each epoch, compared with the usual loops."""

from __future__ import annotations

import os
import shutil
import time
import zipfile
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import torch
from PIL import Image
from torch.utils.data import DataLoader
from torchvision import transforms
from torchvision.datasets import ImageFolder

from benchmarks.table import Figure, MissingDataError
from flows.engine.graph.overrides import read_changed
from tasks.features import open_features
from tasks.files import name_shard, pack_folder
from tasks.images.augment import make_augment
from tasks.images.member import Member
from tasks.images.resize import resize_pictures
from tasks.images.transforms import to_pictures
from tasks.learning.examples import Examples, Stored
from tasks.learning.randomness import make_generator
from tasks.memory import keep_freed_memory
from tasks.report import Silent
from tasks.shard_tables import name_kept
from tasks.tables import write_rows

N_PICTURES = 300
SIZE = (500, 375)
N_ROUNDS = 5
OUR_EPOCHS = 12  # so that both sides of a round take about the same time
N_THREADS = 2  # of torch, and as many workers for the DataLoader
BATCH_SIZE = 64
INPUT_TARGETS = {64: 10, 128: 5}
RESIZE_PIXELS = (64, 128, 256)
RESIZE_TARGET = 2
CPU = torch.device("cpu")
# The settings of the images flow, but with the augmentation of the transforms below and nothing else that slows a step.
OWN = {
    "flip_share": 0.5, "vertical_flip_share": 0.0, "crop_scale": 0.08, "rotation_deg": 15.0,
    "jitter": 0.4, "hue": 0.1, "rand_augment_ops": 0, "erase_share": 0.5, "noise_std": 0.0, "cutmix_alpha": 0.0,
    "weight_decay": 0.0, "dropout": 0.0, "label_smoothing": 0.0, "mixup_alpha": 0.0, "ema_decay": 0.0,
    "clip_norm": 1.0, "test_flip": False,
}  # fmt: skip
_SETTINGS = read_changed("images", preset="", overrides=[]).members["compactnet"]
MEMBER = Member.model_validate(_SETTINGS.model_dump() | OWN)


def measure() -> list[Figure]:
    """Compare on synthetic JPEGs, or on ants and bees if ANTS_AND_BEES is the path of their zip or folder."""
    torch.set_num_threads(N_THREADS)
    keep_freed_memory()  # as training does
    with TemporaryDirectory() as place:
        folder = Path(place)
        name = gather_pictures(folder)
        resizing = [compare_resizing(folder, pixels, name) for pixels in RESIZE_PIXELS]
        return [*(compare_inputs(folder, pixels, name) for pixels in INPUT_TARGETS), *resizing]


def compare_inputs(folder: Path, pixels: int, name: str) -> Figure:
    """Read epochs of augmented pictures; both sides alternate."""
    transform = transforms.Compose(
        [
            transforms.RandomResizedCrop(pixels),
            transforms.RandomHorizontalFlip(),
            transforms.RandomRotation(15),
            transforms.ColorJitter(0.4, 0.4, 0.4, 0.1),
            transforms.ToTensor(),
            transforms.Normalize([0.485, 0.456, 0.406], [0.229, 0.224, 0.225]),
            transforms.RandomErasing(),
        ]
    )
    loader = DataLoader(
        ImageFolder(str(folder / "pictures"), transform),
        BATCH_SIZE,
        shuffle=True,
        num_workers=2,
        persistent_workers=True,
    )
    examples = open_resized(folder, pixels)
    read_by_loader(loader)  # starts the workers
    pairs = [
        (time_call(lambda: read_by_loader(loader)), time_call(lambda: read_ours(examples)) / OUR_EPOCHS)
        for _ in range(N_ROUNDS)
    ]
    what = f"augmented input, pictures/s, {name}, {pixels} px"
    return make_figure(what, "ImageFolder + DataLoader", pairs, count=len(examples), target=INPUT_TARGETS[pixels])


def compare_resizing(folder: Path, pixels: int, name: str) -> Figure:
    """Resize every picture once, decoding included; both sides alternate."""
    paths = list_pictures(folder)
    pairs = [
        (time_call(lambda: resize_by_pillow(paths, pixels)), time_call(lambda: resize_ours(folder, pixels)))
        for _ in range(N_ROUNDS)
    ]
    what = f"resizing once, pictures/s, {name}, {pixels} px"
    return make_figure(what, "Pillow loop", pairs, count=len(paths), target=RESIZE_TARGET)


def make_figure(what: str, peer: str, pairs: list[tuple[float, float]], *, count: int, target: float) -> Figure:
    """Return a figure of the minimum of each side, because other load on the machine can only add time."""
    peer_s, ours_s = (min(side) for side in zip(*pairs, strict=True))
    ratio = peer_s / ours_s
    return Figure(
        what, f"{peer} {count / peer_s:.0f}", f"{count / ours_s:.0f}", f"{ratio:.1f}", f"{target}", ratio >= target
    )


def gather_pictures(folder: Path) -> str:
    """Put pictures into `folder`/pictures/0 and /1, and into a shard in `folder`; return their description."""
    given = os.environ.get("ANTS_AND_BEES", "")
    for label in (0, 1):
        (folder / "pictures" / str(label)).mkdir(parents=True)
    if given:
        for n, path in enumerate(list_given(Path(given), folder / "given")):
            (folder / "pictures" / str(n % 2) / f"{n}.jpg").symlink_to(path.resolve())
    else:
        make_pictures(folder)
    rows = [{"file": path.relative_to(folder / "pictures").as_posix()} for path in list_pictures(folder)]
    write_rows(folder / name_kept(0), ["file"], rows)
    shutil.copytree(folder / "pictures", folder / "unpacked")
    pack_folder(folder / "unpacked", folder, 1)
    return "ants and bees" if given else f"synthetic {SIZE[0]}x{SIZE[1]} JPEGs"


def list_given(given: Path, unpacked: Path) -> list[Path]:
    """Return the JPEGs of a folder or zip."""
    if given.is_file():
        with zipfile.ZipFile(given) as archive:
            archive.extractall(unpacked)
        given = unpacked
    paths = sorted(given.rglob("*.jpg")) if given.is_dir() else []
    if not paths:
        raise MissingDataError(
            f"ANTS_AND_BEES={given} contains no *.jpg: set it to the archive's zip or folder, or leave it empty"
        )
    return paths


def make_pictures(folder: Path) -> None:
    """Write JPEGs with detail at all scales, as photographs have: noise, stronger at coarser scales."""
    generator = np.random.default_rng(1)
    for n in range(N_PICTURES):
        light = np.full((SIZE[1], SIZE[0], 3), 128.0)
        for octave in range(6):
            cells = generator.normal(0, 40 / 1.6**octave, (3 << octave, 4 << octave, 3))
            planes = [Image.fromarray(cells[..., channel].astype(np.float32)) for channel in range(3)]
            smooth = [plane.resize(SIZE, Image.Resampling.BICUBIC) for plane in planes]
            light += np.stack([np.asarray(plane) for plane in smooth], axis=2)
        picture = Image.fromarray(light.clip(0, 255).astype(np.uint8))
        picture.save(folder / "pictures" / str(n % 2) / f"{n}.jpg", quality=90)


def list_pictures(folder: Path) -> list[Path]:
    """Return the pictures, in a fixed order."""
    return sorted((folder / "pictures").rglob("*.jpg"))


def read_by_loader(loader: DataLoader) -> None:
    """Read an epoch."""
    for _ in loader:
        pass


def read_ours(examples: Examples) -> None:
    """Read epochs as training does: random rows of the file on disk, converted to float, augmented."""
    augment = make_augment(MEMBER)
    generator = make_generator(CPU, "benchmark")
    for _ in range(OUR_EPOCHS):
        for batch, _ in examples.shuffled(BATCH_SIZE, generator):
            augment(to_pictures(batch), generator)


def open_resized(folder: Path, pixels: int) -> Examples:
    """Return the resized pictures as training opens them."""
    features = open_features([folder / f"px{pixels}"])
    rows = torch.arange(len(features))
    return Examples(Stored(features), rows % 2, rows)  # two classes; any labels cost the same


def resize_by_pillow(paths: list[Path], pixels: int) -> None:
    """Resize as the usual loop does."""
    for path in paths:
        Image.open(path).convert("RGB").resize((pixels, pixels))


def resize_ours(folder: Path, pixels: int) -> None:
    """Call the task."""
    out = folder / f"px{pixels}"
    out.mkdir(exist_ok=True)
    resize_pictures(folder / name_shard(0), folder / name_kept(0), pixels=pixels, out=out, report=Silent())


def time_call(call: Callable[[], object]) -> float:
    """Return the seconds that a call takes."""
    started_s = time.perf_counter()
    call()
    return time.perf_counter() - started_s
