"""From the embedded archive to raw texts judged by the exported file: each stage reads what the one before wrote."""

import json
from pathlib import Path

import pytest

from flows.engine.graph.params import check_params, read_yaml
from flows.engine.project import ROOT
from flows.text import TextParams, text
from tasks.folds import Folds, split_folds
from tasks.learning.answers import ask_model
from tasks.learning.ensemble import build_ensemble
from tasks.learning.evaluate import evaluate_predictions
from tasks.learning.export import export_ensemble
from tasks.learning.train import find_lr, fit
from tasks.tables import read_rows
from tasks.text.clean import clean_tweets
from tasks.text.ensemble import TextEnsemble
from tasks.text.ngrams import fit_ngrams
from tasks.text.predict import open_model
from tasks.text.sample import SampleSection, make_sample
from tasks.text.sections import CleanTweets, Ngrams, Tokens
from tasks.text.slices import score_slices
from tasks.text.tokens import tokenise
from tests.tasks.learning.toys import COMPUTE, RecordingReport, Toy
from tests.tasks.text.toys import AS_THEY_ARE, make_reader
from tests.tasks.text.tweets import PLAIN

pytestmark = pytest.mark.filterwarnings("ignore:`torch.jit.*is deprecated:DeprecationWarning")
CLEAN = PLAIN | {"max_chars": 2000}
SMALL = {"width": 16, "embedding": 16, "epochs": 6, "batch_size": 16, "label_smoothing": 0.0}
MEMBERS = {"cnn": make_reader("cnn", **SMALL, balance="oversample")}
GRAMS = {"nbsvm": Ngrams(shortest_chars=2, longest_chars=4, min_texts=2, c=0.1, balance="none")}


def prepare(toy: Toy, folds: Folds, neutral: str) -> None:
    """Make the sample, clean it and split it."""
    import zipfile

    sample = SampleSection(train_rows=800, test_rows=200, seed=1)
    make_sample(sample, out=toy.folder("sample"), report=RecordingReport())
    with zipfile.ZipFile(toy.folder("sample") / "archive.zip") as archive:
        archive.extractall(toy.folder("archive"))
    clean = CleanTweets.model_validate(CLEAN | {"neutral": neutral})
    clean_tweets(toy.folder("archive"), clean, out=toy.folder("tweets"), report=RecordingReport())
    split_folds(toy.folder("tweets"), folds, out=toy.folder("folds"))


def fit_round(toy: Toy, fold: int) -> tuple[Path, list[Path]]:
    """Fit all members in one round; return its tokens and its fits."""
    tokens, split = toy.folder(f"tokens{fold}"), toy.folder("folds")
    words = Tokens(tokeniser="spacy", lower=True, max_words=2000, min_count=1)
    tokenise(toy.folder("tweets"), split, words, fold=fold, out=tokens, report=RecordingReport())
    fitted = []
    for name, member in MEMBERS.items():
        lr, out, kept = (toy.folder(f"{kind}-{name}-{fold}") for kind in ("lr", "fit", "kept"))
        inputs = {"tokens": tokens, "folds": split}
        find_lr(member, COMPUTE, fold=fold, out=lr, report=RecordingReport(), **inputs)
        names = {"name": name, "fold": fold, "augment": AS_THEY_ARE}
        fit(member, COMPUTE, lr, **names, out=out, report=RecordingReport(), checkpoints=kept, **inputs)
        fitted.append(out)
    for name, grams in GRAMS.items():
        places, out = (toy.folder("tweets"), tokens, split), toy.folder(f"fit-{name}-{fold}")
        fit_ngrams(*places, grams, name=name, fold=fold, out=out, report=RecordingReport())
        fitted.append(out)
    return tokens, fitted


def finish(toy: Toy, rounds: list[tuple[Path, list[Path]]]) -> dict:
    """Put the rounds together, score and export them; return the metrics."""
    settings = TextEnsemble(method="fitted", metric="accuracy")
    fitted = [fit for _, each in rounds for fit in each]
    tweets, tokens = toy.folder("tweets"), [words for words, _ in rounds]
    ensemble, scores = toy.folder("ensemble"), toy.folder("scores")
    build_ensemble(fitted, settings, out=ensemble, report=RecordingReport())
    evaluate_predictions(ensemble, tweets, out=scores, report=RecordingReport())
    score_slices(ensemble, tweets, tokens, out=toy.folder("slices"), report=RecordingReport())
    places, report = (ensemble, fitted, tweets, MEMBERS, settings), RecordingReport()
    export_ensemble(*places, solved=GRAMS, out=toy.folder("export"), report=report, tokens=tokens)
    return json.loads((scores / "metrics.json").read_text())


@pytest.mark.parametrize(
    ("folds", "neutral"),
    [
        (Folds(mode="own", n_folds=5, valid=4, test=5, seed=1), "leave_out"),
        (Folds(mode="cross_validation", n_folds=2, valid=0, test=2, seed=1), "class"),
    ],
    ids=["own", "cross_validation"],
)
def test_from_the_archive_to_raw_texts(tmp_path: Path, folds: Folds, neutral: str) -> None:
    toy = Toy(tmp_path)
    prepare(toy, folds, neutral)
    metrics = finish(toy, [fit_round(toy, fold) for fold in folds.held_out])
    assert set(metrics) == {"ensemble", "members"}
    assert set(metrics["members"]) == {"cnn", "nbsvm"}
    assert metrics["ensemble"]["accuracy"] > 0.8
    slices = {row["slice"]: row for row in read_rows(toy.folder("slices") / "slices.csv")}
    assert int(slices["all"]["examples"]) == metrics["ensemble"]["examples"]
    assert int(slices["with a negation"]["examples"]) > 0
    said = ["Best day ever, i love this lovely puppy :)", "@ann ugh, the bus was awful and late!!!"]
    answers = ask_model(open_model(toy.folder("export") / "model.pt"), said, top=1)
    assert [answer.classes[0][0] for answer in answers] == ["positive", "negative"]
    classes = {row["category"]: float(row["f1"]) for row in read_rows(toy.folder("scores") / "per_class.csv")}
    assert classes.keys() == {"negative", "positive", *(["neutral"] if neutral == "class" else [])}
    assert min(classes.values()) > 0.5, classes


def test_the_flow_makes_a_stage_of_each_turn_and_hands_the_language_only_where_asked() -> None:
    params = check_params(read_yaml("params/text.yaml"), TextParams, "params/text.yaml")
    names = [stage.name for stage in text.trace(params)]
    assert not [name for name in names if "lm" in name]
    assert {"text-tokens-fold10", "text-fit-lstm-fold10", "text-fit-nbsvm-fold10"} <= {*names}


@pytest.mark.parametrize("preset", sorted(path.stem for path in (ROOT / "params/presets").glob("text-*.yaml")))
def test_every_preset_makes_a_flow(preset: str) -> None:
    content = read_yaml("params/text.yaml")
    for key, value in read_yaml(f"params/presets/{preset}.yaml").items():
        content[key] = value if key in ("members", "ngrams") else content[key] | value
    stages = {stage.name: stage for stage in text.trace(check_params(content, TextParams, preset))}
    (language,) = [stage for name, stage in stages.items() if name.startswith("text-lm-")]
    start = [name for name, stage in stages.items() if language.artifact in stage.inputs]
    assert start == ["text-lr-ulmfit-fold10", "text-fit-ulmfit-fold10"]
