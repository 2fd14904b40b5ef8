"""Properties of this machine."""

import os
from pathlib import Path

CGROUPS = Path("/sys/fs/cgroup")


def count_cores() -> int:
    """Return how many cores this process may use: those of its affinity mask, or fewer if a quota allows fewer.

    A container's quota, such as `docker run --cpus`, is rounded down to whole cores: more threads would only wait.
    """
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    own = Path("/proc/self/cgroup")
    quotas = list_quotas(own.read_text(), CGROUPS) if own.exists() else []
    return max(1, min(cores, *map(int, quotas))) if quotas else cores


def list_quotas(memberships: str, root: Path) -> list[float]:
    """Return the quotas in cores of a process's control group and of its parents.

    `memberships` is the text of /proc/PID/cgroup; `root` is where the groups of version 2 are mounted.
    """
    paths = [line.removeprefix("0::/") for line in memberships.splitlines() if line.startswith("0::/")]
    groups = [group for path in paths for group in (Path(path), *Path(path).parents)]
    files = [root / group / "cpu.max" for group in dict.fromkeys(groups)]
    limits = [file.read_text().split() for file in files if file.is_file()]
    return [int(quota) / int(period) for quota, period in limits if quota != "max"]
