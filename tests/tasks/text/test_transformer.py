"""A transformer from a local folder learns like any member, reads its own tokens, and nothing is ever fetched."""

import json
import re
import shutil
import socket
from pathlib import Path

import pytest
import torch
from pydantic import ValidationError

from flows.engine.graph.params import check_params, read_yaml
from flows.text import TextParams, text
from tasks.errors import UserError
from tasks.learning.ensemble import build_ensemble
from tasks.learning.evaluate import evaluate_predictions
from tasks.learning.predictions import read_predictions
from tasks.learning.ragged import open_ragged
from tasks.learning.train import find_lr
from tasks.learning.train import fit as fit_transformer
from tasks.tables import write_rows
from tasks.text.ensemble import TextEnsemble
from tasks.text.model_folder import open_body, open_tokenizer
from tasks.text.subword_network import SubwordNetwork
from tasks.text.tokens import open_tokens, read_vocabulary
from tasks.text.transformer import Transformer, tokenise_subwords
from tests.tasks.learning.toys import COMPUTE, RecordingReport, Toy
from tests.tasks.text.model_folder import LONGEST, make_folder
from tests.tasks.text.test_train import BreakError, Breaking, check_same_files, fit
from tests.tasks.text.toys import RECIPE, WORDS, list_inputs, make_texts

PLAIN = {key: value for key, value in RECIPE.items() if key in Transformer.model_fields}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_folder(tmp_path_factory.mktemp("model"))


def make_transformer(folder: Path, **values: object) -> Transformer:
    return Transformer.model_validate({**PLAIN, "weights": str(folder), **values})


def make_toy(root: Path, folder: Path) -> Toy:
    """Write the toy texts also as a clean table, and cut them by the model's tokenizer."""
    toy = make_texts(root)
    table = open_tokens(toy.folder("tokens"))
    rows = ({"text": " ".join(WORDS[word] for word in table[row])} for row in range(len(table)))
    write_rows(toy.folder("examples") / "examples.csv", ["text"], rows)
    tokenise_subwords(
        toy.folder("examples"), make_transformer(folder), out=toy.folder("subwords"), report=RecordingReport()
    )
    return toy


def fit_toy(toy: Toy, folder: Path, *, report: RecordingReport | None = None, **values: object) -> Path:
    lr = toy.folder("lr")
    (lr / "lr.json").write_text('{"lr": 0.02}')
    out, kept = toy.folder("fit-bert"), toy.folder("kept-bert")
    recorded, names = report or RecordingReport(), {"name": "bert", "fold": 5}
    transformer = make_transformer(folder, **values)
    inputs = list_inputs(toy, "subwords")
    fit_transformer(transformer, COMPUTE, lr, **names, out=out, report=recorded, checkpoints=kept, **inputs)
    return out


def cut(folder: Path, root: Path, texts: list[str]) -> Path:
    """Cut some texts; return the folder with their tokens."""
    toy = Toy(root)
    write_rows(toy.folder("examples") / "examples.csv", ["text"], [{"text": each} for each in texts])
    tokenise_subwords(
        toy.folder("examples"), make_transformer(folder), out=toy.folder("subwords"), report=RecordingReport()
    )
    return toy.folder("subwords")


def test_texts_are_cut_as_the_folder_s_tokenizer_does(folder: Path, tmp_path: Path) -> None:
    subwords = cut(folder, tmp_path, ["Good tea", "", "sun " * 100])
    words, table = read_vocabulary(subwords), open_tokens(subwords)
    assert [words[number] for number in table[0]] == ["[CLS]", "good", "tea", "[SEP]"]
    assert [words[number] for number in table[1]] == ["[CLS]", "[SEP]"]
    assert len(table[2]) == LONGEST, "no more than the model reads"
    assert words[:2] == ["<unk>", "<pad>"] and min(table.ids) >= 2, "1 is padding, whatever it is to the model"


def test_a_text_gets_the_same_logits_alone_and_in_a_padded_batch(folder: Path, tmp_path: Path) -> None:
    subwords = cut(folder, tmp_path, ["good", "a b c not so bad", "", "tea"])
    texts = open_ragged(subwords, n_values=len(read_vocabulary(subwords)))
    network = SubwordNetwork(str(folder), 3, dropout=0.0).eval()
    together = texts[torch.arange(4)]
    wider = torch.nn.functional.pad(together, (0, 20), value=1)
    with torch.inference_mode():
        alone = torch.cat([network(texts[torch.tensor([row])]) for row in range(4)])
        torch.testing.assert_close(network(together), alone, atol=1e-5, rtol=1e-5)
        torch.testing.assert_close(network(wider), alone, atol=1e-5, rtol=1e-5)
        assert network(torch.full((1, 1), 1)).isfinite().all(), "a text without tokens"
    assert (alone[0] - alone[3]).abs().max() > 1e-3


def test_it_learns_what_tells_the_classes_and_stands_outside(folder: Path, tmp_path: Path) -> None:
    toy = make_toy(tmp_path, folder)
    inputs = list_inputs(toy, "subwords")
    find_lr(make_transformer(folder), COMPUTE, fold=5, out=toy.folder("found"), report=RecordingReport(), **inputs)
    assert 1e-5 < json.loads((toy.folder("found") / "lr.json").read_text())["lr"] < 1
    fitted, bert = fit(toy), fit_toy(toy, folder, epochs=25, head_epochs=1)
    predictions = read_predictions(bert / "test.csv")
    assert (predictions.probabilities.argmax(1) == predictions.labels).mean() > 0.8
    mean = TextEnsemble(method="mean", metric="accuracy")
    build_ensemble([fitted], mean, out=toy.folder("ensemble"), report=RecordingReport())
    build_ensemble([fitted, bert], mean, out=toy.folder("all_members"), report=RecordingReport())
    places = toy.folder("ensemble"), toy.folder("examples"), toy.folder("all_members")
    evaluate_predictions(*places, out=toy.folder("scores"), report=RecordingReport())
    assert set(json.loads((toy.folder("scores") / "metrics.json").read_text())["members"]) == {"lstm", "bert"}


def test_a_training_that_was_stopped_ends_as_the_same_bytes(folder: Path, tmp_path: Path) -> None:
    broken, undisturbed = make_toy(tmp_path / "broken", folder), make_toy(tmp_path / "undisturbed", folder)
    with pytest.raises(BreakError):
        fit_toy(broken, folder, head_epochs=1, epochs=2, report=Breaking(2))
    results = [fit_toy(toy, folder, head_epochs=1, epochs=2) for toy in (broken, undisturbed)]
    check_same_files(*results)


def test_it_begins_with_the_folder_s_weights(folder: Path) -> None:
    from safetensors.torch import load_file

    network = SubwordNetwork(str(folder), 3, dropout=0.0)
    for name, value in load_file(folder / "model.safetensors").items():
        assert torch.equal(network.body.get_parameter(name), value), name


def test_nothing_is_fetched(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import httpx2
    from huggingface_hub import get_session

    asked = []

    def refuse(*args: object, **kwargs: object) -> None:
        asked.append(args)
        raise OSError("no network in this test")

    for name in ("connect", "connect_ex"):
        monkeypatch.setattr(socket.socket, name, refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    for read in (open_tokenizer, open_body):
        read(str(folder))
        with pytest.raises(UserError, match="cannot be read"):
            read("some/model")
    assert not asked
    with pytest.raises(httpx2.ConnectError):
        get_session().get("https://example.org")
    assert asked, "what the library sends is seen here"


def test_a_folder_that_is_not_there_is_told_with_how_to_get_one(tmp_path: Path) -> None:
    message = r"weights\n.*gone: there is no such folder; .*`hf download .* --local-dir FOLDER`"
    with pytest.raises(ValidationError, match=message):
        make_transformer(tmp_path / "gone")
    (tmp_path / "config.json").write_text("{}")
    with pytest.raises(ValidationError, match=r"lacks a tokenizer, weights; .*`hf download"):
        make_transformer(tmp_path)


@pytest.mark.parametrize(
    ("file", "content", "message"),
    [
        ("config.json", "{", "cannot be read"),
        ("config.json", '{"model_type": "nothing"}', "cannot be read"),
        ("tokenizer.json", "{}", "cannot be read"),
        ("model.safetensors", "cut short", "cannot be read"),
    ],
)
def test_a_folder_that_cannot_be_read_is_told(
    folder: Path, tmp_path: Path, file: str, content: str, message: str
) -> None:
    wrong = shutil.copytree(folder, tmp_path / "wrong")
    (wrong / file).write_text(content)
    with pytest.raises(UserError, match=rf"wrong {message}.*`hf download"):
        open_tokenizer(str(wrong))
        open_body(str(wrong))


class Trap:
    """What runs code when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[object, tuple[object, ...]]:
        return Path.touch, (self.path,)


def test_pickled_weights_are_read_and_run_no_code(folder: Path, tmp_path: Path) -> None:
    from safetensors.torch import load_file

    pickled = shutil.copytree(folder, tmp_path / "pickled")
    weights = load_file(pickled / "model.safetensors")
    (pickled / "model.safetensors").unlink()
    torch.save(weights, pickled / "pytorch_model.bin")
    assert open_body(str(pickled)).config.hidden_size == 16
    torch.save(weights | {"trap": Trap(tmp_path / "sprung")}, pickled / "pytorch_model.bin")
    with pytest.raises(UserError, match="cannot be read"):
        open_body(str(pickled))
    assert not (tmp_path / "sprung").exists()


def test_weights_of_another_network_are_told(folder: Path, tmp_path: Path) -> None:
    from safetensors.torch import load_file, save_file

    wrong = shutil.copytree(folder, tmp_path / "wrong")
    some = {name: value for name, value in load_file(folder / "model.safetensors").items() if "query" not in name}
    save_file(some, wrong / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(UserError, match=r"weights lack 2 tensors of the network, such as encoder.*query"):
        open_body(str(wrong))


def test_a_tokenizer_of_another_model_is_told(folder: Path, tmp_path: Path) -> None:
    wrong = shutil.copytree(folder, tmp_path / "wrong")
    config = json.loads((folder / "config.json").read_text())
    (wrong / "config.json").write_text(json.dumps(config | {"vocab_size": 10}))
    with pytest.raises(UserError, match="the network 10: they belong to different models"):
        open_tokenizer(str(wrong))


def test_its_stages_depend_on_the_folder_and_reach_the_evaluation_alone(folder: Path) -> None:
    content = read_yaml("params/text.yaml")
    assert content["transformers"] == {}, "nobody has a folder before saying so"
    content["transformers"] = {"bert": {**PLAIN, "weights": str(folder)}}
    stages = {stage.name: stage for stage in text.trace(check_params(content, TextParams, "params/text.yaml"))}
    own = ["text-tokens-bert", "text-lr-bert-fold10", "text-fit-bert-fold10"]
    assert all(str(folder) in stages[name].deps for name in own)
    fitted = stages["text-fit-bert-fold10"].artifact
    assert [name for name, one in stages.items() if fitted in one.inputs] == ["text-ensemble-all-members"]


def test_a_param_that_makes_no_sense_is_refused(folder: Path) -> None:
    with pytest.raises(ValidationError, match=re.escape("word_dropout")):
        make_transformer(folder, word_dropout=0.1)
