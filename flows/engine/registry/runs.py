"""The runs of whole flows: the newest ones, and the differences between two of them."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from flows.engine.errors import EngineError
from flows.engine.registry.gate import Judge, ask, explain_other_data, fetch_predictions, name_metric
from flows.engine.registry.versions import Registry, Version
from flows.engine.tags import CACHED, OUTPUT_OF, PARENT_RUN

if TYPE_CHECKING:
    from mlflow.entities import Run
    from mlflow.tracking import MlflowClient

# The number of newest runs that are searched for an id.
SEARCHED = 1000
# The prefix of the machine's metrics.
MACHINE = "system/"


@dataclass(frozen=True)
class FlowRun:
    """One run of a whole flow in MLflow; `experiment` is the id of the flow's experiment."""

    id: str
    flow: str
    experiment: str
    began_ms: int
    status: str
    tags: Mapping[str, str]
    params: Mapping[str, str]
    metrics: Mapping[str, float]

    @classmethod
    def of(cls, run: Run) -> FlowRun:
        """Return the used fields of an MLflow run."""
        info, data = run.info, run.data
        about = (info.run_id, info.run_name, info.experiment_id, info.start_time, info.status)
        return cls(*about, data.tags, data.params, data.metrics)


@dataclass(frozen=True)
class Difference:
    """One value in two runs; None where a run has none."""

    name: str
    first: str | None
    second: str | None


@dataclass(frozen=True)
class RunPair:
    """The differences between two runs, and whether one model is better by more than noise."""

    params: list[Difference]
    data: list[Difference]
    figures: list[Difference]
    noise: str


@dataclass(frozen=True)
class FlowRuns:
    """MLflow's runs of whole flows, the parents of the stages' runs."""

    client: MlflowClient

    def list_last(self, count: int) -> list[FlowRun]:
        """Return the newest runs of all flows, the newest first."""
        found = [
            FlowRun.of(run)
            for experiment in self.client.search_experiments()
            for run in self.client.search_runs(
                [experiment.experiment_id],
                f"attributes.run_name = '{experiment.name}'",
                max_results=count,
                order_by=["attributes.start_time DESC"],
            )
        ]
        return sorted(found, key=lambda run: -run.began_ms)[:count]

    def find(self, start: str) -> FlowRun:
        """Return the run whose id begins with `start`. Raises EngineError when there is none, or more than one."""
        found = [run for run in self.list_last(SEARCHED) if run.id.startswith(start)]
        if len(found) != 1:
            message = f"{len(found)} runs have an id that begins" if found else "no flow's run has an id that begins"
            raise EngineError(
                f"{message} with {start!r}: give {'more' if found else 'the first'} characters of an id that "
                f"`python -m flows runs --count {SEARCHED}` lists"
            )
        return found[0]

    def compare(self, first: FlowRun, second: FlowRun, judge: Judge) -> RunPair:
        """Return the differences between two runs, and their metrics side by side."""
        md5s = [
            {key.removeprefix(OUTPUT_OF): md5 for key, md5 in run.tags.items() if key.startswith(OUTPUT_OF)}
            for run in (first, second)
        ]
        figures = [
            {key: f"{value:.4g}" for key, value in run.metrics.items() if not key.startswith(MACHINE)}
            for run in (first, second)
        ]
        return RunPair(
            params=[found for found in pair_up(first.params, second.params) if found.first != found.second],
            data=[found for found in pair_up(*md5s) if found.first != found.second],
            figures=pair_up(*figures),
            noise=self._weigh(first, second, judge),
        )

    def _weigh(self, first: FlowRun, second: FlowRun, judge: Judge) -> str:
        """Compare the second run's model with the first one's on the same test data, or say why that is impossible."""
        versions = [self._find_version(run) for run in (first, second)]
        if versions[0] is None or versions[1] is None:
            return "not compared example by example: a run has no registered model"
        if difference := explain_other_data(versions[1].tags, versions[0].tags):
            return f"not compared example by example: the first {difference}"
        with tempfile.TemporaryDirectory() as folder:
            tables = [fetch_predictions(version, Path(folder, str(n))) for n, version in enumerate(versions) if version]
            if tables[0] is None or tables[1] is None:
                return "not compared example by example: a model has no stored predictions"
            comparison = ask(judge.compare_tables, tables[1], tables[0], metric=name_metric(versions[1]))
        return f"the second against the first: {comparison or 'their predictions could not be compared'}"

    def _find_version(self, run: FlowRun) -> Version | None:
        """Return the version that a flow's run registered, or reused from an earlier run."""
        stages = self.client.search_runs([run.experiment], f"tags.`{PARENT_RUN}` = '{run.id}'")
        cached = [run_id for key, run_id in run.tags.items() if key.startswith(CACHED)]
        return Registry(self.client).find_made_by({*cached, *(stage.info.run_id for stage in stages)}, run.flow)


def pair_up(first: Mapping[str, str], second: Mapping[str, str]) -> list[Difference]:
    """Return the values of two runs side by side, by name."""
    return [Difference(name, first.get(name), second.get(name)) for name in sorted({*first, *second})]
