"""The report escapes all texts and leaves out what a run does not have."""

from __future__ import annotations

import importlib
import json
from pathlib import Path

import pytest

from flows.engine.drivers import record
from flows.engine.drivers.record import FlowRecord, StageRecord
from flows.engine.drivers.run import Run
from flows.engine.graph.params import Params
from flows.engine.graph.stage import Published, Role, Stage
from flows.engine.project import list_flows
from flows.engine.tracking.ledger import Cost, keep_cost, keep_decision, pick_samples, read_cost, read_decision
from flows.report.audio import show_measures
from flows.report.blocks import Table
from flows.report.load import Training, measure_training, name_bottleneck
from flows.report.run import show_stages
from flows.report.text import render_report
from tasks.audio.measures import measure_clips
from tasks.tables import write_rows
from tasks.text.slices import score_slices
from tests.browser import needs_chromium, open_page
from tests.engine.report_page import find_texts, wait_drawn

EVIL = "<script>document.title = 'owned'</script><img src=x onerror=\"document.title = 'owned'\">{{ 7 * 7 }}"


def make_stage(name: str, folder: Path | None = None, **values: object) -> StageRecord:
    known = {"result": "ran", "seconds": 1.0, "learns": False, "cost": None}
    known |= {"role": None, "function": make_stage, "exports": False}
    return StageRecord(name, folder=folder, **{**known, **values})  # type: ignore[arg-type]


def make_record(*stages: StageRecord, flow: str = "text", **values: object) -> FlowRecord:
    known = {"status": "finished", "began_ms": 1_700_000_000_000, "about": {}, "decision": ""}
    return FlowRecord(flow, stages=list(stages), **{**known, **values})  # type: ignore[arg-type]


@pytest.fixture
def evil(tmp_path: Path) -> FlowRecord:
    """A run all of whose texts try to be code: tweets, classes, reasons, params, errors."""
    for name in ("clean", "slices", "evaluate"):
        (tmp_path / name).mkdir()
    report = {"examples": 2, "dropped": {EVIL: 1}, "kinds": {EVIL: EVIL}}
    (tmp_path / "clean/report.json").write_text(json.dumps(report))
    write_rows(tmp_path / "clean/classes.csv", ["category", "examples"], [{"category": EVIL, "examples": 2}])
    write_rows(tmp_path / "clean/dropped.csv", ["text", "reason"], [{"text": EVIL, "reason": EVIL}])
    write_rows(
        tmp_path / "slices/slices.csv",
        ["slice", "examples", "accuracy"],
        [{"slice": EVIL, "examples": 2, "accuracy": 0.5}],
    )
    worst = {"actual": EVIL, "predicted": EVIL + "!", "confidence": 0.9, "text": EVIL}
    write_rows(tmp_path / "slices/worst.csv", list(worst), [worst])
    failed = make_stage("fit-cnn", result="failed", error=EVIL)
    # Whatever they are called: the report knows them by their role, or by the task.
    known = [
        make_stage("any-name", tmp_path / "clean", role=Role.CLEAN_TABLE),
        make_stage("another", tmp_path / "slices", function=score_slices),
    ]
    return make_record(*known, failed, decision=EVIL, about={"command": EVIL, "version.x": EVIL})


@needs_chromium
def test_texts_stay_texts(evil: FlowRecord, tmp_path: Path) -> None:
    html = render_report(evil)
    assert "<script>document.title" not in html and "<img src=x" not in html and "49" not in html.split("<script>")[0]
    (tmp_path / "report.html").write_text(html)
    with open_page((tmp_path / "report.html").as_uri()) as opened:
        seen = wait_drawn(opened.page)
        assert seen["charts"] == 2 and seen["undrawn"] == 0
        assert opened.page.title().startswith("text, ")
        assert find_texts(opened.page, "blockquote") == [EVIL]
        assert opened.errors == []


def test_loudness_and_tempo_of_the_classes_are_drawn(tmp_path: Path) -> None:
    ranges = [{"category": EVIL, "low": -30.5, "middle": -20.0, "high": -10.0}]
    for name in ("loudness", "tempo"):
        write_rows(tmp_path / f"{name}.csv", list(ranges[0]), ranges)
    write_rows(tmp_path / "measures.csv", ["example"], [{"example": n} for n in range(7)])
    charts = list(show_measures(make_record(make_stage("any-name", tmp_path, function=measure_clips))))
    assert [chart.title for chart in charts] == ["Loudness", "Tempo"]
    assert charts[0].note == "dB: median and middle half of each class; 7 clips were measured"
    assert charts[1].spec["data"]["values"] == [{"class": EVIL, "low": -30.5, "middle": -20.0, "high": -10.0}]


@pytest.mark.parametrize("flow", list_flows())
def test_what_a_run_lacks_is_not_there(flow: str) -> None:
    failed = make_stage("download", result="failed", error="the archive is not there")
    record = make_record(failed, make_stage("clean", result="not reached"), flow=flow, status="failed")
    html = importlib.import_module(f"flows.report.{flow}").render_report(record)
    headings = [line.strip() for line in html.splitlines() if line.strip().startswith("<h2>")]
    assert headings == ["<h2>Overview</h2>", "<h2>Stages</h2>"]
    assert "the archive is not there" in html


def test_the_stages_show_the_memory_that_they_needed_where_it_is_known() -> None:
    costs = (Cost(1.0, 0, peak_bytes=2_460_000_000), Cost(1.0, 0), None)
    (table,) = show_stages(make_record(*(make_stage("fit", cost=cost) for cost in costs))).blocks
    assert isinstance(table, Table)
    assert [row[-1] for row in table.rows] == ["2.46 GB", "", ""]


def make_training(**values: float | None) -> Training:
    known = {"seconds": 60.0, "speed": 50.0, "input_share": 0.03, "cpu": 90.0, "gpu": None}
    return Training("fit", **{**known, "peak_memory": 40.0, "peak_gpu_memory": None, **values})  # type: ignore[arg-type]


LIMITS = {
    "a busy processor": ({}, "Compute"),
    "a slow disk": ({"input_share": 0.5, "cpu": 30.0}, "Input"),
    "little memory": ({"peak_memory": 97.0}, "Memory"),
    "a busy GPU beside an idle processor": ({"gpu": 95.0, "cpu": 20.0, "peak_gpu_memory": 50.0}, "Compute"),
    "an idle GPU beside a busy processor": ({"gpu": 20.0, "peak_gpu_memory": 10.0}, "No single resource"),
    "a GPU that is full": ({"gpu": 95.0, "peak_gpu_memory": 95.0}, "Memory"),
}


@pytest.mark.parametrize("case", LIMITS)
def test_what_held_training_back(case: str) -> None:
    values, limit = LIMITS[case]
    told = name_bottleneck([make_training(**values)])
    assert told.startswith(limit), told
    assert f"{values.get('input_share', 0.03):.0%} of the time" in told


def test_longer_epochs_and_longer_trainings_count_more() -> None:
    epochs = [
        {"step": 1, "examples_per_s": 10, "input_share": 0.9},
        {"step": 2, "examples_per_s": 90, "input_share": 0},
    ]
    found = measure_training(make_stage("fit", cost=Cost(10.0, 0, epochs=epochs)))
    assert found is not None and found.input_share == pytest.approx(0.81) and found.speed == pytest.approx(18)
    told = name_bottleneck(
        [make_training(input_share=1.0, seconds=30.0), make_training(input_share=0.0, seconds=270.0)]
    )
    assert "took 10% of the time" in told


def test_samples_are_those_of_the_stage_and_thinned_by_means() -> None:
    events = [{"time_ms": 1000 * n, "figures": {"system/cpu": float(n % 2)}} for n in range(1000)]
    within = pick_samples(events, 10_000, 19_999)
    assert [one["second"] for one in within] == list(range(10))
    thinned = pick_samples(events, 0, 10**9)
    assert len(thinned) <= 240 and {one["cpu"] for one in thinned[:-1]} <= {0.4, 0.5, 0.6}


def test_the_ledger_knows_only_the_output_it_was_told_of(tmp_path: Path) -> None:
    cost = Cost(3.0, 5, samples=[{"second": 0.5, "cpu": 1.0}], epochs=[{"step": 1.0}])
    keep_cost(tmp_path, "audio-fit", "abc", cost)
    keep_decision(tmp_path, "audio-export", "abc", "is champion")
    assert read_cost(tmp_path, "audio-fit", "abc") == cost
    assert read_cost(tmp_path, "audio-fit", "def") is None
    assert read_decision(tmp_path, "audio-export", "abc") == "is champion"
    assert read_decision(tmp_path, "audio-export", "def") == read_decision(tmp_path, "audio-fit", "abc") == ""


@pytest.mark.parametrize(("node", "percent"), [("node1", 7.0), ("", 99.0)])
def test_the_load_of_a_stage_is_that_of_the_machine_that_computed_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, node: str, percent: float
) -> None:
    monkeypatch.setattr(record, "ROOT", tmp_path)
    here, there = ({"time_ms": 1000, "figures": {"system/cpu": value}} for value in (99.0, 7.0))
    run = Run([], force=False, costs={"fit": Cost(10.0, 0)}, nodes={"fit": node}, loads={"fit": [there]})
    stage = Stage("fit", "", make_stage, {}, Params(), learns=True, published=Published())
    cost = record._weigh(run, stage, "md5", [here])
    assert cost is not None and [sample["cpu"] for sample in cost.samples] == [percent]
