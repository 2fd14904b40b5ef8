"""From word numbers to predictions: the stages hand on what the next one reads, and a kill changes nothing."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from tasks.errors import UserError
from tasks.learning.loop import Phase, plan_phases
from tasks.learning.predict import predict_examples
from tasks.learning.predictions import read_predictions
from tasks.learning.train import find_lr
from tasks.learning.train import fit as fit_member
from tasks.tables import read_rows
from tasks.text.augment import Augment
from tasks.text.language import list_next_words, read_encoder
from tasks.text.pretrain import pretrain_encoder
from tasks.text.transforms import drop_words
from tests.tasks.learning.toys import COMPUTE, RecordingReport, Toy, write_toy_folds
from tests.tasks.text.test_members import NETWORKS
from tests.tasks.text.toys import AS_THEY_ARE, WORDS, list_inputs, make_pretrain, make_reader, make_texts, write_tokens


class BreakError(Exception):
    """Ends a training where a test wants it to end."""


class Breaking(RecordingReport):
    """A report that stops the training at an epoch, once its checkpoint is written."""

    def __init__(self, epoch: int) -> None:
        super().__init__()
        self.epoch = epoch

    def progress(self, done: int, total: int, unit: str, **figures: float) -> None:
        if done == self.epoch:
            raise BreakError


def fit(
    toy: Toy,
    network: str = "lstm",
    *,
    fold: int = 5,
    report: RecordingReport | None = None,
    augment: Augment = AS_THEY_ARE,
    language: Path | None = None,
    **values: object,
) -> Path:
    """Fit a member; return the fit's folder."""
    lr = toy.folder("lr")
    # At 0.02 ulmfit learnt with nine seeds of ten, and not with the one here; at 0.01 with all ten. Why is not known.
    (lr / "lr.json").write_text(f'{{"lr": {0.01 if network == "ulmfit" else 0.02}}}')
    member, out = make_reader(network, **values), toy.folder(f"fit-{network}")
    language = toy.folder("language") if member.weights == "pretrained" else language
    kept = toy.folder(f"kept-{network}")
    recorded = report or RecordingReport()
    inputs = {**list_inputs(toy), "augment": augment, "language": language}
    names = {"name": network, "fold": fold}
    fit_member(member, COMPUTE, lr, **names, out=out, report=recorded, checkpoints=kept, **inputs)
    return out


def pretrain(toy: Toy, *, report: RecordingReport | None = None, **values: object) -> Path:
    """Train the language model; return its folder."""
    lr, kept = toy.folder("lr"), toy.folder("kept-language")
    (lr / "lr.json").write_text('{"lr": 0.02}')
    out, recorded = toy.folder("language"), report or RecordingReport()
    recipe = make_pretrain(**values)
    pretrain_encoder(recipe, COMPUTE, lr, fold=5, out=out, report=recorded, checkpoints=kept, **list_inputs(toy))
    return out


def check_same_files(one: Path, other: Path) -> None:
    assert sorted(path.name for path in one.iterdir()) == sorted(path.name for path in other.iterdir())
    for path in one.iterdir():
        assert path.read_bytes() == (other / path.name).read_bytes(), path.name


@pytest.mark.parametrize("network", NETWORKS)
def test_every_network_learns_what_tells_the_classes(tmp_path: Path, network: str) -> None:
    out = fit(make_texts(tmp_path), network, epochs=30, width=16, word_dropout=0.0)
    history = read_rows(out / "history.csv")
    assert float(history[-1]["train_loss"]) < float(history[0]["train_loss"])
    predictions = read_predictions(out / "test.csv")
    assert (predictions.probabilities.argmax(1) == predictions.labels).mean() > 0.8


def test_the_learning_rate_is_found(tmp_path: Path) -> None:
    toy = make_texts(tmp_path)
    find_lr(make_reader(), COMPUTE, fold=5, out=toy.folder("lr"), report=RecordingReport(), **list_inputs(toy))
    assert 1e-5 < json.loads((toy.folder("lr") / "lr.json").read_text())["lr"] < 1


def test_a_language_model_guesses_among_all_words(tmp_path: Path) -> None:
    toy = make_texts(tmp_path)
    lesson, _ = make_pretrain().prepare(COMPUTE, 5, **list_inputs(toy))
    words = json.loads((list_inputs(toy)["tokens"] / "vocabulary.json").read_text())
    assert lesson.n_answers == len(words) > lesson.n_classes


@pytest.mark.parametrize(("mode", "parts"), [("holdout", {"valid": 4, "test": 5}), ("cross_validation", {"test": 5})])
def test_a_fit_predicts_each_held_out_text_once_in_order(tmp_path: Path, mode: str, parts: dict[str, int]) -> None:
    out = fit(make_texts(tmp_path, mode=mode))
    assert {path.stem for path in out.glob("[tv]*.csv")} == set(parts)
    for part, fold in parts.items():
        predictions = read_predictions(out / f"{part}.csv")
        assert predictions.examples.tolist() == [text for text in range(60) if text // 3 % 5 + 1 == fold]
        assert (predictions.labels == predictions.examples % 3).all()


def test_a_text_s_prediction_does_not_depend_on_what_is_judged_beside_it(tmp_path: Path) -> None:
    toy = make_texts(tmp_path)
    lesson, network = make_reader("bilstm").prepare(COMPUTE, 5, **list_inputs(toy))
    predictions = predict_examples(network, lesson.parts.test, lesson)
    for position, probabilities in enumerate(predictions.probabilities):
        words, _ = lesson.parts.test.fetch(torch.tensor([position]))
        with torch.inference_mode():
            alone = network(words).softmax(1)[0].numpy()
        np.testing.assert_allclose(alone, probabilities, atol=1e-6)


def test_two_fits_in_two_folders_are_the_same_bytes(tmp_path: Path) -> None:
    first, again = (fit(make_texts(tmp_path / name)) for name in "ab")
    check_same_files(first, again)


@pytest.mark.parametrize("epoch", [1, 3, 5])
def test_a_training_that_was_stopped_ends_as_the_same_bytes(tmp_path: Path, epoch: int) -> None:
    broken, undisturbed = make_texts(tmp_path / "broken"), make_texts(tmp_path / "undisturbed")
    with pytest.raises(BreakError):
        fit(broken, "bilstm", epochs=6, report=Breaking(epoch))
    check_same_files(fit(broken, "bilstm", epochs=6), fit(undisturbed, "bilstm", epochs=6))


def test_the_encoder_learns_the_language_and_the_classifier_starts_from_it(tmp_path: Path) -> None:
    toy, report = make_texts(tmp_path), RecordingReport()
    language = pretrain(toy, report=report, epochs=20)
    perplexity = json.loads((language / "language.json").read_text())["perplexity"]
    assert set(perplexity) == {"train", "valid", "test"}
    assert perplexity["test"] < 5 < len(WORDS), "b follows a and c follows b, but for the telling word"
    assert "perplexity of the test part" in report.messages[-1]
    member = make_reader("ulmfit", weights="pretrained", head_epochs=1)
    _, network = member.prepare(COMPUTE, 5, **list_inputs(toy), language=language)
    for name, value in read_encoder(language).items():
        assert torch.equal(network.get_parameter(f"encoder.{name}"), value), name


def test_a_language_model_goes_on_from_a_general_one(tmp_path: Path) -> None:
    general = pretrain(make_texts(tmp_path / "general"), epochs=20)
    toys, report = (make_texts(tmp_path / "scratch"), make_texts(tmp_path / "tuned")), RecordingReport()
    first = pretrain(toys[0], epochs=1), pretrain(toys[1], epochs=1, weights=str(general), report=report)
    scratch, tuned = (json.loads((folder / "language.json").read_text())["perplexity"]["test"] for folder in first)
    assert tuned < 5 < scratch
    assert report.messages[0] == "12 of 12 words are known to the general language model"
    again = pretrain(make_texts(tmp_path / "again"), epochs=1, weights=str(first[1]))
    assert (again / "language.pt").exists(), "what a stage writes is a general language model for the next one"


def test_a_language_model_learns_from_all_training_texts_without_labels_and_from_no_others(tmp_path: Path) -> None:
    toys = [make_texts(tmp_path / name) for name in ("one", "other")]
    folds = [text // 3 % 5 + 1 for text in range(60)]
    for toy, others in zip(toys, ([2, 3, 4], [9, 9, 2]), strict=True):
        write_tokens(
            toy.folder("tokens"), [others if fold > 3 else [4, 3, 2, text % 5 + 4] for text, fold in enumerate(folds)]
        )
    write_toy_folds(toys[1], np.roll(np.arange(60) % 3, 1), "holdout")
    one, other = (pretrain(toy, epochs=1) for toy in toys)
    assert (one / "language.pt").read_bytes() == (other / "language.pt").read_bytes()


def test_a_language_model_s_rate_is_found_and_a_stop_changes_nothing(tmp_path: Path) -> None:
    toy, other = make_texts(tmp_path / "one"), make_texts(tmp_path / "other")
    find_lr(make_pretrain(), COMPUTE, fold=5, out=toy.folder("found"), report=RecordingReport(), **list_inputs(toy))
    assert (toy.folder("found") / "curve.png").exists()
    with pytest.raises(BreakError):
        pretrain(toy, report=Breaking(3))
    check_same_files(pretrain(toy), pretrain(other))


def test_texts_of_one_word_teach_no_language_but_do_no_harm(tmp_path: Path) -> None:
    toy = make_texts(tmp_path)
    write_tokens(toy.folder("tokens"), [[2] if text % 2 else [2, 3, 4] for text in range(60)])
    assert json.loads((pretrain(toy) / "language.json").read_text())["perplexity"]["train"] > 0


def test_the_next_word_is_asked_for_at_each_place_that_has_one() -> None:
    words = torch.tensor([[5, 6, 7], [8, 9, 1], [4, 1, 1]])
    assert list_next_words(words, words, 0).tolist() == [6, 7, 9]


def test_gradual_unfreezing_thaws_one_group_after_the_other_and_a_stop_changes_nothing(tmp_path: Path) -> None:
    values = {"weights": "pretrained", "head_epochs": 1, "unfreeze_epochs": 2, "epochs": 2}
    toys = make_texts(tmp_path / "broken"), make_texts(tmp_path / "undisturbed")
    for toy in toys:
        pretrain(toy)
    with pytest.raises(BreakError):
        fit(toys[0], "ulmfit", report=Breaking(5), **values)
    results = [fit(toy, "ulmfit", **values) for toy in toys]
    check_same_files(*results)
    assert len(read_rows(results[0] / "history.csv")) == 1 + 2 * 2 + 2


def test_below_the_last_thawed_group_nothing_moves(tmp_path: Path) -> None:
    toy = make_texts(tmp_path)
    language = read_encoder(pretrain(toy))
    values = {"weights": "pretrained", "head_epochs": 1, "unfreeze_epochs": 1, "epochs": 1, "ema_decay": 0.0}
    moved = []
    for epoch in (1, 2, 3):
        with pytest.raises(BreakError):
            fit(toy, "ulmfit", report=Breaking(epoch), **values)
        state = torch.load(toy.folder("kept-ulmfit") / "training.pt", weights_only=True)["network"]
        moved.append(
            {name.split(".")[0] for name in language if not torch.equal(state[f"encoder.{name}"], language[name])}
        )
    assert moved == [set(), {"layers"}, {"layers"}]


@pytest.mark.parametrize(
    ("n_groups", "recipe", "phases"),
    [
        (4, {}, [(0, 4, 4)]),
        (1, {}, [(0, 4, 1)]),
        (4, {"head_epochs": 2}, [(0, 2, 1), (2, 4, 4)]),
        (4, {"head_epochs": 1, "unfreeze_epochs": 2}, [(0, 1, 1), (1, 2, 2), (3, 2, 3), (5, 4, 4)]),
        (2, {"head_epochs": 1, "unfreeze_epochs": 2}, [(0, 1, 1), (1, 4, 2)]),
    ],
)
def test_the_phases_of_a_training(n_groups: int, recipe: dict[str, object], phases: list[tuple[int, int, int]]) -> None:
    member = make_reader("ulmfit", weights="some.pt", **recipe)
    planned = plan_phases(member, member, n_groups)
    assert [(each.first, each.epochs) for each in planned] == [phase[:2] for phase in phases]
    assert planned[:-1] == [Phase(*phase) for phase in phases[:-1]]


@pytest.mark.parametrize(
    ("network", "language", "message"),
    [
        ("lstm", {}, "lstm cannot use weights pretrained: it has no language model's encoder; set weights to none"),
        ("ulmfit", None, "needs the round's language model"),
        (
            "ulmfit",
            {"width": 9},
            r"of the language model \(language\) are of another architecture.*\(36, 6\) instead of",
        ),
    ],
)
def test_an_encoder_that_cannot_be_had_is_told(
    tmp_path: Path, network: str, language: dict[str, object] | None, message: str
) -> None:
    toy = make_texts(tmp_path)
    folder: Callable[[], Path] | None = None if language is None else lambda: pretrain(toy, **(language or {}))
    member = make_reader(network, weights="pretrained")
    inputs = {**list_inputs(toy), "language": folder() if folder else None}
    with pytest.raises(UserError, match=message):
        member.prepare(COMPUTE, 5, **inputs)


def test_words_are_dropped_by_chance_and_padding_stays() -> None:
    words = torch.tensor([[2, 3, 4, 5], [6, 7, 1, 1]]).repeat(500, 1)
    dropped = drop_words(words, torch.Generator().manual_seed(0), share=0.25)
    assert torch.equal(dropped == 1, words == 1)
    assert 0.22 < float((dropped == 0)[words != 1].float().mean()) < 0.28
    assert torch.equal(dropped[dropped != 0], words[dropped != 0])
    assert drop_words(words, torch.Generator(), share=0.0) is words
