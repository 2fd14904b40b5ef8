"""What altering the training texts is worth where few are labelled: an equal training with and without it."""

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

FOLD, VALID, JUDGES = 10, 9, (6, 7, 8)  # whole folds, so that no group stands on two sides
UNUSED = 0  # no fold of any side: the tweet is read by nobody
NETWORK = "cnn"
COMPUTE = Compute(device="cpu", precision="auto", threads=N_THREADS)
SYNONYMS = Path(__file__).parent / "synonyms.txt"
# The preset's settings are for forty times as many tweets.
RECIPE = {"embedding": 100, "batch_size": 32}


@dataclass(frozen=True)
class Size:
    """So many labelled tweets, how often others are drawn, how long they are learnt, and what the source claims.

    `share` is that of the words which each of the four alterations changes, `copies` how many altered texts there
    are to one left as it is: both as the source recommends for its size.
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
    altered: float


def measure() -> list[Figure]:
    """Train on parts of the tweets that SENTIMENT140 (its zip) names; those of four folds, none trained on, judge.

    The source has word vectors from elsewhere, and WordNet's synonyms. Here the vocabulary is that of all training
    folds, whose other tweets are else unread, and the synonyms are a list of common words: a language model of so
    few tweets takes `bad` for the nearest to `good`.
    """
    archive = find_archive("text_augmentation", "SENTIMENT140")
    with TemporaryDirectory() as place:
        folder = Path(place)
        prepare(folder, archive)
        return [tell(size, [learn_pair(folder, size, seed) for seed in range(size.seeds)]) for size in SIZES]


def tell(size: Size, pairs: list[Pair]) -> Figure:
    """Return the figure of one size."""
    plain, altered, gain = (
        f"{statistics.mean(values):{sign}.1f} ± {statistics.stdev(values):.1f}"
        for values, sign in (
            ([pair.plain for pair in pairs], ""),
            ([pair.altered for pair in pairs], ""),
            ([pair.altered - pair.plain for pair in pairs], "+"),
        )
    )
    told = f"{gain} points ({plain} % to {altered} %, {len(pairs)} draws)"
    return Figure(f"{NETWORK}, gain by augmentation, {size.labelled:,} tweets", size.claim, told, "", "", True)


def prepare(folder: Path, archive: Path) -> None:
    """Clean and split the tweets, and cut them into words, known from those that may train."""
    split_tweets(folder, archive)
    pool = change_folds(folder / "folds", lambda folds: np.where(np.isin(folds, JUDGES), FOLD, folds), folder / "pool")
    tokens = read_preset().tokens
    (folder / "tokens").mkdir()
    tokenise(folder / "tweets", pool, tokens, fold=FOLD, out=folder / "tokens", report=Silent())


def change_folds(given: Path, change: Callable[[np.ndarray], np.ndarray], out: Path) -> Path:
    """Write folds with other numbers; return where they are."""
    shutil.copytree(given, out)
    numbers = {column: read_numbers(given / "folds.csv", column) for column in ("label", "fold")}
    write_columns(out / "folds.csv", numbers | {"fold": change(numbers["fold"].copy())})
    return out


def learn_pair(folder: Path, size: Size, seed: int) -> Pair:
    """Draw the labelled tweets, find their learning rate, and train on them as they are and altered."""
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
    return Pair(*(learn(folder, folds, lr, member, augment) for augment in (make_augment(), make_augment(size))))


def make_augment(size: Size | None = None) -> Augment:
    """Return all four alterations as the source recommends, or none."""
    values = read_preset().augment.model_dump()
    if size is not None:
        values |= dict.fromkeys(("delete_share", "swap_share", "insert_share", "replace_share"), size.share)
        values |= {"synonyms": str(SYNONYMS), "altered_share": size.copies / (size.copies + 1)}
    return Augment.model_validate(values)


def learn(folder: Path, folds: Path, lr: Path, member: Member, augment: Augment) -> float:
    """Train once; return the accuracy on the tweets that judge, in per cent."""
    inputs = {"tokens": folder / "tokens", "folds": folds, "augment": augment}
    with TemporaryDirectory() as out, TemporaryDirectory() as kept:
        more = {"out": Path(out), "report": Silent(), "checkpoints": Path(kept)}
        fit(member, COMPUTE, lr, name=NETWORK, fold=FOLD, **more, **inputs)
        told = read_predictions(Path(out) / "test.csv")
    return 100 * float((told.probabilities.argmax(1) == told.labels).mean())
