"""`make bench` starts: all rows can be imported; an unknown row or missing data is a one-line message."""

from __future__ import annotations

import re
import subprocess
import sys
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path

import pytest

from benchmarks import table
from benchmarks.__main__ import main
from benchmarks.ablation import list_variants
from benchmarks.progressive import learn_at_last_size
from benchmarks.real_data import Clone
from benchmarks.table import RESULTS, Figure, Row
from flows.engine.graph.dvc_yaml import trace_flow
from flows.images import ImagesParams
from tests.project import REPOSITORY


@pytest.mark.parametrize(
    ("row", "code", "told"),
    [
        ("nothing", 1, "there is no row 'nothing'; `python -m benchmarks --help` lists all rows"),
        ("imagenet", 1, "there is no row 'imagenet'; did you mean imagenette or imagenette_long (`python -m benchm"),
        ("esc10", 0, "esc10: ESC10 is not set"),
        ("text_training", 0, "text_training: SENTIMENT140 is not set"),
        ("text_accuracy", 0, "text_accuracy: SENTIMENT140 is not set"),
    ],
)
def test_a_row_that_cannot_run_says_why(
    row: str, code: int, told: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("ESC10", "SENTIMENT140"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(sys, "argv", ["benchmarks", row])
    with pytest.raises(SystemExit) if code else nullcontext() as ended:
        main()
    shown = capsys.readouterr().err + (str(ended.value) if ended else "")
    assert told in shown


def test_help_lists_each_row_with_its_minutes() -> None:
    command = [sys.executable, "-m", "benchmarks", "--help"]
    done = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=True)
    rows = [line.strip("* ").split() for line in done.stdout.splitlines() if re.match(r"[* ] \w", line)]
    assert ["spectrograms", "0.5"] in rows
    assert {path.stem for path in RESULTS.glob("*.json")} <= {name for name, _ in rows}


@pytest.mark.parametrize("preset", ["", "imagenette", "ants-and-bees"])
def test_the_last_size_alone_is_learnt_as_long_as_all_sizes_together(preset: str) -> None:
    clone = Clone(REPOSITORY, "images", preset)
    given = clone.read_params()
    epochs = sum(size["epochs"] for size in given["sizes"].values())
    params = clone.read_params(learn_at_last_size(given))
    stages = trace_flow("images", ImagesParams.model_validate(params))
    fits = [stage for stage in stages if "-fit-" in stage.name]
    assert fits
    assert all("-large-" in stage.name for stage in fits)
    assert params["sizes"]["large"]["epochs"] == epochs


def test_each_trick_is_left_out_or_tried_by_a_change_of_valid_params() -> None:
    clone = Clone(REPOSITORY, "images")
    given = clone.read_params()
    variants = list_variants(given)
    assert len(variants) == 5
    for changes in variants.values():
        assert ImagesParams.model_validate(clone.read_params(changes)) != ImagesParams.model_validate(given)


def test_a_row_is_marked_when_what_it_measured_has_changed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(table, "RESULTS", tmp_path)
    row = Row("sounds", measure_one, 1, ("audio",))
    table.run_row(row)
    table.print_table([row])
    assert "CHANGED" not in capsys.readouterr().out
    for changed in (replace(row, runs=("audio-esc10",)), replace(row, measure=measure_two)):
        table.print_table([changed])
        assert "CHANGED" in capsys.readouterr().out


def measure_one() -> list[Figure]:
    return [Figure("seconds", "2", "1", "2.0", "1.5", True)]


def measure_two() -> list[Figure]:
    return [*measure_one(), *measure_one()]
