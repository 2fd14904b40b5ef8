"""The gate: a new version becomes champion only when it beats the present one on the same test data."""

import logging
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, TypeVar

from mlflow.artifacts import download_artifacts, list_artifacts

from flows.engine.registry.versions import CHALLENGER, CHAMPION, Registry, Version
from flows.engine.tags import DATA_MD5, GATE, VERDICT

# The held-out predictions of a version, beside its model.
PREDICTIONS = "predictions.csv"
Answer = TypeVar("Answer")
log = logging.getLogger(__name__)


class Comparison(Protocol):
    """How a model compares with another; as text, by how much."""

    @property
    def is_better(self) -> bool:
        """Whether it is better by more than the noise."""


class Judge(Protocol):
    """What scores and compares tables of predictions: a module, named by the flow."""

    def score_table(self, table: Path) -> Mapping[str, float]:
        """Return figures by name."""

    def compare_tables(self, new: Path, other: Path) -> Comparison:
        """Compare two tables of predictions of the same examples."""


@dataclass(frozen=True)
class Verdict:
    """The alias that a new version gets, and why."""

    alias: str
    reason: str


def admit_version(registry: Registry, version: Version, predictions: Path, judge: Judge) -> str:
    """Give a new version its alias and return the verdict in one line; may be called twice."""
    name, number, tags = version.name, version.number, version.tags
    if VERDICT not in tags:
        verdict = reach_verdict(registry, version, predictions, judge)
        told = f"{name} version {number} {'becomes' if verdict.alias == CHAMPION else 'is'} {verdict.alias}"
        tags = {GATE: verdict.alias, VERDICT: f"{told}: {verdict.reason}"}
        registry.client.update_model_version(name, number, tags[VERDICT])
        for key, value in tags.items():
            registry.client.set_model_version_tag(name, number, key, value)
    if tags[GATE] == CHAMPION:
        registry.promote(name, number)
    else:
        registry.challenge(name, number)
    return tags[VERDICT]


def reach_verdict(registry: Registry, version: Version, predictions: Path, judge: Judge) -> Verdict:
    """Compare a new version with the champion; whatever cannot be compared waits for a person."""
    by_hand = f"to promote it all the same: `python -m flows models promote {version.name} {version.number}`"
    champion = registry.find_champion(version.name)
    if champion is None:
        return Verdict(CHAMPION, "there was no champion to beat")
    if other := list_other_data(version.tags, champion.tags):
        return Verdict(CHALLENGER, f"champion {champion.number} saw other test data ({', '.join(other)}); {by_hand}")
    with tempfile.TemporaryDirectory() as folder:
        other_table = fetch_predictions(champion, Path(folder))
        if other_table is None:
            return Verdict(CHALLENGER, f"champion {champion.number} was kept without its predictions; {by_hand}")
        comparison = ask(judge.compare_tables, predictions, other_table)
    if comparison is None:
        return Verdict(CHALLENGER, f"its predictions and those of champion {champion.number} cannot be compared")
    return Verdict(
        CHAMPION if comparison.is_better else CHALLENGER, f"compared with champion {champion.number}, {comparison}"
    )


def list_other_data(tags: Mapping[str, str], others: Mapping[str, str]) -> list[str]:
    """Return the stages whose output, part of the test data, is not the same for both, or not known."""
    keys = {key for key in {**tags, **others} if key.startswith(DATA_MD5)}
    if not keys:
        return ["its md5 is not known"]
    return sorted(key.removeprefix(DATA_MD5) for key in keys if not tags.get(key) or tags.get(key) != others.get(key))


def fetch_predictions(version: Version, folder: Path) -> Path | None:
    """Bring a version's predictions into a folder; None where it has none. Raises as MLflow does when it is down."""
    address = f"models:/{version.name}/{version.number}"
    if PREDICTIONS not in [found.path for found in list_artifacts(address)]:
        return None
    return Path(download_artifacts(f"{address}/{PREDICTIONS}", dst_path=str(folder)))


def ask(question: Callable[..., Answer], *tables: Path) -> Answer | None:
    """Return the judge's answer, or None when it fails."""
    try:
        return question(*tables)
    except Exception:
        # Whatever ails one judge must not keep other runs from being sent.
        log.exception("no judgement of %s", [table.name for table in tables])
        return None
