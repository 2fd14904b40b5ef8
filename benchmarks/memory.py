"""Anonymous memory of a process that computes spectrograms: it must not grow with the number of clips."""

from __future__ import annotations

import re
import subprocess
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks.spectrograms import make_clips
from benchmarks.table import Figure

COUNTS = (400, 2000)
# Each clip has several names in the table: only the count matters, not the space on disk.
N_FILES = 50
CODE = """
import sys
from pathlib import Path
from benchmarks.spectrograms import compute_ours
compute_ours(Path(sys.argv[1]))
"""


def measure() -> list[Figure]:
    """Return the peak for each count, in megabytes."""
    few_mb, many_mb = (measure_peak_mb(count) for count in COUNTS)
    growth_mb = many_mb - few_mb
    # An array of the additional clips would take hundreds of megabytes: 1,600 raw clips are 700 MB.
    return [
        Figure(
            f"peak RssAnon, MB, {COUNTS[0]} and {COUNTS[1]} clips",
            f"{few_mb:.0f}",
            f"{many_mb:.0f}",
            f"{many_mb / few_mb:.2f}",
            "no growth (below 5 %)",
            growth_mb < 0.05 * few_mb,
        )
    ]


def measure_peak_mb(n_clips: int) -> float:
    """Compute the spectrograms of `n_clips` in a separate process and return its peak."""
    with TemporaryDirectory() as place:
        folder = Path(place)
        make_clips(folder, N_FILES)
        table = folder / "clips" / "examples.csv"
        header, *rows = table.read_text().splitlines()
        names = [row.split(",")[1] for row in rows]
        table.write_text("\n".join([header, *(f"{n},{names[n % N_FILES]},0" for n in range(n_clips))]) + "\n")
        return watch_peak_mb(subprocess.Popen([sys.executable, "-c", CODE, str(folder)]))


def watch_peak_mb(process: subprocess.Popen[bytes]) -> float:
    """Return the peak of a process's anonymous memory, in megabytes."""
    peak_kb = 0
    while process.poll() is None:
        try:
            match = re.search(r"RssAnon:\s+(\d+)", Path(f"/proc/{process.pid}/status").read_text())
        except (FileNotFoundError, ProcessLookupError):
            break
        peak_kb = max(peak_kb, int(match[1]) if match else 0)
        time.sleep(0.01)
    if process.wait():
        raise RuntimeError(f"the measured process ended with {process.returncode}")
    return peak_kb / 1e3
