"""Tokens on disk are what torchtext and spaCy would give, known words come from the training part alone."""

import json
import warnings
from pathlib import Path

import numpy as np
import pytest
from pydantic import ValidationError

from tasks.errors import UserError
from tasks.folds import Folds, split_folds
from tasks.learning.ragged import PAD, UNK
from tasks.report import Silent
from tasks.tables import read_rows
from tasks.text.encode import open_encoder
from tasks.text.sections import Tokens
from tasks.text.tokens import open_tokens, read_vocabulary, tokenise
from tests.tasks.text.tweets import make_lines, run_clean

PLAIN = {"tokeniser": "spacy", "lower": True, "max_words": 1000, "min_count": 1}
TESTED = "onlytested"
ROWS = [
    ("04"[n % 2], f"{'Good' if n % 2 else 'bad'} day number{n % 7} don't you think, @ann? it's day {n}")
    for n in range(60)
]


@pytest.fixture(scope="module")
def stages(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A clean table whose test part has a word of its own, and its folds."""
    folder = tmp_path_factory.mktemp("tokens")
    tweets = run_clean(folder, make_lines(ROWS), make_lines([("0", f"{TESTED} bad day"), ("4", f"good {TESTED} day")]))
    folds = folder / "folds"
    folds.mkdir()
    split_folds(tweets, Folds(mode="own", n_folds=4, valid=3, test=4, seed=1), out=folds)
    return tweets, folds


def run(stages: tuple[Path, Path], out: Path, **keys: object) -> Path:
    out.mkdir(exist_ok=True)
    tokenise(*stages, Tokens.model_validate(PLAIN | keys), fold=4, out=out, report=Silent())
    return out


def read_texts(stages: tuple[Path, Path]) -> list[str]:
    return [row["text"] for row in read_rows(stages[0] / "examples.csv")]


def test_ids_and_words_are_torchtext_s(stages: tuple[Path, Path], tmp_path: Path) -> None:
    import spacy

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torchtext announces what a later version removed
        from torchtext.data import Field

    tokenizer = spacy.blank("en").tokenizer
    field = Field(tokenize=lambda text: [token.text for token in tokenizer(text)], lower=True, batch_first=True)
    cut = [field.preprocess(text) for text in read_texts(stages)]
    train = {int(row["example"]) for row in read_rows(stages[1] / "folds.csv") if row["fold"] in ("1", "2")}
    field.build_vocab([cut[row] for row in sorted(train)], max_size=12)
    out = run(stages, tmp_path / "out", max_words=12)
    table = open_tokens(out)
    assert read_vocabulary(out) == field.vocab.itos
    assert [table[row].tolist() for row in range(len(table))] == [[field.vocab.stoi[w] for w in words] for words in cut]
    assert table.ids.dtype == np.int32 and table.offsets.dtype == np.int64
    assert table.lengths.tolist() == [len(words) for words in cut]


@pytest.mark.parametrize("tokeniser", ["spacy", "whitespace", "bpe"])
def test_words_of_the_test_part_are_not_known(stages: tuple[Path, Path], tmp_path: Path, tokeniser: str) -> None:
    out = run(stages, tmp_path / "out", tokeniser=tokeniser, max_words=80)
    words = read_vocabulary(out)
    assert words[UNK] == "<unk>" and words[PAD] == "<pad>" and len(words) <= 82
    assert len(set(words)) == len(words)
    assert TESTED not in " ".join(words)
    assert PAD not in open_tokens(out).ids
    summary = json.loads((out / "tokeniser.json").read_text())
    assert summary["unk"] == UNK and summary["pad"] == PAD and summary["wash"]["mark_names"] is True


@pytest.mark.parametrize("tokeniser", ["spacy", "whitespace", "bpe"])
def test_a_raw_text_is_encoded_as_the_clean_one_was(stages: tuple[Path, Path], tmp_path: Path, tokeniser: str) -> None:
    out = run(stages, tmp_path / "out", tokeniser=tokeniser, max_words=80)
    table = open_tokens(out)
    clean = open_encoder(out)(read_texts(stages))
    assert all(np.array_equal(ids, table[row]) for row, ids in enumerate(clean))
    raw = open_encoder(out)([text for _, text in ROWS])
    assert all(np.array_equal(ids, table[row + 2]) for row, ids in enumerate(raw))


@pytest.mark.parametrize("tokeniser", ["spacy", "whitespace", "bpe"])
def test_any_text_has_a_token(stages: tuple[Path, Path], tmp_path: Path, tokeniser: str) -> None:
    out = run(stages, tmp_path / "out", tokeniser=tokeniser, max_words=80)
    encoded = open_encoder(out)(["", " \n", "\x00", "☃☃", "\ud800", "<pad>"])
    assert all(len(ids) and ids.dtype == np.int32 and PAD not in ids for ids in encoded)
    assert encoded[0].tolist() == [UNK]
    assert open_encoder(out)([]) == []


def test_case_counts_where_it_is_kept(stages: tuple[Path, Path], tmp_path: Path) -> None:
    assert "Good" in read_vocabulary(run(stages, tmp_path / "a", lower=False))
    assert "Good" not in read_vocabulary(run(stages, tmp_path / "b"))


def test_rare_words_are_left_out(stages: tuple[Path, Path], tmp_path: Path) -> None:
    every, frequent = (read_vocabulary(run(stages, tmp_path / f"{n}", min_count=n)) for n in (1, 3))
    assert "day" in frequent and set(frequent) < set(every)


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ({"min_count": 1000}, r"no word occurs 1000 times in the training part \(tokens\.min_count\)"),
        (
            {"tokeniser": "bpe", "max_words": 3},
            "sentencepiece cannot learn byte pairs with tokens.max_words 3: .* 1000 or more",
        ),
    ],
)
def test_a_vocabulary_without_words_is_refused(
    stages: tuple[Path, Path], tmp_path: Path, keys: dict[str, object], message: str
) -> None:
    with pytest.raises(UserError, match=message):
        run(stages, tmp_path / "out", **keys)


@pytest.mark.parametrize("changed", [{"max_words": 0}, {"min_count": 0}, {"tokeniser": "nltk"}, {"lower": "yes"}])
def test_sections_that_make_no_sense_are_refused(changed: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        Tokens.model_validate(PLAIN | changed)


@pytest.mark.parametrize("tokeniser", ["spacy", "bpe"])
def test_the_bytes_are_the_same_each_time(stages: tuple[Path, Path], tmp_path: Path, tokeniser: str) -> None:
    first, second = (run(stages, tmp_path / name, tokeniser=tokeniser, max_words=80) for name in ("a", "b"))
    assert {path.name for path in first.iterdir()} >= {"tokens.npy", "offsets.npy", "vocabulary.json", "tokeniser.json"}
    assert all(path.read_bytes() == (second / path.name).read_bytes() for path in first.iterdir())
