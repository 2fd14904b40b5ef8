"""The runs of whole flows: the last ones, and how two of them differ."""

import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from mlflow.entities import Run
from mlflow.tracking import MlflowClient

from flows.engine.errors import EngineError
from flows.engine.registry.gate import Judge, ask, fetch_predictions, list_other_data
from flows.engine.registry.versions import Registry, Version
from flows.engine.tracking.tracker import CACHED

# Of all runs, how many the newest are searched for one by its id.
SEARCHED = 1000
# Before a stage's name: the tag with the md5 of its output. Before the machine's figures.
OUTPUT, MACHINE = "output.md5.", "system/"


@dataclass(frozen=True)
class Difference:
    """One value of two runs; None where a run has none."""

    name: str
    one: str | None
    other: str | None


@dataclass(frozen=True)
class RunPair:
    """How two runs differ, and whether that is more than noise."""

    params: list[Difference]
    data: list[Difference]
    figures: list[Difference]
    noise: str


@dataclass(frozen=True)
class FlowRuns:
    """MLflow's runs of whole flows, the parents of the stages' runs."""

    client: MlflowClient

    def list_last(self, count: int) -> list[Run]:
        """Return the last runs of all flows, the newest first."""
        found = [
            run
            for experiment in self.client.search_experiments()
            for run in self.client.search_runs(
                [experiment.experiment_id],
                f"attributes.run_name = '{experiment.name}'",
                max_results=count,
                order_by=["attributes.start_time DESC"],
            )
        ]
        return sorted(found, key=lambda run: -run.info.start_time)[:count]

    def find(self, start: str) -> Run:
        """Return the run whose id begins with `start`. Raises EngineError when there is none, or more than one."""
        found = [run for run in self.list_last(SEARCHED) if run.info.run_id.startswith(start)]
        if len(found) != 1:
            told = f"the ids of {len(found)} runs begin" if found else "no flow's run has an id that begins"
            raise EngineError(f"{told} with {start!r}: `python -m flows runs` lists them")
        return found[0]

    def compare(self, one: Run, other: Run, judge: Judge) -> RunPair:
        """Return what differs between two runs, and their figures side by side."""
        md5s = [
            {key.removeprefix(OUTPUT): md5 for key, md5 in run.data.tags.items() if key.startswith(OUTPUT)}
            for run in (one, other)
        ]
        figures = [
            {key: f"{value:.4g}" for key, value in run.data.metrics.items() if not key.startswith(MACHINE)}
            for run in (one, other)
        ]
        return RunPair(
            params=[found for found in pair_up(one.data.params, other.data.params) if found.one != found.other],
            data=[found for found in pair_up(*md5s) if found.one != found.other],
            figures=pair_up(*figures),
            noise=self._weigh(one, other, judge),
        )

    def _weigh(self, one: Run, other: Run, judge: Judge) -> str:
        """Return how the second run's model compares with the first one's on the same test data, or why it cannot."""
        versions = [self._find_version(run) for run in (one, other)]
        if versions[0] is None or versions[1] is None:
            return "not compared example by example: a run has no registered model"
        if differing := list_other_data(versions[0].tags, versions[1].tags):
            return f"not compared example by example: other test data ({', '.join(differing)})"
        with tempfile.TemporaryDirectory() as folder:
            tables = [fetch_predictions(version, Path(folder, str(n))) for n, version in enumerate(versions) if version]
            if tables[0] is None or tables[1] is None:
                return "not compared example by example: a model was kept without its predictions"
            comparison = ask(judge.compare_tables, tables[1], tables[0])
        return f"the second against the first: {comparison or 'their predictions cannot be compared'}"

    def _find_version(self, run: Run) -> Version | None:
        """Return the version that a flow's run made, or that it found made before."""
        stages = self.client.search_runs([run.info.experiment_id], f"tags.`mlflow.parentRunId` = '{run.info.run_id}'")
        cached = [run_id for key, run_id in run.data.tags.items() if key.startswith(CACHED)]
        return Registry(self.client).find_made_by({*cached, *(one.info.run_id for one in stages)}, run.info.run_name)


def pair_up(one: Mapping[str, str], other: Mapping[str, str]) -> list[Difference]:
    """Return the values of two runs side by side, by name."""
    return [Difference(name, one.get(name), other.get(name)) for name in sorted({*one, *other})]
