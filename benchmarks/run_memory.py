"""Memory of whole runs: the peak over all processes of a project, servers included."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.real_data import clone_for, find_archive
from benchmarks.table import Figure

POLL_S = 0.5
DEMO_GB, TWEETS_GB = 2.0, 3.0


@dataclass
class Peak:
    """The largest sum of the memory of all processes in a folder, and the largest process at that moment, in bytes."""

    total: int = 0
    largest: int = 0
    over: threading.Event = field(default_factory=threading.Event)

    def follow(self, root: Path) -> None:
        """Measure until `over` is set."""
        while not self.over.wait(POLL_S):
            sizes = list(list_sizes(root))
            if sum(sizes) > self.total:
                self.total, self.largest = sum(sizes), max(sizes)


def measure() -> list[Figure]:
    """Run the sample's three flows, and the tweets of SENTIMENT140 with their preset."""
    archive = find_archive("run_memory", "SENTIMENT140")
    with clone_for("text", "sentiment140", archive) as clone:
        with watch(clone.root) as demo:
            clone.call("run", "audio", "images", "text")
        with watch(clone.root) as tweets:
            clone.run()
    rows = [("the sample's three flows", demo, DEMO_GB), ("20,000 tweets with the preset", tweets, TWEETS_GB)]
    return [
        Figure(
            f"peak memory of all processes, GB, {what}",
            f"the largest process alone {peak.largest / 1e9:.2f}",
            f"{peak.total / 1e9:.2f}",
            "",
            f"{target_gb:g} GB",
            peak.total / 1e9 <= target_gb,
        )
        for what, peak, target_gb in rows
    ]


@contextmanager
def watch(root: Path) -> Iterator[Peak]:
    """Measure the processes in a folder while the block runs."""
    peak = Peak()
    thread = threading.Thread(target=peak.follow, args=(root,))
    thread.start()
    try:
        yield peak
    finally:
        peak.over.set()
        thread.join()


def list_sizes(root: Path) -> Iterator[int]:
    """Yield the proportional set size, in bytes, of each process that runs in a folder: shared pages count once."""
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if (process / "cwd").readlink().is_relative_to(root.resolve()):
                lines = (process / "smaps_rollup").read_text().splitlines()
                yield next(int(line.split()[1]) * 1024 for line in lines if line.startswith("Pss:"))
        except (OSError, StopIteration):
            continue  # it has just ended
