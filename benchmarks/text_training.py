"""Training of an LSTM on real tweets: our training loop compared with the book's, for the same epochs."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import cast

import numpy as np
import torch
from torch import Tensor, nn
from torchtext import data

from benchmarks.real_data import find_archive
from benchmarks.table import Figure
from flows.engine.graph.overrides import read_changed
from flows.text import TextParams
from tasks.download import Source, download_archive
from tasks.folds import Folds, read_round, split_folds
from tasks.learning.compute import Compute
from tasks.learning.predictions import read_predictions
from tasks.learning.train import find_lr, fit
from tasks.memory import keep_freed_memory
from tasks.report import Silent
from tasks.text.clean import clean_tweets
from tasks.text.tokens import open_tokens, read_vocabulary, tokenise

PRESET = "sentiment140"
EPOCHS = 3
N_THREADS = 2
TARGET = 3
BOOK_BATCH, BOOK_LR, BOOK_EMBEDDING, BOOK_HIDDEN = 32, 2e-2, 300, 100  # chapter 5


@dataclass(frozen=True)
class TrainingFigures:
    """The words per second of one side's training, and its accuracy on the held-out tweets."""

    words_per_s: float
    accuracy: float


def measure() -> list[Figure]:
    """Train both sides on the tweets of SENTIMENT140 (the path of its zip); the split's test part is the test set."""
    archive = find_archive("text_training", "SENTIMENT140")
    torch.set_num_threads(N_THREADS)
    keep_freed_memory()  # as training does, for both
    with TemporaryDirectory() as place:
        folder = Path(place)
        prepare(folder, archive)
        peer, ours = train_book(folder), train_ours(folder)
    ratio = ours.words_per_s / peer.words_per_s
    return [
        Figure(
            f"lstm, words/s in training, {EPOCHS} epochs",
            f"BucketIterator, batch {BOOK_BATCH}: {peer.words_per_s:,.0f}",
            f"{ours.words_per_s:,.0f}",
            f"{ratio:.1f}",
            f"{TARGET}",
            ratio >= TARGET,
        ),
        Figure(
            f"lstm, accuracy after {EPOCHS} epochs",
            f"the book's {peer.accuracy:.1%}",
            f"{ours.accuracy:.1%}",
            f"{100 * (ours.accuracy - peer.accuracy):+.1f} points",
            "not lower",
            ours.accuracy >= peer.accuracy,
        ),
    ]


def read_preset() -> TextParams:
    """Return the params of the flow with its preset."""
    return cast(TextParams, read_changed("text", preset=PRESET, overrides=[]))


def prepare(folder: Path, archive: Path) -> None:
    """Clean, split 8:1:1 and tokenise, as the flow does with its preset."""
    split_tweets(folder, archive)
    tokens = read_preset().tokens
    (folder / "tokens").mkdir()
    tokenise(folder / "tweets", folder / "folds", tokens, fold=10, out=folder / "tokens", report=Silent())


def split_tweets(folder: Path, archive: Path) -> None:
    """Clean the tweets and split them into ten folds; the hand-labelled file is not read."""
    source = Source(archive=str(archive), digest="", max_unpacked_mb=1000, timeout_s=30)
    out = {name: folder / name for name in ("archive", "tweets", "folds", "downloads")}
    for each in out.values():
        each.mkdir()
    quiet = Silent()
    download_archive(source, None, out=out["archive"], report=quiet, downloads=out["downloads"])
    clean = read_preset().clean.model_copy(update={"test_file": "leave_out"})
    clean_tweets(out["archive"], clean, out=out["tweets"], report=quiet)
    split_folds(out["tweets"], Folds(mode="holdout", n_folds=10, valid=9, test=10, seed=1), out=out["folds"])


class BookLstm(nn.Module):
    """The book's network: word numbers (longest, batch) to logits (batch, 2), from the state after the padding."""

    def __init__(self, n_words: int) -> None:
        super().__init__()
        self.embedding = nn.Embedding(n_words, BOOK_EMBEDDING)
        self.encoder = nn.LSTM(input_size=BOOK_EMBEDDING, hidden_size=BOOK_HIDDEN, num_layers=1)
        self.predictor = nn.Linear(BOOK_HIDDEN, 2)

    def forward(self, words: Tensor) -> Tensor:
        """Return logits."""
        _, (hidden, _) = self.encoder(self.embedding(words))
        return self.predictor(hidden.squeeze(0))


def train_book(folder: Path) -> TrainingFigures:
    """Train with the book's listing; the only fix is what it needs to run (the key that its iterator sorts by)."""
    rows = read_round(folder / "folds", 10)
    train, test = (make_iterator(folder, part) for part in (rows.train, rows.test))
    torch.manual_seed(1)
    model = BookLstm(len(read_vocabulary(folder / "tokens")))
    optimiser, criterion = torch.optim.Adam(model.parameters(), lr=BOOK_LR), nn.CrossEntropyLoss()
    started_s = time.perf_counter()
    for _ in range(EPOCHS):
        for batch in train:
            optimiser.zero_grad()
            criterion(model(batch.tweet), batch.label).backward()
            optimiser.step()
    seconds = time.perf_counter() - started_s
    with torch.no_grad():
        right = sum(int((model(batch.tweet).argmax(1) == batch.label).sum()) for batch in test)
    return TrainingFigures(EPOCHS * count_words(folder, rows.train) / seconds, right / len(rows.test))


def make_iterator(folder: Path, rows: np.ndarray) -> data.BucketIterator:
    """Return torchtext's iterator over rows; it gets word numbers, so that it need not look up words."""
    table = open_tokens(folder / "tokens")
    labels = read_labels(folder)
    words = data.Field(use_vocab=False, pad_token=1)
    label = data.Field(use_vocab=False, sequential=False)
    fields = [("tweet", words), ("label", label)]
    examples = [data.Example.fromlist([table[row].tolist(), int(labels[row])], fields) for row in rows]
    return data.BucketIterator(
        data.Dataset(examples, fields), batch_size=BOOK_BATCH, sort_key=lambda example: len(example.tweet), device="cpu"
    )


def read_labels(folder: Path) -> np.ndarray:
    """Return the label of each row."""
    from tasks.tables import read_rows

    return np.array([int(row["label"]) for row in read_rows(folder / "folds" / "folds.csv", ["label"])])


def count_words(folder: Path, rows: np.ndarray) -> int:
    """Return the number of words in rows."""
    return int(open_tokens(folder / "tokens").lengths[rows].sum())


class Speed(Silent):
    """A report that records the tweets per second of each epoch, without checkpoints and validation."""

    def __init__(self) -> None:
        self.tweets_per_s: list[float] = []

    def metrics(self, figures, step: int) -> None:  # type: ignore[no-untyped-def]
        self.tweets_per_s.append(figures["examples_per_s"])


def train_ours(folder: Path) -> TrainingFigures:
    """Train with the tasks and the preset's settings, for as many epochs as the book's loop."""
    member = read_preset().members["lstm"].model_copy(update={"epochs": EPOCHS, "patience": 0})
    compute = Compute(device="cpu", precision="auto", threads=N_THREADS, replicas=1)
    inputs = {"tokens": folder / "tokens", "folds": folder / "folds"}
    lr, out, checkpoints = folder / "lr", folder / "fit", folder / "checkpoints"
    for each in (lr, out, checkpoints):
        each.mkdir()
    find_lr(member, compute, fold=10, out=lr, report=Silent(), **inputs)
    speed = Speed()
    augment = read_preset().augment
    names = {"name": "lstm", "fold": 10}
    fit(member, compute, lr, **names, out=out, report=speed, checkpoints=checkpoints, **inputs, augment=augment)
    predictions = read_predictions(out / "test.csv")
    accuracy = float((predictions.probabilities.argmax(1) == predictions.labels).mean())
    train = read_round(folder / "folds", 10).train
    seconds = sum(len(train) / rate for rate in speed.tweets_per_s)
    return TrainingFigures(EPOCHS * count_words(folder, train) / seconds, accuracy)
