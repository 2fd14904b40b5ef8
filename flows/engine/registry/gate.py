"""The gate: a new version becomes champion only when it beats the current champion on the same test data."""

import logging
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, TypeVar

from mlflow.artifacts import download_artifacts, list_artifacts

from flows.engine.registry.versions import CHALLENGER, CHAMPION, Registry, Version
from flows.engine.tags import DATA_MD5, DECISION, GATE, METRIC

# A version's predictions of the test data, stored beside its model.
PREDICTIONS = "predictions.csv"
Answer = TypeVar("Answer")
log = logging.getLogger(__name__)


class Comparison(Protocol):
    """The comparison of a model with another; `str()` gives the difference."""

    @property
    def is_better(self) -> bool:
        """Whether the model is better by more than noise."""


class Judge(Protocol):
    """A module, named by the flow, that scores and compares tables of predictions."""

    def score_table(self, table: Path) -> Mapping[str, float]:
        """Return metrics by name."""

    def compare_tables(self, new: Path, other: Path, *, metric: str) -> Comparison:
        """Compare two tables of predictions of the same examples."""


@dataclass(frozen=True)
class Decision:
    """The alias that a new version gets, and the reason."""

    alias: str
    reason: str


def admit_version(registry: Registry, version: Version, predictions: Path, judge: Judge) -> str:
    """Give a new version its alias and return the decision in one line; may be called twice."""
    name, number, tags = version.name, version.number, version.tags
    if DECISION not in tags:
        decision = decide_alias(registry, version, predictions, judge)
        message = f"{name} version {number} {'becomes' if decision.alias == CHAMPION else 'is'} {decision.alias}"
        tags = {GATE: decision.alias, DECISION: f"{message}: {decision.reason}"}
        registry.client.update_model_version(name, number, tags[DECISION])
        for key, value in tags.items():
            registry.client.set_model_version_tag(name, number, key, value)
    if tags[GATE] == CHAMPION:
        registry.promote(name, number)
    else:
        registry.challenge(name, number)
    return tags[DECISION]


def decide_alias(registry: Registry, version: Version, predictions: Path, judge: Judge) -> Decision:
    """Compare a new version with the champion; if they cannot be compared, a user must decide."""
    by_hand = f"to make it champion anyway: `python -m flows models promote {version.name} {version.number}`"
    champion = registry.find_champion(version.name)
    if champion is None:
        return Decision(CHAMPION, "there was no champion yet")
    if difference := explain_other_data(version.tags, champion.tags):
        return Decision(CHALLENGER, f"champion {champion.number} {difference}; {by_hand}")
    with tempfile.TemporaryDirectory() as folder:
        other_table = fetch_predictions(champion, Path(folder))
        if other_table is None:
            return Decision(CHALLENGER, f"champion {champion.number} has no stored predictions; {by_hand}")
        comparison = ask(judge.compare_tables, predictions, other_table, metric=name_metric(version))
    if comparison is None:
        why = "could not be compared (the reason is in .trifold/logs/sender.log)"
        return Decision(CHALLENGER, f"its predictions and those of champion {champion.number} {why}; {by_hand}")
    return Decision(
        CHAMPION if comparison.is_better else CHALLENGER, f"compared with champion {champion.number}, {comparison}"
    )


def explain_other_data(tags: Mapping[str, str], others: Mapping[str, str]) -> str:
    """Name the test-data stages whose output differs between two versions or is unknown; empty if there are none."""
    keys = {key for key in {**tags, **others} if key.startswith(DATA_MD5)}
    if not keys:
        return "may have been tested on other data (no md5 of it is recorded)"
    other = sorted(key.removeprefix(DATA_MD5) for key in keys if not tags.get(key) or tags.get(key) != others.get(key))
    return f"was tested on other data ({', '.join(other)})" if other else ""


def fetch_predictions(version: Version, folder: Path) -> Path | None:
    """Copy a version's predictions into a folder; None if it has none. Raises MLflow's errors when it is down."""
    address = f"models:/{version.name}/{version.number}"
    if PREDICTIONS not in [found.path for found in list_artifacts(address)]:
        return None
    return Path(download_artifacts(f"{address}/{PREDICTIONS}", dst_path=str(folder)))


def name_metric(version: Version) -> str:
    """Return the metric by which a version is compared with others; of versions that name none it is accuracy."""
    return version.tags.get(METRIC, "accuracy")


def ask(question: Callable[..., Answer], *tables: Path, **options: str) -> Answer | None:
    """Return the judge's result, or None when it fails."""
    try:
        return question(*tables, **options)
    except Exception:
        # A judge that fails must not prevent other runs from being sent.
        log.exception("the judge failed on %s", [table.name for table in tables])
        return None
