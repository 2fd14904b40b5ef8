"""Raw texts, on the command line or in files, get the answer that their words would."""

import json
import os
from pathlib import Path

import numpy as np
import pytest
import torch

from tasks.errors import UserError
from tasks.learning.answers import ask_model
from tasks.learning.ensemble import build_ensemble
from tasks.learning.export import export_ensemble
from tasks.learning.served import load_script
from tasks.report import Silent
from tasks.text.ensemble import TextEnsemble
from tasks.text.predict import BATCH_TEXTS, BATCH_WORDS, batch_by_length, open_model, read_given
from tests.tasks.text.test_train import fit
from tests.tasks.text.toys import WORDS, make_reader, make_texts

pytestmark = pytest.mark.filterwarnings("ignore:`torch.jit.*is deprecated:DeprecationWarning")
SETTINGS = {
    "tokeniser": "spacy",
    "lower": True,
    "wash": {"mark_addresses": True, "mark_names": True, "shorten_elongated": True},
}


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An exported member that tells the classes, which tests only read."""
    toy = make_texts(tmp_path_factory.mktemp("texts"))
    (toy.folder("tokens") / "tokeniser.json").write_text(json.dumps(SETTINGS))
    values = {"epochs": 30, "width": 16, "word_dropout": 0.0}
    fitted, out = [fit(toy, "cnn", **values)], toy.folder("export")
    mean = TextEnsemble(method="mean", metric="accuracy")
    build_ensemble(fitted, mean, out=toy.folder("ensemble"), report=Silent())
    members = {"cnn": make_reader("cnn", **values)}
    places = toy.folder("ensemble"), fitted, toy.folder("examples")
    export_ensemble(*places, members, mean, out=out, report=Silent(), tokens=[toy.folder("tokens")])
    return out / "model.pt"


def test_raw_texts_are_washed_cut_and_judged(exported: Path) -> None:
    answers = ask_model(open_model(exported), ["A b  GOOD c", "@ann: bad!", "a b c sun a"], top=2)
    assert [answer.classes[0][0] for answer in answers] == ["kind0", "kind1", "kind2"]
    assert [answer.file for answer in answers] == ["A b  GOOD c", "@ann: bad!", "a b c sun a"]
    numbers = [WORDS.index(word) for word in ("a", "b", "good", "c")]
    with torch.inference_mode():
        probabilities = load_script(exported)(torch.tensor([numbers]))[0].numpy()
    np.testing.assert_allclose(sorted(probabilities)[::-1][:2], [share for _, share in answers[0].classes], atol=1e-6)


def test_texts_in_one_call_are_predicted_as_each_alone_in_their_order(exported: Path) -> None:
    served = open_model(exported)
    texts = [" ".join(["a", "b", "good", "bad", "zorp", "sun"][n % 6 :] * (1 + n % 7)) for n in range(40)]
    alone = np.concatenate([served.predict_proba([text]) for text in texts])
    np.testing.assert_allclose(served.predict_proba(texts), alone, atol=1e-6)
    assert served.predict_proba([]).shape == (0, 3)


def test_a_batch_of_texts_is_neither_too_many_nor_too_wide() -> None:
    lengths = [*np.random.default_rng(0).integers(1, 400, 3000).tolist(), 2 * BATCH_WORDS]
    batches = list(batch_by_length(lengths))
    assert sorted(place for batch in batches for place in batch) == list(range(len(lengths)))
    assert all(len(batch) <= BATCH_TEXTS for batch in batches)
    assert all(len(batch) * max(lengths[n] for n in batch) <= BATCH_WORDS for batch in batches if len(batch) > 1)
    assert len(batches) < 1.1 * sum(lengths) / BATCH_WORDS + len(lengths) / BATCH_TEXTS


@pytest.mark.parametrize("text", ["zorp blib", "?!", "\U0001f600", "x" * 100_000, "\x00", "caf\udce9"])
def test_a_text_of_unknown_words_gets_an_answer(exported: Path, text: str) -> None:
    (answer,) = ask_model(open_model(exported), [text], top=3)
    assert sum(share for _, share in answer.classes) == pytest.approx(1, abs=1e-5)


@pytest.mark.parametrize("text", ["", "  ", "\n\t"])
def test_an_empty_text_is_refused_with_its_place(exported: Path, text: str) -> None:
    with pytest.raises(UserError, match="text 2 of 2 is empty"):
        ask_model(open_model(exported), ["good", text], top=1)


def test_a_file_stands_for_its_lines(tmp_path: Path) -> None:
    (tmp_path / "tweets.txt").write_text("so good\n\n  \nbad, bad\r\n", encoding="utf-8-sig")
    assert read_given(["tweets.txt", "what a day", ""], tmp_path, Silent()) == ["so good", "bad, bad", "what a day", ""]
    long = "no file has so long a name, " * 500
    assert read_given([long, "a\x00b", "."], tmp_path, Silent()) == [long, "a\x00b", "."]


def test_a_pipe_stands_for_its_lines(tmp_path: Path) -> None:
    reading, writing = os.pipe()
    os.write(writing, b"so good\nso sad\n")
    os.close(writing)
    assert read_given([f"/dev/fd/{reading}"], tmp_path, Silent()) == ["so good", "so sad"]
    os.close(reading)


@pytest.mark.parametrize(
    ("content", "message"), [(b"", "holds no text"), (b" \n", "holds no text"), (b"caf\xe9", "is not UTF-8 .*`iconv")]
)
def test_a_file_that_is_no_text_is_told(tmp_path: Path, content: bytes, message: str) -> None:
    (tmp_path / "tweets.txt").write_bytes(content)
    with pytest.raises(UserError, match=rf"tweets\.txt .*{message}"):
        read_given(["tweets.txt"], tmp_path, Silent())


@pytest.mark.parametrize(
    ("words", "message"),
    [([*WORDS, "moon"], "has 13 words, but the model in this folder needs 12"), (None, "cannot be read")],
)
def test_a_vocabulary_of_another_export_is_named(
    exported: Path, tmp_path: Path, words: list[str] | None, message: str
) -> None:
    for path in exported.parent.iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    (tmp_path / "vocabulary.json").write_text("no list" if words is None else json.dumps(words))
    with pytest.raises(UserError, match=message):
        ask_model(open_model(tmp_path / "model.pt"), ["good"], top=1)
