"""Describes this process and machine: identity, commit, devices and library versions."""

import getpass
import os
import platform
import pwd
import shlex
import socket
import subprocess
import sys
from collections.abc import MutableMapping
from dataclasses import asdict, dataclass
from functools import cache
from importlib import metadata
from pathlib import Path

from flows.engine import tags

LIBRARIES = (
    "torch",
    "torchvision",
    "torchaudio",
    "torchtext",
    "librosa",
    "soundfile",
    "spacy",
    "scikit-learn",
    "numpy",
    "pandas",
    "dvc",
    "mlflow",
    "prefect",
)
NO_GPU = "none"
GPUS = "CUDA_VISIBLE_DEVICES"
LOOPBACK = ("127.0.0.1", "localhost")
_QUIET = {
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
    "DO_NOT_TRACK": "1",  # Prefect's client
    "DVC_NO_ANALYTICS": "true",
}


@dataclass(frozen=True)
class Identity:
    """One process, distinguished from all others that ever had its pid."""

    host: str
    pid: int
    started: str

    def is_gone(self) -> bool:
        """Return whether the process has certainly ended; False for one on another host, which cannot be checked."""
        return self.host == socket.gethostname() and read_start(self.pid) != self.started

    def as_dict(self) -> dict[str, str | int]:
        """Return the fields as a mapping, for a JSON file."""
        return asdict(self)


def identify(pid: int | None = None) -> Identity:
    """Return the identity of a process of this machine; by default, of this process."""
    pid = os.getpid() if pid is None else pid
    return Identity(socket.gethostname(), pid, read_start(pid))


def read_start(pid: int) -> str:
    """Return when a process began, or an empty string when it does not exist or is a zombie.

    A process whose first thread has ended looks like a zombie, but keeps its files and ports until its other threads
    end. On Linux the answer is the boot id and the clock ticks since boot, which do not depend on the wall clock.
    """
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return "" if Path("/proc/self/stat").exists() else _read_start_elsewhere(pid)
    n_threads = int(fields[17])
    if fields[0] in "ZX" and n_threads < 2:
        return ""
    return f"{_read_boot()}:{fields[19]}"


@cache
def _read_boot() -> str:
    return Path("/proc/sys/kernel/random/boot_id").read_text()[:8]


def _read_start_elsewhere(pid: int) -> str:
    import psutil

    try:
        found = psutil.Process(pid)
        return "" if found.status() == psutil.STATUS_ZOMBIE else str(round(found.create_time()))
    except psutil.NoSuchProcess:
        return ""


def set_quiet_environment(env: MutableMapping[str, str]) -> None:
    """Turn off the telemetry of MLflow, Prefect and DVC, unless the environment already sets it."""
    for name, value in _QUIET.items():
        env.setdefault(name, value)


def bypass_proxy(env: MutableMapping[str, str]) -> None:
    """Exempt loopback addresses from the proxy that the environment names."""
    names = ("NO_PROXY", "no_proxy")
    hosts = [host.strip() for name in names for host in env.get(name, "").split(",") if host.strip()]
    # Libraries read the lower-case variable first, so both must hold the union of both.
    env.update(dict.fromkeys(names, ",".join(dict.fromkeys([*hosts, *LOOPBACK]))))


def name_user(env: MutableMapping[str, str], home: Path) -> None:
    """Give a user whose id has no name, as in some containers, a name and `home`: libraries ask for both."""
    try:
        pwd.getpwuid(os.getuid())
    except KeyError:
        name = f"user{os.getuid()}"
        env.update({"HOME": str(home), "USER": env.get("USER", name), "LOGNAME": env.get("LOGNAME", name)})


@cache
def read_versions() -> dict[str, str]:
    """Return the versions of Python and of the installed libraries that results may depend on."""
    versions = {"python": platform.python_version()}
    for name in LIBRARIES:
        try:
            versions[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return versions


@cache
def name_gpus() -> tuple[str, ...]:
    """Return the names of the machine's NVIDIA GPUs, read from the driver so that torch need not be imported."""
    import pynvml

    try:
        pynvml.nvmlInit()
        cards = [pynvml.nvmlDeviceGetHandleByIndex(i) for i in range(pynvml.nvmlDeviceGetCount())]
        return tuple(str(pynvml.nvmlDeviceGetName(card)) for card in cards)
    except pynvml.NVMLError:
        return ()


def list_gpus() -> list[str]:
    """Return the GPUs that this process may use, as `CUDA_VISIBLE_DEVICES` names them."""
    given = os.environ.get(GPUS) if name_gpus() else ""
    names = map(str, range(len(name_gpus()))) if given is None else given.split(",")
    return [name for name in names if name not in ("", "-1")]


@cache
def name_cpu() -> str:
    """Return the processor's name and the number of cores that this process may use."""
    name = platform.processor() or platform.machine()
    info = Path("/proc/cpuinfo")
    if info.exists():
        models = (line.partition(":")[2] for line in info.read_text().splitlines() if "model name" in line)
        name = next(models, name).strip()
    return f"{name}, {os.cpu_count()} cores"


def describe_source(root: Path) -> dict[str, str]:
    """Return the git commit checked out in `root`, and the names of the files that differ from it.

    Both are `none` where git has none, and `refused` where it reads nothing.
    """
    commit = _ask_git(root, "rev-parse", "--verify", "--quiet", "HEAD").stdout.strip()
    changed = _ask_git(root, "status", "--porcelain", "--untracked-files=all").stdout
    names = [line[3:] for line in changed.splitlines()]
    missing = "none" if commit or not explain_refusal(root) else "refused"
    commit_tags = {tags.COMMIT: commit or missing, tags.CHANGED: "\n".join(names) or missing}
    # MLflow's pages show the commit under this name.
    return commit_tags | ({tags.SOURCE_COMMIT: commit} if commit else {})


def explain_refusal(root: Path) -> str:
    """Return that git refuses to read `root` because it belongs to another user, and the fix; otherwise nothing."""
    if "safe.directory" not in _ask_git(root, "rev-parse", "--git-dir").stderr:
        return ""
    return (
        f"git does not read {root}, which belongs to another user: "
        f"`git config --global --add safe.directory {shlex.quote(str(root))}`"
    )


def _ask_git(root: Path, *words: str) -> subprocess.CompletedProcess[str]:
    command = ["git", "-C", str(root), *words]
    try:
        return subprocess.run(command, capture_output=True, text=True, check=False, timeout=30)
    except (OSError, subprocess.TimeoutExpired):
        return subprocess.CompletedProcess(command, 1, "", "")


def _name_user() -> str:
    try:
        return getpass.getuser()
    except (OSError, KeyError):
        # A container may run under a user id that has no name.
        return str(os.getuid())


def format_command() -> str:
    """Return this process's command as a user would type it, without the installation's path."""
    program = Path(sys.argv[0])
    words = ["python", "-m", program.parent.name] if program.name == "__main__.py" else [program.name]
    return shlex.join([*words, *sys.argv[1:]])


def describe_machine() -> dict[str, str]:
    """Return process, user, devices, versions and command as tags."""
    me, gpus = identify(), name_gpus()
    hidden = os.environ.get(GPUS, "all") in ("", "-1")
    return {
        tags.USER: _name_user(),
        tags.SOURCE_TYPE: "LOCAL",
        tags.SOURCE_NAME: format_command(),
        tags.HOST: me.host,
        tags.PID: str(me.pid),
        tags.STARTED: me.started,
        tags.DEVICE: name_cpu() if hidden or not gpus else ", ".join(gpus),
        tags.CPU: name_cpu(),
        tags.GPU: ", ".join(gpus) or NO_GPU,
        tags.PLATFORM: platform.platform(),
        tags.COMMAND: format_command(),
        **{f"{tags.VERSION}{name}": version for name, version in read_versions().items()},
    }
