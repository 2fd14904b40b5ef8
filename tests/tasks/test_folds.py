"""No recording on two sides, every class on every side, and each clip held out once."""

import json
from collections.abc import Callable
from itertools import product
from pathlib import Path

import numpy as np
import pytest
from pydantic import ValidationError

from tasks.errors import UserError
from tasks.folds import Folds, read_round, split_folds
from tasks.tables import read_rows, write_rows

VALUES = {"mode": "holdout", "n_folds": 5, "valid": 4, "test": 5, "seed": 1}
Clip = dict[str, object]


def make_clips(with_folds: bool = True) -> list[Clip]:
    """Three classes, five folds, two recordings of two takes in each."""
    return [
        {"label": label, "group": f"r{label}{fold}{recording}", "fold": fold if with_folds else ""}
        for label, fold, recording, _ in product(range(3), range(1, 6), range(2), range(2))
    ]


def split(folder: Path, clips: list[Clip], **values: object) -> Path:
    write_rows(folder / "clips.csv", ["label", "group", "fold"], clips)
    out = folder / "folds"
    out.mkdir()
    split_folds(folder, Folds.model_validate(VALUES | values), out=out)
    return out


def test_holdout_is_one_round_with_a_part_that_chooses(tmp_path: Path) -> None:
    out = split(tmp_path, make_clips())
    parts = read_round(out, 5)
    assert [len(parts.train), len(parts.valid), len(parts.test)] == [36, 12, 12]
    assert sorted(np.concatenate([parts.train, parts.valid, parts.test])) == list(range(60))
    assert parts.train.dtype == np.int64
    with pytest.raises(UserError, match="No round holds out fold 4; the rounds hold out 5"):
        read_round(out, 4)


def test_cross_validation_holds_out_each_clip_once_and_chooses_nothing(tmp_path: Path) -> None:
    out = split(tmp_path, make_clips(), mode="cross_validation")
    rounds = [read_round(out, fold) for fold in Folds.model_validate(VALUES | {"mode": "cross_validation"}).held_out]
    assert len(rounds) == 5
    assert sorted(np.concatenate([each.test for each in rounds])) == list(range(60))
    assert all(len(each.valid) == 0 and not set(each.train) & set(each.test) for each in rounds)


def test_drawn_folds_keep_recordings_whole_and_classes_in_proportion(tmp_path: Path) -> None:
    out = split(tmp_path, make_clips(with_folds=False), mode="cross_validation")
    rows = read_rows(out / "folds.csv")
    assert len({(row["group"], row["fold"]) for row in rows}) == 30
    counts = {(row["label"], row["fold"]): 0 for row in rows}
    for row in rows:
        counts[row["label"], row["fold"]] += 1
    assert set(counts.values()) == {4}


def test_drawn_folds_are_the_seed_s(tmp_path: Path) -> None:
    texts = []
    for name, seed in (("a", 1), ("b", 1), ("c", 2)):
        (tmp_path / name).mkdir()
        out = split(tmp_path / name, make_clips(with_folds=False), seed=seed)
        texts.append((out / "folds.csv").read_bytes())
    assert texts[0] == texts[1] != texts[2]


def test_what_is_written_says_the_mode_and_the_rounds(tmp_path: Path) -> None:
    told = json.loads((split(tmp_path, make_clips()) / "folds.json").read_text())
    assert told == {"mode": "holdout", "rounds": [{"train": [1, 2, 3], "valid": [4], "test": [5]}]}


def tear(clips: list[Clip]) -> None:
    clips[0]["group"] = clips[-1]["group"] = "torn"


def tear_within_train(clips: list[Clip]) -> None:
    clips[0]["group"] = clips[4]["group"] = "torn"  # folds 1 and 2


def unclass(clips: list[Clip]) -> None:
    clips[:] = [clip for clip in clips if (clip["label"], clip["fold"]) != (1, 5)]


def unfold(clips: list[Clip]) -> None:
    clips[3]["fold"] = ""


def narrow(clips: list[Clip]) -> None:
    for clip in clips:
        clip["fold"] = min(int(str(clip["fold"])), 4)


def merge(clips: list[Clip]) -> None:
    for clip in clips:
        clip["fold"], clip["group"] = "", clip["group"] if clip["label"] != 2 else "one"


@pytest.mark.parametrize(
    ("spoil", "mode", "told"),
    [
        (tear, "holdout", "1 recordings stand on two sides when fold 5 is held out: torn"),
        (tear_within_train, "cross_validation", "two sides when fold 1 is held out: torn"),
        (unclass, "holdout", r"Class 1 is missing from test \(fold 5\)"),
        (unclass, "cross_validation", r"Class 1 is missing from test \(fold 5\)"),
        (unfold, "holdout", "1 clips have no fold and 59 have one"),
        (narrow, "holdout", "has the folds 1, 2, 3, 4, folds.n_folds asks for 1 to 5; set folds.n_folds to 4"),
        (merge, "holdout", "Class 2 comes from 1 recordings, too few for 5 folds"),
    ],
)
def test_folds_that_would_lie_are_refused(
    tmp_path: Path, spoil: Callable[[list[Clip]], None], mode: str, told: str
) -> None:
    clips = make_clips()
    spoil(clips)
    with pytest.raises(UserError, match=told):
        split(tmp_path, clips, mode=mode)
    assert not list((tmp_path / "folds").iterdir())


def test_a_recording_within_the_training_part_may_span_folds_in_holdout(tmp_path: Path) -> None:
    clips = make_clips()
    tear_within_train(clips)
    split(tmp_path, clips)


@pytest.mark.parametrize(
    ("changed", "told"),
    [
        ({"n_folds": 1}, "greater than or equal to 2"),
        ({"n_folds": 2, "valid": 1, "test": 2}, "holdout needs n_folds of 3 or more"),
        ({"valid": 5}, "two different folds of 1..5"),
        ({"test": 6}, "two different folds of 1..5"),
        ({"mode": "random"}, "'holdout' or 'cross_validation'"),
        ({"n_folds": "5"}, "valid integer"),
    ],
)
def test_sections_that_make_no_sense_are_refused(changed: dict[str, object], told: str) -> None:
    with pytest.raises(ValidationError, match=told):
        Folds.model_validate(VALUES | changed)
