"""The gain by augmenting the training texts when few are labelled: the same training with and without it."""

from __future__ import annotations

import shutil
import statistics
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from benchmarks.real_data import find_archive
from benchmarks.table import Figure
from benchmarks.text_training import N_THREADS, read_preset, split_tweets
from tasks.columns import write_columns
from tasks.fold_table import read_numbers
from tasks.folds import read_round
from tasks.learning.compute import Compute
from tasks.learning.predictions import read_predictions
from tasks.learning.train import find_lr, fit
from tasks.report import Silent
from tasks.text.augment import Augment
from tasks.text.member import Member
from tasks.text.tokens import tokenise

FOLD, VALID, EVALUATION_FOLDS = 10, 9, (6, 7, 8)  # whole folds, so that no group is on two sides
UNUSED = 0  # a fold of no side, for tweets that are not used at all
NETWORK = "cnn"
COMPUTE = Compute(device="cpu", precision="auto", threads=N_THREADS, replicas=1)
SYNONYMS = Path(__file__).parent / "synonyms.txt"
# The preset's settings are for forty times as many tweets.
RECIPE = {"embedding": 100, "batch_size": 32}


@dataclass(frozen=True)
class Size:
    """A number of labelled tweets, how many draws and epochs are trained, and the gain that the source claims.

    `share` is the share of words that each of the four operations changes, `copies` the number of augmented texts for
    each original text; both are what the source recommends for this size.
    """

    labelled: int
    seeds: int
    epochs: int
    share: float
    copies: int
    claim: str


SIZES = (
    Size(500, seeds=8, epochs=30, share=0.05, copies=16, claim="EDA (Wei and Zou 2019): +3 points"),
    Size(5000, seeds=4, epochs=6, share=0.1, copies=4, claim="EDA: at most +0.8 points"),
)


@dataclass(frozen=True)
class Pair:
    """The accuracies of one draw of labelled tweets, in per cent."""

    plain: float
    augmented: float


def measure() -> list[Figure]:
    """Train on some tweets of SENTIMENT140 (the path of its zip); the tweets of four other folds are the test set.

    The source uses pretrained word vectors and WordNet's synonyms. Here the vocabulary is that of all training folds,
    whose other tweets are not used otherwise, and the synonyms are a list of common words, because a language model of
    so few tweets finds `bad` nearest to `good`.
    """
    archive = find_archive("text_augmentation", "SENTIMENT140")
    with TemporaryDirectory() as place:
        folder = Path(place)
        prepare(folder, archive)
        return [make_figure(size, [train_pair(folder, size, seed) for seed in range(size.seeds)]) for size in SIZES]


def make_figure(size: Size, pairs: list[Pair]) -> Figure:
    """Return the figure of one size."""
    plain, augmented, gain = (
        f"{statistics.mean(values):{sign}.1f} ± {statistics.stdev(values):.1f}"
        for values, sign in (
            ([pair.plain for pair in pairs], ""),
            ([pair.augmented for pair in pairs], ""),
            ([pair.augmented - pair.plain for pair in pairs], "+"),
        )
    )
    measured = f"{gain} points ({plain} % to {augmented} %, {len(pairs)} draws)"
    return Figure(f"{NETWORK}, gain by augmentation, {size.labelled:,} tweets", size.claim, measured, "", "", True)


def prepare(folder: Path, archive: Path) -> None:
    """Clean, split and tokenise the tweets; the vocabulary is that of the training folds."""
    split_tweets(folder, archive)
    pool = change_folds(
        folder / "folds", lambda folds: np.where(np.isin(folds, EVALUATION_FOLDS), FOLD, folds), folder / "pool"
    )
    tokens = read_preset().tokens
    (folder / "tokens").mkdir()
    tokenise(folder / "tweets", pool, tokens, fold=FOLD, out=folder / "tokens", report=Silent())


def change_folds(given: Path, change: Callable[[np.ndarray], np.ndarray], out: Path) -> Path:
    """Copy folds with changed numbers to `out`; return `out`."""
    shutil.copytree(given, out)
    numbers = {column: read_numbers(given / "folds.csv", column) for column in ("label", "fold")}
    write_columns(out / "folds.csv", numbers | {"fold": change(numbers["fold"].copy())})
    return out


def train_pair(folder: Path, size: Size, seed: int) -> Pair:
    """Draw the labelled tweets, find their learning rate, and train on them without and with augmentation."""
    rows = read_round(folder / "pool", FOLD)
    labelled = np.random.default_rng(seed).permutation(rows.train)[: size.labelled]
    left_out = np.setdiff1d(rows.train, labelled)

    def leave_out(folds: np.ndarray) -> np.ndarray:
        folds[left_out] = UNUSED
        return folds

    folds = change_folds(folder / "pool", leave_out, folder / f"folds-{size.labelled}-{seed}")
    member = read_preset().members[NETWORK].model_copy(update=RECIPE | {"epochs": size.epochs, "seed": seed})
    lr = folder / f"lr-{size.labelled}-{seed}"
    lr.mkdir()
    find_lr(member, COMPUTE, fold=FOLD, out=lr, report=Silent(), tokens=folder / "tokens", folds=folds)
    return Pair(*(train(folder, folds, lr, member, augment) for augment in (make_augment(), make_augment(size))))


def make_augment(size: Size | None = None) -> Augment:
    """Return all four operations as the source recommends for a size, or none."""
    values = read_preset().augment.model_dump()
    if size is not None:
        values |= dict.fromkeys(("delete_share", "swap_share", "insert_share", "replace_share"), size.share)
        values |= {"synonyms": str(SYNONYMS), "altered_share": size.copies / (size.copies + 1)}
    return Augment.model_validate(values)


def train(folder: Path, folds: Path, lr: Path, member: Member, augment: Augment) -> float:
    """Train once; return the accuracy on the test tweets, in per cent."""
    inputs = {"tokens": folder / "tokens", "folds": folds, "augment": augment}
    with TemporaryDirectory() as out, TemporaryDirectory() as checkpoints:
        more = {"out": Path(out), "report": Silent(), "checkpoints": Path(checkpoints)}
        fit(member, COMPUTE, lr, name=NETWORK, fold=FOLD, **more, **inputs)
        predictions = read_predictions(Path(out) / "test.csv")
    return 100 * float((predictions.probabilities.argmax(1) == predictions.labels).mean())
