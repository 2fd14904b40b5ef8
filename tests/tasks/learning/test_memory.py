"""What a batch frees the next one has again, without waiting for the system."""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[3]
# Prints how many pages the system had to give for twenty batches of 40 MB, each freed before the next.
BATCHES = """
import resource, sys
import numpy as np
from tasks.memory import keep_freed_memory

if sys.argv[1] == "keep":
    keep_freed_memory()
np.ones(5_000_000)
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(20):
    np.ones(5_000_000)
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


def count_pages(mode: str) -> int:
    command = [sys.executable, "-c", BATCHES, mode]
    return int(subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout)


def test_kept_memory_needs_no_new_pages() -> None:
    assert count_pages("keep") < 100, "one batch has 9,766 pages of 4 kB, or 20 of 2 MB"


def test_without_it_every_batch_does() -> None:
    assert count_pages("leave") >= 20 * 20
