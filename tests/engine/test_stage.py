"""Tracing: which calls become stages, and which are refused."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel

from flows.engine.cache.store import Outcome, Verdict
from flows.engine.drivers.recorder import end_flow_run
from flows.engine.errors import EngineError
from flows.engine.graph.params import Params
from flows.engine.graph.pipeline import Pipeline, stage
from flows.engine.graph.stage import ONCE, Artifact, Published, Registered, Role, Stage
from flows.engine.project import ROOT
from flows.engine.tracking.journal import Journal
from flows.engine.tracking.outbox import OutgoingJournal
from tasks import folds
from tasks.audio import predict


class Section(BaseModel):
    number: int = 1
    file: str = "somewhere/weights.pt"

    def modules(self) -> tuple[str, ...]:
        return ("tasks.folds",)

    def files(self) -> tuple[str, ...]:
        return (self.file,)


class Other(Section):
    """Not in the signature of `make`."""


class SomeParams(Params):
    first: Section = Section()
    other: Section = Other()
    members: dict[str, Section] = {  # noqa: RUF012 - pydantic copies it
        "one": Section(),
        "two": Section(number=2),
    }


def make(section: Section, *, size: int = 1, out: Path) -> None:
    """Make something."""


def gather(section: Section, *, out: Path, **inputs: object) -> None:
    """Make something of what a flow passes by name."""


def use(made: list[Path], *, out: Path) -> None:
    """Use what was made."""


def trace(body):  # type: ignore[no-untyped-def]
    return Pipeline("some", SomeParams, body).trace(SomeParams())


def test_a_stage_holds_all_that_decides_its_result() -> None:
    (made,) = trace(lambda p: stage(make, "make")(p.first, size=3))
    assert made.command == "python -m flows stage some-make size=3"
    assert made.artifact == Artifact("some-make", "data/some/make")
    assert list(made.sections) == ["first"]
    assert made.code.definitions == {"tests.engine.test_stage:make", "tests.engine.test_stage:Section"}
    assert made.code.modules == {"tasks.folds"}, "the module that the section names"
    assert made.code.path in made.deps
    assert "somewhere/weights.pt" in made.deps, "the file that the section names"


@pytest.mark.parametrize(
    ("file", "dep"),
    [
        ("./data.zip", "data.zip"),
        (f"{ROOT}/data.zip", "data.zip"),
        ("../photos/", str(ROOT.parent / "photos")),
        ("~/photos", str(Path.home() / "photos")),
    ],
)
def test_a_file_that_a_section_names_is_an_input_under_the_name_that_dvc_gives_it(file: str, dep: str) -> None:
    params = SomeParams(first=Section(file=file))
    (made,) = Pipeline("some", SomeParams, lambda p: stage(make, "make")(p.first)).trace(params)
    assert made.files == [dep]
    assert dep in made.deps


def test_a_flows_run_keeps_the_md5_of_the_files_that_its_params_name(tmp_path: Path) -> None:
    stages = trace(lambda p: stage(make, "make")(p.first))
    journal = Journal.begin(tmp_path, name="some", experiment="some")
    outcome = Outcome(Verdict.CACHED, {"somewhere/weights.pt": "abc", "data/code/make.txt": "def"}, "ghi")
    end_flow_run(journal, stages, {"some-make": outcome}, "FINISHED")
    events = [line.event for line in OutgoingJournal(journal.folder).read_events()]
    assert {"input.md5.somewhere/weights.pt": "abc"} in [event.get("tags") for event in events]


def test_what_a_task_takes_as_inputs_are_arguments_like_any_other() -> None:
    *_, made = trace(
        lambda p: stage(gather, "gather-{other}")(
            p.first, features=stage(make, "make")(p.first), size=3, other=p.members["two"], before=None
        )
    )
    assert made.name == "some-gather-two"
    assert made.command == "python -m flows stage some-gather-two size=3"
    assert made.inputs == [Artifact("some-make", "data/some/make")]
    assert list(made.sections) == ["first", "members.two"]


def test_what_no_command_line_could_carry_is_refused_among_the_inputs_too() -> None:
    with pytest.raises(EngineError, match=r"features=.* is neither an artifact of an earlier stage"):
        trace(lambda p: stage(gather, "gather")(p.first, features={"a": 1}))


def test_two_equal_sections_keep_their_own_keys() -> None:
    stages = trace(lambda p: [stage(make, "make-{section}")(one) for one in p.members.values()])
    assert [list(one.sections) for one in stages] == [["members.one"], ["members.two"]]
    assert [one.name for one in stages] == ["some-make-one", "some-make-two"]


def test_a_mapping_of_sections_is_tracked_as_a_whole() -> None:
    (made,) = trace(lambda p: stage(make, "make")(p.members))
    assert list(made.sections) == ["members"]


def test_artifacts_in_a_list_are_inputs() -> None:
    def body(p: SomeParams) -> Artifact:
        return stage(use, "use")([stage(make, "make-{size}")(p.first, size=n) for n in (64, 128)])

    assert [one.stage for one in trace(body)[-1].inputs] == ["some-make-64", "some-make-128"]


@pytest.mark.parametrize(
    "body, words",
    [
        (lambda p: stage(make, "make")(p.first, size=object()), "neither an artifact"),
        (lambda p: stage(use, "use")([1, 2]), "neither an artifact"),
        (lambda p: [stage(make, "make")(p.first, size=n) for n in (1, 2)], "two calls"),
    ],
)
def test_what_no_command_line_could_carry_is_refused(body: object, words: str) -> None:
    with pytest.raises(EngineError, match=words):
        trace(body)


def test_the_module_that_opens_an_export_is_part_of_its_code() -> None:
    made = trace_reported(**WHOLE)[-1]
    assert made.code.modules == {"tasks.folds", "tasks.audio.predict"}


def test_codes_are_named_after_the_task_and_what_tells_them_apart() -> None:
    stages = trace(lambda p: [stage(make, "make-{section}")(one) for one in (p.first, p.other)])
    name = "tests.engine.test_stage.make"
    assert [one.code.name for one in stages] == [f"{name}.folds.folds", f"{name}.folds.folds+Other"]


@pytest.mark.parametrize("function", [lambda *, out: None, partial(make, size=2), len], ids=["lambda", "partial", "C"])
def test_what_has_no_code_of_its_own_is_refused(function: Callable[..., None]) -> None:
    with pytest.raises(EngineError, match="defined with `def`"):
        stage(function, "make")


def trace_reported(**kinds: dict[str, Any]) -> list[Stage]:
    """Trace a flow with a report that makes a stage of each kind given, by its name."""

    def body(p: SomeParams) -> None:
        for name, values in kinds.items():
            stage(make, name, **values)(p.first)

    return Pipeline("some", SomeParams, body, reporter="some.report").trace(SomeParams())  # type: ignore[arg-type]


WHOLE: dict[str, dict[str, Any]] = {
    **{role.name: {"role": role} for role in (*ONCE, Role.FIT)},
    "export": {"publish": Published(model=Registered(loader=predict, judge=folds))},
}


@pytest.mark.parametrize("role", [*ONCE, Role.FIT])
def test_a_flow_that_lacks_what_its_report_reads_is_refused(role: Role) -> None:
    assert len(trace_reported(**WHOLE)) == len(WHOLE)
    mend = re.escape(f"declare one with stage(..., role=Role.{role.name})")
    with pytest.raises(EngineError, match=f"no stage makes {role.value}, .*{mend}"):
        trace_reported(**{name: values for name, values in WHOLE.items() if name != role.name})


MUDDLED = {
    "two clean tables": ({"other": {"role": Role.CLEAN_TABLE}}, "both some-CLEAN_TABLE and some-other make the clean"),
    "no export": ({"export": {}}, "some has 0 stages that export a model"),
    "two exports": ({"other": WHOLE["export"]}, "some has 2 stages that export a model"),
    "a loader that cannot be asked": (
        {"export": {"publish": Published(model=Registered(loader=folds, judge=folds))}},
        "tasks.folds has no GIVEN, read_given, open_model, _load_pyfunc",
    ),
}


@pytest.mark.parametrize("case", MUDDLED)
def test_a_flow_whose_declarations_contradict_is_refused(case: str) -> None:
    changes, words = MUDDLED[case]
    with pytest.raises(EngineError, match=words):
        trace_reported(**WHOLE | changes)


def test_several_fits_and_range_tests_are_as_they_should_be() -> None:
    trace_reported(**WHOLE, other={"role": Role.FIT}, lr={"role": Role.RANGE_TEST}, lr2={"role": Role.RANGE_TEST})


def test_a_stage_outside_a_flow_is_refused() -> None:
    with pytest.raises(EngineError, match="only in the body of a flow"):
        stage(make, "make")(Section())
