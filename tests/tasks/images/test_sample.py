"""The embedded pictures have the same bytes everywhere, have flaws as real data does, and differ only by shape."""

import zipfile
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import nn
from torch.nn import functional as F

from tasks.download import ShardedSource, download_shards
from tasks.folds import Folds, split_folds
from tasks.images.clean import CleanPictures
from tasks.images.decode import read_picture
from tasks.images.sample import ROOT, SampleSection, make_sample
from tasks.images.shapes import SHAPES
from tasks.report import Silent
from tasks.tables import read_rows
from tests.tasks.shards import clean_packed_pictures

N_PICTURES = 60

# Of seed 1 with 60 pictures: when the maker changes on purpose, so does this.
DIGEST = "6761f5335a81d4bae1f4b1ebbd20ca98c391792713b2164313293ab9215d3453"

Pixels = NDArray[np.float32]
Labels = NDArray[np.int64]


@pytest.fixture(scope="module")
def sample(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("sample")
    make_sample(SampleSection(pictures_per_class=N_PICTURES, seed=1), out=out, report=Silent())
    return out


@pytest.fixture(scope="module")
def small(sample: Path) -> tuple[Pixels, Labels]:
    """The usable pictures at 32 x 32 pixels, (pictures, 3, 32, 32) in 0..1, and their classes."""
    with zipfile.ZipFile(sample / "archive.zip") as archive:
        archive.extractall(sample)
    paths = [path for path in sorted((sample / ROOT).glob("*/*.png")) if "-9000" not in path.name]
    pixels = np.stack([np.asarray(read_picture(path).resize((32, 32)), np.float32) / 255 for path in paths])
    return pixels.transpose(0, 3, 1, 2), np.array([list(SHAPES).index(path.parent.name) for path in paths])


def test_the_bytes_are_the_same_on_every_machine(sample: Path) -> None:
    assert (sample / "archive.sha256").read_text() == DIGEST + "\n"


def test_another_seed_is_another_data_set(tmp_path: Path) -> None:
    make_sample(SampleSection(pictures_per_class=20, seed=1), out=tmp_path, report=Silent())
    first = (tmp_path / "archive.sha256").read_text()
    make_sample(SampleSection(pictures_per_class=20, seed=2), out=tmp_path, report=Silent())
    assert (tmp_path / "archive.sha256").read_text() != first


def test_it_goes_through_download_clean_and_folds(sample: Path, tmp_path: Path) -> None:
    archive, pictures, folds, downloads = (tmp_path / name for name in ("archive", "pictures", "folds", "kept"))
    for folder in (archive, pictures, folds, downloads):
        folder.mkdir()
    source = ShardedSource(archive="sample", digest="", max_unpacked_mb=100, timeout_s=1, shards=3)
    download_shards(source, sample, out=archive, report=Silent(), downloads=downloads)
    clean = CleanPictures(min_side_px=16, max_pixels=10**6, near_duplicate_bits=2, group_bits=6, min_per_class=10)
    clean_packed_pictures(archive, clean, pictures)
    split_folds(pictures, Folds(mode="holdout", n_folds=5, valid=4, test=5, seed=1), out=folds)
    rows = read_rows(pictures / "examples.csv")
    assert Counter(row["category"] for row in rows) == dict.fromkeys(SHAPES, N_PICTURES)
    assert Counter(row["mode"] for row in rows) == {"RGB": 5 * N_PICTURES - 3, "L": 1, "P": 1, "RGBA": 1}
    assert Counter(row["orientation"] for row in rows) == {"1": 5 * N_PICTURES - 1, "6": 1}
    assert Counter(row["width"] for row in rows) == {"256": 5 * N_PICTURES - 1, "512": 1}
    assert sorted(row["reason"].split(":")[0] for row in read_rows(pictures / "dropped.csv")) == [
        "exact duplicate", "near duplicate", "not a picture", "too small", "truncated",
    ]  # fmt: skip


def test_a_linear_model_of_the_pixels_cannot_tell_the_classes(small: tuple[Pixels, Labels]) -> None:
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import cross_val_score
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler
    from threadpoolctl import threadpool_limits

    pixels, labels = small
    colours = np.concatenate([pixels.mean((2, 3)), pixels.std((2, 3))], axis=1)
    with threadpool_limits(1):
        for strength in (1e-4, 1e-2):
            model = make_pipeline(StandardScaler(), LogisticRegression(C=strength, max_iter=1000))
            assert cross_val_score(model, pixels.reshape(len(pixels), -1), labels, cv=4).mean() < 0.8
        assert cross_val_score(LogisticRegression(max_iter=1000), colours, labels, cv=4).mean() < 0.5


def make_network() -> nn.Sequential:
    def layer(before: int, after: int) -> list[nn.Module]:
        return [nn.Conv2d(before, after, 3, padding=1), nn.BatchNorm2d(after), nn.ReLU()]

    return nn.Sequential(
        *layer(3, 16), *layer(16, 32), nn.MaxPool2d(2),
        *layer(32, 32), *layer(32, 48), nn.MaxPool2d(2),
        *layer(48, 64), nn.AdaptiveMaxPool2d(1), nn.Flatten(), nn.Linear(64, len(SHAPES)),
    )  # fmt: skip


def flip_some(batch: torch.Tensor) -> torch.Tensor:
    """Mirror half of the pictures in each of three axes."""
    for flip in (lambda x: x.flip(2), lambda x: x.flip(3), lambda x: x.transpose(2, 3)):
        chosen = torch.rand(len(batch), 1, 1, 1) < 0.5
        batch = torch.where(chosen, flip(batch), batch)
    return batch


def train(network: nn.Module, pictures: torch.Tensor, labels: torch.Tensor, *, epochs: int, batch_size: int) -> None:
    steps = len(labels) // batch_size
    optimizer = torch.optim.AdamW(network.parameters(), weight_decay=0.02)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 1e-2, total_steps=epochs * steps)
    for _ in range(epochs):
        for rows in torch.randperm(len(labels))[: steps * batch_size].split(batch_size):
            optimizer.zero_grad()
            F.cross_entropy(network(flip_some(pictures[rows])), labels[rows], label_smoothing=0.05).backward()
            optimizer.step()
            schedule.step()


def test_a_small_convolutional_network_tells_them_by_their_shapes(small: tuple[Pixels, Labels]) -> None:
    pictures, labels = torch.from_numpy(small[0]), torch.from_numpy(small[1])
    pictures = (pictures - pictures.mean((2, 3), keepdim=True)) / pictures.std((1, 2, 3), keepdim=True)
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    with torch.random.fork_rng():
        torch.manual_seed(1)
        order = torch.randperm(len(labels))
        training, held_out = order[: len(order) * 4 // 5], order[len(order) * 4 // 5 :]
        network = make_network()
        train(network, pictures[training], labels[training], epochs=20, batch_size=32)
    with torch.inference_mode():
        predicted = network.eval()(pictures[held_out]).argmax(1)
    torch.set_num_threads(threads)
    assert (predicted == labels[held_out]).float().mean() > 0.9
