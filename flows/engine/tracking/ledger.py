"""What is known of a stage's output beside it, kept on disk: what it cost, and what the registry said of it.

So a run of cached stages can tell both without asking MLflow. Each entry holds the md5 of the output that it is about.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

from flows.engine.tracking.outbox import Event, read_json, write_json

# So many samples show a night as well as an hour.
MOST_SAMPLES = 240


@dataclass(frozen=True)
class Cost:
    """What a stage took when it was computed.

    `peak_bytes` is the most memory that its process held at once, 0 where that is not known. `samples` are the
    machine's load, `second` after the beginning; `epochs` are the figures that it told of each step.
    """

    seconds: float
    began_ms: int
    peak_bytes: int = 0
    samples: list[dict[str, float]] = field(default_factory=list)
    epochs: list[dict[str, float]] = field(default_factory=list)


@dataclass(frozen=True)
class Made:
    """How a stage was computed last: when, by which run, in how many seconds, at what peak of memory, with what."""

    ended_ms: int
    run: str
    seconds: float
    peak_bytes: int
    versions: dict[str, str]

    def list_moved(self, now: Mapping[str, str]) -> list[str]:
        """Return the libraries whose version is another one now, with both versions."""
        return [
            f"{name} {then}, now {now.get(name, 'none')}"
            for name, then in self.versions.items()
            if now.get(name) != then
        ]


def keep_made(root: Path, stage: str, made: Made) -> None:
    """Keep how a stage was computed, in place of how it was computed before."""
    write_json(_make_place(root, stage, "made"), asdict(made))


def read_made(root: Path, stage: str) -> Made | None:
    """Return how a stage was computed last; None where it never was, here."""
    found = read_json(_make_place(root, stage, "made"))
    return Made(**found) if found else None


def keep_cost(root: Path, stage: str, output: str, cost: Cost) -> None:
    """Keep what a stage cost, in place of what it cost before."""
    write_json(_make_place(root, stage, "cost"), {"output": output, "cost": asdict(cost)})


def read_cost(root: Path, stage: str, output: str) -> Cost | None:
    """Return what the computing of this output cost; None where it was not computed here."""
    found = read_json(_make_place(root, stage, "cost"))
    return Cost(**found["cost"]) if found.get("output") == output else None


def keep_verdict(root: Path, stage: str, output: str, verdict: str) -> None:
    """Keep what the registry said of the version that was made of an output."""
    write_json(_make_place(root, stage, "verdict"), {"output": output, "verdict": verdict})


def read_verdict(root: Path, stage: str, output: str) -> str:
    """Return what the registry said of this output; nothing where it was not asked, or not yet."""
    found = read_json(_make_place(root, stage, "verdict"))
    return str(found["verdict"]) if found.get("output") == output else ""


def pick_samples(events: Sequence[Event], began_ms: int, ended_ms: int) -> list[dict[str, float]]:
    """Return the machine's load between two moments, thinned by means over equal spans where there is too much."""
    within = [event for event in events if began_ms <= event["time_ms"] <= ended_ms]
    size = -(-len(within) // MOST_SAMPLES) or 1
    return [_average(within[start : start + size], began_ms) for start in range(0, len(within), size)]


def _average(events: Sequence[Event], began_ms: int) -> dict[str, float]:
    second = sum(event["time_ms"] - began_ms for event in events) / len(events) / 1000
    return {"second": round(second, 1), **dict(_mean_figures([event["figures"] for event in events]))}


def _mean_figures(figures: Sequence[Mapping[str, float]]) -> Iterator[tuple[str, float]]:
    for name in figures[0]:
        there = [one[name] for one in figures if name in one]
        yield name.removeprefix("system/"), round(sum(there) / len(there), 1)


def _make_place(root: Path, stage: str, what: str) -> Path:
    folder = root / ".trifold" / "ledger"
    folder.mkdir(parents=True, exist_ok=True)
    return folder / f"{stage}-{what}.json"
