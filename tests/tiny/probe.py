"""Computes stages that no flow has; scripts of the tests import it."""

from flows.engine.compute.job import Usage
from flows.engine.compute.process import run_stage
from flows.engine.console import ConsoleReport
from flows.engine.graph.params import Params
from flows.engine.graph.stage import Published, Stage
from flows.engine.locks import hold_lock, stage_lock
from tasks.section import Section


class OddParams(Params):
    compute: Section = Section()

    def track(self, section: object) -> dict[str, object]:
        return {}  # there is no params file


def make(function, name="odd", learns=False, **arguments) -> Stage:
    params = OddParams(compute=arguments.get("compute", Section()))
    return Stage(name, "", function, arguments, params, learns=learns, published=Published())


def compute(stage: Stage, report: ConsoleReport | None = None) -> Usage:
    with hold_lock(stage_lock(stage.name)):
        return run_stage(stage, report or ConsoleReport(stage.name))
