"""One file from word numbers to probabilities, the same bytes each time, that needs nothing but torch."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from tasks.errors import UserError
from tasks.learning.checkpoints import save_to_bytes
from tasks.learning.export import export_ensemble
from tasks.learning.fitted import Fit, write_fit
from tasks.learning.networks import build_network
from tasks.learning.script import Classifier, gather_voters
from tasks.learning.served import load_script
from tasks.report import Silent
from tasks.text.ensemble import TextEnsemble
from tasks.text.script import Renumber, assemble, draw_example
from tasks.text.sections import Ngrams
from tests.tasks.text.test_members import NETWORKS
from tests.tasks.text.toys import WORDS, make_reader, write_tokens

pytestmark = pytest.mark.filterwarnings("ignore:`torch.jit.*is deprecated:DeprecationWarning")
LABELS = ["negative", "positive", "so, so"]
GRAMS = Ngrams(shortest_chars=2, longest_chars=4, min_texts=2, c=0.1, balance="none")
MEMBERS = {**{network: make_reader(network) for network in NETWORKS}, "nbsvm": GRAMS}
OTHER_WORDS = ["<unk>", "<pad>", "tea", "good", "bad", "moon"]
VOCABULARIES = [WORDS, OTHER_WORDS]


def make_stages(root: Path, rounds: int = 2) -> tuple[Path, list[Path], list[Path], Path]:
    """Write an ensemble of all members in two rounds, each with a vocabulary of its own, with random weights."""
    fitted = [write_fitted(root, name, fold) for fold in range(1, rounds + 1) for name in MEMBERS]
    weights = dict(zip(MEMBERS, (0.3, 0.1, 0.1, 0.2, 0.2, 0.1), strict=True))
    rounds_json = [{"fold": fold, "weights": weights, "reason": ""} for fold in range(1, rounds + 1)]
    ensemble, tweets = root / "ensemble", root / "tweets"
    ensemble.mkdir(), tweets.mkdir()
    (ensemble / "ensemble.json").write_text(json.dumps({"rounds": rounds_json, "temperature": 1.0}))
    rows = "".join(f'{n},"{name}"\n' for n, name in enumerate(LABELS))
    (tweets / "classes.csv").write_text("label,category\n" + rows)
    tokens = [root / f"tokens{fold}" for fold in range(1, rounds + 1)]
    for folder, words in zip(tokens, VOCABULARIES, strict=False):
        folder.mkdir()
        write_tokens(folder, [[2, 3]], words)
    return ensemble, fitted, tokens, tweets


def write_fitted(root: Path, name: str, fold: int) -> Path:
    folder, shape = root / f"{name}-{fold}", (len(VOCABULARIES[fold - 1]),)
    folder.mkdir(parents=True)
    with torch.random.fork_rng():
        torch.manual_seed(fold)
        network = build_network(MEMBERS[name], 3, shape)
        for value in network.state_dict().values():
            torch.nn.init.normal_(value, std=0.3)
    (folder / "state_dict.pt").write_bytes(save_to_bytes(network.state_dict()))
    write_fit(folder, Fit(name, fold, 3, shape))
    return folder


def export(root: Path) -> Path:
    out = root / "export"
    out.mkdir(parents=True)
    write_export(*make_stages(root), out)
    return out


def write_export(ensemble: Path, fitted: list[Path], tokens: list[Path], tweets: Path, out: Path) -> None:
    places, mean = (ensemble, fitted, tweets), TextEnsemble(method="mean", metric="accuracy")
    trained = {name: MEMBERS[name] for name in NETWORKS}
    export_ensemble(*places, trained, mean, solved={"nbsvm": GRAMS}, out=out, report=Silent(), tokens=tokens)


def assemble_python(root: Path, rounds: int = 2) -> Classifier:
    """Return the Python model of the stages."""
    ensemble, fitted, tokens, _ = make_stages(root, rounds)
    return assemble(gather_voters(ensemble, fitted, MEMBERS), LABELS, tokens=tokens).model


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An export that tests only read."""
    return export(tmp_path_factory.mktemp("first"))


def test_two_exports_from_two_folders_are_the_same_bytes(exported: Path, tmp_path: Path) -> None:
    again = export(tmp_path / "elsewhere" / "deeper")
    assert {path.name for path in exported.iterdir()} >= {"vocabulary.json", "tokeniser.json", "model.pt"}
    for path in exported.iterdir():
        assert path.read_bytes() == (again / path.name).read_bytes(), path.name


def test_the_file_carries_labels_and_what_pads(exported: Path) -> None:
    model = load_script(exported / "model.pt")
    assert model.labels == LABELS == json.loads((exported / "labels.json").read_text())
    words = json.loads((exported / "vocabulary.json").read_text())
    assert (model.pad_id, model.n_words) == (words.index("<pad>"), len(words))
    assert words == [*WORDS, "moon"]


def test_it_answers_like_the_python_model_padded_or_not(exported: Path, tmp_path: Path) -> None:
    python = assemble_python(tmp_path)
    script = load_script(exported / "model.pt")
    with torch.inference_mode():
        for words in ([[2]], [[5, 0, 12], [3, 4, 1]], [[7] * 30], [[1]]):
            probabilities = script(torch.tensor(words))
            torch.testing.assert_close(probabilities, python(torch.tensor(words)), atol=1e-5, rtol=0)
            torch.testing.assert_close(probabilities.sum(1), torch.ones(len(words)))
        padded = script(torch.tensor([[5, 6, 1, 1], [2, 3, 4, 5]]))[0]
        torch.testing.assert_close(padded, script(torch.tensor([[5, 6]]))[0], atol=1e-6, rtol=0)


def test_each_round_reads_its_own_numbers_of_the_same_words(tmp_path: Path) -> None:
    model = assemble_python(tmp_path)
    numbers = torch.tensor([[WORDS.index("tea"), WORDS.index("sun"), len(WORDS), 1]])  # the last word is moon
    with torch.inference_mode():
        of_first, of_second = torch.tensor([[11, 9, 0, 1]]), torch.tensor([[2, 0, 5, 1]])
        probabilities = torch.zeros(1, 3)
        for view, own in zip(model.views, (of_first, of_second), strict=True):
            probabilities += sum(s * n(own).softmax(1) for s, n in zip(view.shares, view.networks, strict=True))
        torch.testing.assert_close(model(numbers), probabilities)


def test_padding_stays_padding_in_every_round() -> None:
    assert Renumber(WORDS, OTHER_WORDS)(torch.tensor([1, 0])).tolist() == [1, 0]


def test_one_round_needs_no_second_numbering(tmp_path: Path) -> None:
    model = assemble_python(tmp_path, rounds=1)
    assert isinstance(model.views[0].front_end, torch.nn.Identity)


def test_a_process_with_torch_alone_reads_it(exported: Path) -> None:
    code = (
        "import sys, torch; m = torch.jit.load(sys.argv[1]); p = m(torch.full((2, 5), m.pad_id)); "
        "print(tuple(p.shape), *[n for n in ('tasks', 'torchtext', 'spacy') if n in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-I", "-c", code, exported / "model.pt"], capture_output=True, text=True)
    assert done.stdout.strip() == "(2, 3)", done.stderr


@pytest.mark.parametrize("n_words", [3, 13, 20_002])
def test_the_example_fits_any_vocabulary(n_words: int) -> None:
    example = draw_example(n_words)
    assert example.dtype == np.int64 and example.min() >= 0 and example.max() < n_words
    assert (example[1] == 1).any()


def test_rounds_that_cut_texts_differently_are_refused(tmp_path: Path) -> None:
    stages = make_stages(tmp_path)
    (stages[2][1] / "tokeniser.json").write_text('{"kind": "byte_pairs"}')
    with pytest.raises(UserError, match=r"set folds\.mode to holdout"):
        write_export(*stages, tmp_path)
