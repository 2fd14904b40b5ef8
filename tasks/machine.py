"""What this machine offers."""

import os


def count_cores() -> int:
    """Return how many cores this process may use (fewer than the machine has, in a container)."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
