"""The samples of the three domains with some labels flipped, each audited by its own task."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from tasks.download import Source, download_archive
from tasks.folds import Folds, split_folds
from tasks.report import Silent
from tasks.tables import read_rows, write_rows
from tests.tasks.learning.toys import Toy
from tests.tasks.shards import clean_packed_clips, clean_packed_pictures, make_features, pack
from tests.tasks.text.tweets import PLAIN

FOLDS = Folds(mode="holdout", n_folds=5, valid=4, test=5, seed=1)
SOURCE = Source(archive="sample", digest="", max_unpacked_mb=100, timeout_s=1)
FLIPPED_SHARE, READ_SHARE = 0.03, 0.06


@dataclass(frozen=True)
class Sample:
    """A domain's sample, cleaned, with its features; `audit` writes the audit of a clean table and its folds."""

    toy: Toy
    audit: Callable[[Path, Path, Path], None]

    def recall(self, root: Path, *, way: str, seed: int) -> float:
        """Flip 3 % of the labels; return the share of the flips in the first 6 % of the audit."""
        flipped = Toy(root)
        is_flipped = flip_labels(self.toy.folder("examples"), flipped.folder("examples"), way=way, seed=seed)
        split_folds(flipped.folder("examples"), FOLDS, out=flipped.folder("folds"))
        self.audit(flipped.folder("examples"), flipped.folder("folds"), flipped.folder("audit"))
        audited = [
            int(row["example"]) for row in read_rows(flipped.folder("folds") / "folds.csv") if row["fold"] != "5"
        ]
        listed = [int(row["example"]) for row in read_rows(flipped.folder("audit") / "audit.csv")]
        found = is_flipped[listed[: round(READ_SHARE * len(audited))]].sum()
        return float(found / is_flipped[audited].sum())


def flip_labels(before: Path, after: Path, *, way: str, seed: int) -> np.ndarray:
    """Write a clean table with some labels flipped, to any class or from one class to one other; return which."""
    shutil.copy(before / "classes.csv", after)
    rows, rng = read_rows(before / "examples.csv"), np.random.default_rng(seed)
    categories = [row["category"] for row in read_rows(before / "classes.csv")]
    labels = np.array([int(row["label"]) for row in rows])
    first, second = rng.choice(len(categories), 2, replace=False)
    pool = np.flatnonzero(labels == first) if way == "one pair" else np.arange(len(labels))
    chosen = rng.choice(pool, round(FLIPPED_SHARE * len(labels)), replace=False)
    others = (labels[chosen] + rng.integers(1, len(categories), len(chosen))) % len(categories)
    for example, other in zip(chosen, others, strict=True):
        label = int(second if way == "one pair" else other)
        rows[example] |= {"label": str(label), "category": categories[label]}
    write_rows(after / "examples.csv", list(rows[0]), rows)
    return np.isin(np.arange(len(labels)), chosen)


def make_sounds(root: Path) -> Sample:
    from tasks.audio.clean import Clean
    from tasks.audio.label_audit import audit_sounds
    from tasks.audio.sample import SampleSection, make_sample
    from tasks.audio.spectrograms import Spectrogram, precompute_spectrograms

    toy = Toy(root)
    make_sample(SampleSection(clips_per_fold=8, seed=2), out=toy.folder("sample"), report=Silent())
    archive = pack(unpack(toy), toy.folder("shards") / "all")
    clean_packed_clips(archive, Clean(silence_db=-60, trim_db=0, only_esc10=False), toy.folder("examples"))
    front_end = Spectrogram(
        sample_rate_hz=8000, clip_s=1.0, n_fft=512, hop_samples=128, n_mels=32, f_min_hz=0.0, f_max_hz=4000.0
    )

    def compute(shard: Path, kept: Path, out: Path) -> None:
        precompute_spectrograms(shard, kept, front_end, out=out, report=Silent())

    features = make_features(archive, toy.folder("examples"), toy.folder("features"), compute)

    def audit(examples: Path, folds: Path, out: Path) -> None:
        audit_sounds(features, examples, folds, fold=5, out=out, report=Silent())

    return Sample(toy, audit)


def make_pictures(root: Path) -> Sample:
    from tasks.images.clean import CleanPictures
    from tasks.images.label_audit import audit_pictures
    from tasks.images.resize import resize_pictures
    from tasks.images.sample import SampleSection, make_sample

    toy = Toy(root)
    make_sample(SampleSection(pictures_per_class=40, seed=1), out=toy.folder("sample"), report=Silent())
    archive = pack(unpack(toy), toy.folder("shards") / "all")
    clean = CleanPictures(min_side_px=32, max_pixels=10**6, near_duplicate_bits=2, group_bits=6, min_per_class=10)
    clean_packed_pictures(archive, clean, toy.folder("examples"))

    def compute(shard: Path, kept: Path, out: Path) -> None:
        resize_pictures(shard, kept, pixels=96, out=out, report=Silent())

    features = make_features(archive, toy.folder("examples"), toy.folder("features"), compute)

    def audit(examples: Path, folds: Path, out: Path) -> None:
        audit_pictures(features, examples, folds, fold=5, out=out, report=Silent())

    return Sample(toy, audit)


def make_texts(root: Path) -> Sample:
    """Take the sample's hand-labelled tweets, because some of its other labels are wrong from the start."""
    from tasks.text.clean import clean_tweets
    from tasks.text.label_audit import audit_texts
    from tasks.text.sample import SampleSection, make_sample
    from tasks.text.sections import CleanTweets

    toy = Toy(root)
    make_sample(SampleSection(train_rows=200, test_rows=2000, seed=1), out=toy.folder("sample"), report=Silent())
    clean = CleanTweets.model_validate(PLAIN | {"max_chars": 2000})
    clean_tweets(unpack(toy), clean, out=toy.folder("examples"), report=Silent())
    rows = [row for row in read_rows(toy.folder("examples") / "examples.csv") if row["split"] == "test"]
    numbered = [{**row, "example": n, "split": ""} for n, row in enumerate(rows)]
    write_rows(toy.folder("examples") / "examples.csv", list(rows[0]), numbered)

    def audit(examples: Path, folds: Path, out: Path) -> None:
        audit_texts(examples, folds, fold=5, out=out, report=Silent())

    return Sample(toy, audit)


def unpack(toy: Toy) -> Path:
    """Unpack the sample's archive."""
    download_archive(
        SOURCE, toy.folder("sample"), out=toy.folder("archive"), report=Silent(), downloads=toy.folder("kept")
    )
    return toy.folder("archive")


SAMPLES = {"sounds": make_sounds, "pictures": make_pictures, "texts": make_texts}
