"""No recording on two sides, every class on every side, and each example held out once."""

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


def split(folder: Path, examples: list[Clip], **values: object) -> Path:
    write_rows(folder / "examples.csv", list(examples[0]), examples)
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
    with pytest.raises(UserError, match="no round with the test fold 4; the rounds have the test folds 5"):
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
    summary = json.loads((split(tmp_path, make_clips()) / "folds.json").read_text())
    assert summary == {"mode": "holdout", "rounds": [{"train": [1, 2, 3], "valid": [4], "test": [5]}]}


OWN = [("train", 36), ("valid", 12), ("test", 12)]


def make_split(parts: list[tuple[str, int]]) -> list[Clip]:
    """Three classes in turn, in the source's own parts."""
    names = [name for name, count in parts for _ in range(count)]
    return [{"label": n % 3, "group": f"g{n}", "fold": "", "split": name} for n, name in enumerate(names)]


@pytest.mark.parametrize(
    ("parts", "values", "sizes"),
    [
        (OWN, {}, [36, 12, 12]),
        (OWN, {"valid": 0}, [48, 0, 12]),
        ([("train", 48), ("valid", 12)], {}, [36, 12, 12]),
        ([("train", 48), ("valid", 12)], {"valid": 0}, [48, 0, 12]),
        ([("train", 48), ("test", 12)], {"n_folds": 2, "valid": 0, "test": 2}, [48, 0, 12]),
    ],
)
def test_the_source_s_last_part_judges_in_its_own_split(
    tmp_path: Path, parts: list[tuple[str, int]], values: dict[str, object], sizes: list[int]
) -> None:
    table = make_split(parts)
    out = split(tmp_path, table, mode="own", **values)
    found = read_round(out, int(str(values.get("test", 5))))
    assert [len(found.train), len(found.valid), len(found.test)] == sizes
    assert {table[row]["split"] for row in found.test} == {parts[-1][0]}
    assert not {table[row]["split"] for row in found.train} & {parts[-1][0]}


def test_a_source_without_parts_of_its_own_is_told_so(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"folds\.mode own needs a source with the splits train and test"):
        split(tmp_path, make_split([("", 60)]), mode="own")


def test_a_class_that_only_the_test_split_has_is_refused_in_own_and_works_otherwise(tmp_path: Path) -> None:
    parts = {"train": [0, 1], "test": [0, 1, 2]}
    table = [clip | {"label": parts[str(clip["split"])][n % 2]} for n, clip in enumerate(make_split([("train", 48)]))]
    table += make_split([("test", 12)])
    for n, clip in enumerate(table):
        clip["group"] = f"g{n}"
    for name in "ab":
        (tmp_path / name).mkdir()
    with pytest.raises(UserError, match=r"label 2 .* is only in the split that folds.mode own keeps .* clean.neutral"):
        split(tmp_path / "a", table, mode="own", n_folds=4, test=4, valid=3)
    found = read_round(split(tmp_path / "b", table, n_folds=4, test=4, valid=3), 4)
    assert all({table[row]["label"] for row in part} == {0, 1, 2} for part in (found.train, found.valid, found.test))


def make_dated(n: int) -> list[Clip]:
    """Both classes in turn, a day apart, newest first."""
    days = [f"2009-{4 + day // 28:02}-{1 + day % 28:02} 12:00:00" for day in reversed(range(n))]
    return [{"label": n % 2, "group": f"g{n}", "fold": "", "date": day} for n, day in enumerate(days)]


def test_by_date_the_past_trains_and_the_newest_judge(tmp_path: Path) -> None:
    table = make_dated(50)
    found = read_round(split(tmp_path, table, mode="date"), 5)
    assert [len(found.train), len(found.valid), len(found.test)] == [30, 10, 10]
    dates = [[str(table[row]["date"]) for row in part] for part in (found.train, found.valid, found.test)]
    assert max(dates[0]) < min(dates[1]) and max(dates[1]) < min(dates[2])


@pytest.mark.parametrize(
    ("table", "message"),
    [
        (make_clips(with_folds=False), "the clean table has no column date"),
        ([*make_dated(50), make_dated(1)[0] | {"group": "x", "date": ""}], "1 examples have no date"),
    ],
)
def test_by_date_every_example_needs_one(tmp_path: Path, table: list[Clip], message: str) -> None:
    with pytest.raises(UserError, match=message):
        split(tmp_path, table, mode="date")


def tear(examples: list[Clip]) -> None:
    examples[0]["group"] = examples[-1]["group"] = "torn"


def tear_within_train(examples: list[Clip]) -> None:
    examples[0]["group"] = examples[4]["group"] = "torn"  # folds 1 and 2


def unclass(examples: list[Clip]) -> None:
    examples[:] = [example for example in examples if (example["label"], example["fold"]) != (1, 5)]


def unfold(examples: list[Clip]) -> None:
    examples[3]["fold"] = ""


def narrow(examples: list[Clip]) -> None:
    for example in examples:
        example["fold"] = min(int(str(example["fold"])), 4)


def merge(examples: list[Clip]) -> None:
    for example in examples:
        example["fold"], example["group"] = "", example["group"] if example["label"] != 2 else "one"


@pytest.mark.parametrize(
    ("spoil", "mode", "message"),
    [
        (
            tear,
            "holdout",
            r"1 groups \(recordings, near-equal pictures\) are in two parts when fold 5 is the test fold: torn",
        ),
        (tear_within_train, "cross_validation", "two parts when fold 1 is the test fold: torn"),
        (unclass, "holdout", r"The class with label 1 .* is missing from the test part \(fold 5\)"),
        (unclass, "cross_validation", r"The class with label 1 .* is missing from the test part \(fold 5\)"),
        (unfold, "holdout", "1 examples have no fold, or fold 0, and 59 have one"),
        (
            narrow,
            "holdout",
            "has the folds 1, 2, 3, 4, but folds.n_folds is 5, so they must be 1 to 5: set folds.n_folds to 4",
        ),
        (
            merge,
            "holdout",
            r"The class with label 2 .* comes from 1 groups \(recordings, near-equal pictures or texts\), too few",
        ),
    ],
)
def test_folds_that_would_lie_are_refused(
    tmp_path: Path, spoil: Callable[[list[Clip]], None], mode: str, message: str
) -> None:
    examples = make_clips()
    spoil(examples)
    with pytest.raises(UserError, match=message):
        split(tmp_path, examples, mode=mode)
    assert not list((tmp_path / "folds").iterdir())


def test_a_recording_within_the_training_part_may_span_folds_in_holdout(tmp_path: Path) -> None:
    examples = make_clips()
    tear_within_train(examples)
    split(tmp_path, examples)


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"n_folds": 1}, "greater than or equal to 2"),
        ({"n_folds": 2, "valid": 1, "test": 2}, "n_folds is 2, but holdout needs 3 or more"),
        ({"valid": 5}, "two different folds of 1..5"),
        ({"test": 6}, "two different folds of 1..5"),
        ({"mode": "date", "valid": 4, "test": 3}, "set test 3 to the newest fold, 5"),
        ({"mode": "date", "valid": 2}, "valid 2 to the fold before it, 4, or to 0"),
        ({"mode": "random"}, "'holdout', 'cross_validation', 'own' or 'date'"),
        ({"n_folds": "5"}, "valid integer"),
    ],
)
def test_sections_that_make_no_sense_are_refused(changed: dict[str, object], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        Folds.model_validate(VALUES | changed)
