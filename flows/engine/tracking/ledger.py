"""Keeps facts about stages on disk: the cost of an output, how it was computed, and the gate's decision on it.

So a run of cached stages can show them without MLflow. Costs and decisions are kept with the md5 of the output.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

from flows.engine.tracking.outbox import Event, read_json, write_json

# The number of samples kept, enough for an hour as well as for a night.
MOST_SAMPLES = 240


@dataclass(frozen=True)
class Cost:
    """The cost of computing a stage.

    `peak_bytes` is the peak memory of its process, 0 if unknown. `samples` are the
    machine's load, `second` after the beginning; `epochs` are the metrics of each step.
    """

    seconds: float
    began_ms: int
    peak_bytes: int = 0
    samples: list[dict[str, float]] = field(default_factory=list)
    epochs: list[dict[str, float]] = field(default_factory=list)


@dataclass(frozen=True)
class Made:
    """How a stage was last computed: when, by which run, seconds, peak memory and library versions."""

    ended_ms: int
    run: str
    seconds: float
    peak_bytes: int
    versions: dict[str, str]

    def list_moved(self, now: Mapping[str, str]) -> list[str]:
        """Return the libraries whose version has changed since, with both versions."""
        return [
            f"{name} {then}, now {now.get(name, 'none')}"
            for name, then in self.versions.items()
            if now.get(name) != then
        ]


def keep_made(root: Path, stage: str, made: Made) -> None:
    """Keep how a stage was computed, replacing the previous entry."""
    write_json(_make_place(root, stage, "made"), asdict(made))


def read_made(root: Path, stage: str) -> Made | None:
    """Return how a stage was last computed; None if it was never computed here."""
    found = read_json(_make_place(root, stage, "made"))
    return Made(**found) if found else None


def keep_cost(root: Path, stage: str, output: str, cost: Cost) -> None:
    """Keep the cost of a stage's output, replacing the previous entry."""
    write_json(_make_place(root, stage, "cost"), {"output": output, "cost": asdict(cost)})


def read_cost(root: Path, stage: str, output: str) -> Cost | None:
    """Return the cost of computing this output; None if it was not computed here."""
    found = read_json(_make_place(root, stage, "cost"))
    return Cost(**found["cost"]) if found.get("output") == output else None


def keep_decision(root: Path, stage: str, output: str, decision: str) -> None:
    """Keep the gate's decision on the version registered from an output."""
    write_json(_make_place(root, stage, "decision"), {"output": output, "decision": decision})


def read_decision(root: Path, stage: str, output: str) -> str:
    """Return the gate's decision on this output; empty if there is none yet."""
    found = read_json(_make_place(root, stage, "decision"))
    return str(found["decision"]) if found.get("output") == output else ""


def pick_samples(events: Sequence[Event], began_ms: int, ended_ms: int) -> list[dict[str, float]]:
    """Return the machine's load between two moments, averaged over equal intervals if there are many samples."""
    within = [event for event in events if began_ms <= event["time_ms"] <= ended_ms]
    size = -(-len(within) // MOST_SAMPLES) or 1
    return [_average(within[start : start + size], began_ms) for start in range(0, len(within), size)]


def _average(events: Sequence[Event], began_ms: int) -> dict[str, float]:
    second = sum(event["time_ms"] - began_ms for event in events) / len(events) / 1000
    return {"second": round(second, 1), **dict(_mean_figures([event["figures"] for event in events]))}


def _mean_figures(figures: Sequence[Mapping[str, float]]) -> Iterator[tuple[str, float]]:
    for name in figures[0]:
        there = [sample[name] for sample in figures if name in sample]
        yield name.removeprefix("system/"), round(sum(there) / len(there), 1)


def _make_place(root: Path, stage: str, what: str) -> Path:
    folder = root / ".trifold" / "ledger"
    folder.mkdir(parents=True, exist_ok=True)
    return folder / f"{stage}-{what}.json"
