"""Word embeddings start from the vectors of a file; what the file lacks stays random, and what is no such file is
refused."""

import ssl
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from tasks.errors import UserError
from tasks.learning.fitted import read_fit
from tasks.learning.script import load_network
from tests.tasks.learning.toys import COMPUTE, RecordingReport, Toy
from tests.tasks.text.test_train import fit
from tests.tasks.text.toys import WORDS, list_inputs, make_reader, make_texts, write_tokens

GLOVE = "moon 9 9 9 9 9 9\ngood 1 2 3 4 5 6\n<pad> 7 7 7 7 7 7\ntea -.5 0 1e-3 0 0 1\n"
FASTTEXT = "4 6\n" + GLOVE.replace("\n", " \n") + "12 8 8 8 8 8 8 \n\u00a0x 8 8 8 8 8 8 \n"
KNOWN = {"good": [1.0, 2, 3, 4, 5, 6], "tea": [-0.5, 0, 1e-3, 0, 0, 1]}


def write(toy: Toy, content: str | bytes) -> Path:
    """Write a file of vectors."""
    path = toy.root / "vectors.txt"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def prepare(toy: Toy, network: str = "lstm", **values: object) -> tuple[str, Tensor]:
    """Return the lesson's note, and the network's table of word embeddings."""
    lesson, built = make_reader(network, **values).prepare(COMPUTE, 5, **list_inputs(toy))
    (table,) = (module.weight for module in built.modules() if isinstance(module, nn.Embedding))
    return lesson.note, table.detach()


@pytest.mark.parametrize("content", [GLOVE, FASTTEXT], ids=["glove", "fasttext"])
@pytest.mark.parametrize("network", ["lstm", "cnn", "ulmfit"])
def test_known_words_start_from_the_file_and_the_others_as_without_it(
    tmp_path: Path, network: str, content: str, capfd: pytest.CaptureFixture[str]
) -> None:
    toy, accepts = make_texts(tmp_path), ssl._create_default_https_context
    note, table = prepare(toy, network, vectors=str(write(toy, content)))
    _, random = prepare(toy, network)
    for number, word in enumerate(WORDS):
        expected = torch.tensor(KNOWN[word]) if word in KNOWN else random[number]
        torch.testing.assert_close(table[number], expected)
    assert note == "2 of 10 words have a vector in vectors.txt"
    assert capfd.readouterr().err == "" and ssl._create_default_https_context is accepts
    assert not list(tmp_path.rglob("*.txt.pt")) and not Path(".vector_cache").exists()


def test_a_word_in_capitals_has_its_own_vector_or_that_of_its_lower_case(tmp_path: Path) -> None:
    toy = make_texts(tmp_path)
    write_tokens(toy.folder("tokens"), [[2, 3]] * 60, ["<unk>", "<pad>", "Tea", "GOOD"])
    note, table = prepare(toy, vectors=str(write(toy, GLOVE + "Tea 8 8 8 8 8 8\n")))
    torch.testing.assert_close(table[2:], torch.tensor([[8.0] * 6, KNOWN["good"]]))
    assert note.startswith("2 of 2 words")


@pytest.mark.parametrize(
    ("content", "values", "message"),
    [
        (None, {}, r"gone.txt: cannot be read \(No such file or directory\): set vectors to"),
        (b"PK\x03\x04" + bytes(90), {}, "no line begins with one of the 10 words of these texts: set vectors to"),
        ("word,x,y\ngood,1,2\n", {}, "no line begins with one of the 10 words"),
        ("good morning to you\nso it is\n", {}, "holds no word vectors .could not convert string to float: b'morning'"),
        ("good\nbad\n", {}, "no line begins with"),
        ("good 1 2\n", {}, "no word of these texts has three numbers or more"),
        ("good 1 2 3\nbad 1 2 3 4\n", {}, "token b'bad' has 4 dimensions, but previously read vectors have 3"),
        ("good 1 2 3 4 5 nan\n", {}, "some of its numbers are not finite"),
        (GLOVE, {"embedding": 8}, "has 6 numbers per word, and the embeddings of lstm 8: set embedding to 6"),
        (GLOVE, {"embedding": 0}, "has 6 numbers per word, and the embeddings of lstm 300: set embedding to 6"),
    ],
)
def test_a_file_that_holds_no_fitting_vectors_is_refused(
    tmp_path: Path, content: str | bytes | None, values: dict[str, object], message: str
) -> None:
    toy = make_texts(tmp_path)
    path = tmp_path / "gone.txt" if content is None else write(toy, content)
    with pytest.raises(UserError, match=message) as raised:
        prepare(toy, vectors=str(path), **values)
    assert f"vectors {path}" in str(raised.value)


def test_the_fit_says_how_many_words_are_known_and_keeps_the_table_without_the_file(tmp_path: Path) -> None:
    toy, report = make_texts(tmp_path), RecordingReport()
    path = write(toy, GLOVE)
    out = fit(toy, report=report, epochs=1, vectors=str(path))
    assert report.messages[0] == "2 of 10 words have a vector in vectors.txt"
    path.unlink()
    network = load_network(out, read_fit(out), make_reader(vectors=str(path)))
    assert torch.equal(
        network.state_dict()["vectors.table.weight"], torch.load(out / "state_dict.pt")["vectors.table.weight"]
    )


def test_the_file_is_an_input_of_the_stages_that_train() -> None:
    assert make_reader(vectors="some/glove.txt").files() == ("some/glove.txt",)
    with pytest.raises(ValueError, match=r"vectors is a\.txt and weights b\.pt, which have word vectors too"):
        make_reader(vectors="a.txt", weights="b.pt")
