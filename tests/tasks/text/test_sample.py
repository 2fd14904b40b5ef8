"""The embedded tweets are the same bytes everywhere, in the original's layout and as flawed as it is."""

import csv
import io
import json
import zipfile
from pathlib import Path

import pytest

from tasks.download import Source, download_archive
from tasks.folds import Folds, split_folds
from tasks.report import Silent
from tasks.text.clean import clean_tweets
from tasks.text.sample import TEST_NAME, TRAINING_NAME, SampleSection, make_sample
from tasks.text.sections import CleanTweets, Tokens
from tasks.text.tokens import open_tokens, tokenise
from tests.tasks.text.tweets import PLAIN

# Of seed 1 with 1500 and 100 rows: when the maker changes on purpose, so does this.
DIGEST = "98617a7a6b26a18bf6c7e5d2a389aca807d614fd487c7149bcacb2d45c332be1"


@pytest.fixture(scope="module")
def sample(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("sample")
    make_sample(SampleSection(train_rows=1500, test_rows=100, seed=1), out=out, report=Silent())
    return out


def read_table(sample: Path, name: str) -> list[list[str]]:
    with zipfile.ZipFile(sample / "archive.zip") as archive:
        return list(csv.reader(io.StringIO(archive.read(name).decode("latin-1"))))


def test_the_bytes_are_the_same_on_every_machine(sample: Path) -> None:
    assert (sample / "archive.sha256").read_text() == DIGEST + "\n"


def test_another_seed_is_another_data_set(tmp_path: Path) -> None:
    make_sample(SampleSection(train_rows=1500, test_rows=100, seed=2), out=tmp_path, report=Silent())
    assert (tmp_path / "archive.sha256").read_text() != DIGEST + "\n"


def test_the_layout_and_the_quirks_are_the_original_s(sample: Path) -> None:
    training, test = read_table(sample, TRAINING_NAME), read_table(sample, TEST_NAME)
    whole = [row for row in training if len(row) == 6]
    assert len(whole) == len(training) - 1
    labels = [row[0] for row in whole]
    assert labels == sorted(labels) and {"0", "4"} < set(labels) and "2" not in labels
    assert {row[0] for row in test} == {"0", "2", "4"}
    texts = [row[5] for row in whole]
    every = " ".join(texts)
    assert all(mark in every for mark in ("@", "http://", "&quot;", "&amp;", "sooooo", "RT @", ":(", "é"))
    assert len(set(texts)) < len(texts)
    with zipfile.ZipFile(sample / "archive.zip") as archive, pytest.raises(UnicodeDecodeError):
        archive.read(TRAINING_NAME).decode()


def test_it_goes_through_download_clean_folds_and_tokens(sample: Path, tmp_path: Path) -> None:
    archive, tweets, folds, tokens, downloads = (tmp_path / name for name in "atfkc")
    for folder in (archive, tweets, folds, tokens, downloads):
        folder.mkdir()
    source = Source(archive="sample", digest="", max_unpacked_mb=10, timeout_s=1)
    download_archive(source, sample, out=archive, report=Silent(), downloads=downloads)
    clean_tweets(archive, CleanTweets.model_validate(PLAIN), out=tweets, report=Silent())
    summary = json.loads((tweets / "report.json").read_text())
    assert set(summary["dropped"]) >= {"columns", "contradiction", "double", "empty", "neutral", "unknown label"}
    assert summary["splits"]["test"] == 80
    split_folds(tweets, Folds(mode="own", n_folds=10, valid=9, test=10, seed=1), out=folds)
    section = Tokens(tokeniser="spacy", lower=True, max_words=20_000, min_count=1)
    tokenise(tweets, folds, section, fold=10, out=tokens, report=Silent())
    assert len(open_tokens(tokens)) == summary["examples"]


def test_a_linear_model_learns_it_but_not_all_of_it(sample: Path) -> None:
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import cross_val_score
    from sklearn.pipeline import make_pipeline

    rows = [row for row in read_table(sample, TRAINING_NAME) if row[0] in ("0", "4") and len(row) == 6]
    model = make_pipeline(TfidfVectorizer(), LogisticRegression(C=5))
    accuracy = cross_val_score(model, [row[5] for row in rows], [row[0] for row in rows], cv=5).mean()
    assert 0.8 < accuracy < 0.92
