"""Shares results over DVC's default remote, one at a time: a stage asks for its own before it computes.

A result is an entry of DVC's run cache, named by a key of the stage's command, code, params and inputs, and the objects
that the entry lists by md5. The entry is sent last: where the remote has it, it has the objects. DVC's own
`--run-cache` copies every entry each time, too slow for single stages. Written against the pinned version of DVC, as
`store.py` is. `python -m flows.engine.cache.shared` sends what still waits.
"""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from flows.engine.cache.faults import explain_faults
from flows.engine.cache.remote import Remote, Result
from flows.engine.console import say
from flows.engine.errors import EngineError
from flows.engine.project import ROOT, STATE, make_state_folder
from flows.engine.redact import strip_secrets

if TYPE_CHECKING:
    from dvc.stage import PipelineStage

Answer = TypeVar("Answer")

WAITING = "unsent"  # the folder in .trifold of the results that wait to be sent, a file for each
WAITS_S = (0.0, 1.0, 4.0, 15.0)  # before each try to send
SECRETS = ("key", "secret", "token", "password", "connection_string")  # in the names of a remote's settings
CHECK_S = 0.1  # how often a stage that waits for the remote is checked for a stop

# The network is used outside the engine's gate, by a thread for each direction with a repository of its own.
_fetcher = ThreadPoolExecutor(max_workers=1, thread_name_prefix="fetch")
_sender = ThreadPoolExecutor(max_workers=1, thread_name_prefix="send")
_of_thread = threading.local()
_said: set[str] = set()
leased: set[str] = set()  # the keys of the results for which this process has written a lease
_stopping = threading.Event()
# Once the remote cannot be reached, this process asks it no more, and sends only at its end.
_unreachable = threading.Event()


class RemoteAwayError(EngineError):
    """DVC's remote cannot be reached."""


def make_key(found: PipelineStage) -> str | None:
    """Return the run-cache key of a stage whose inputs were hashed; None for a stage that is not shared."""
    from dvc.stage.cache import _can_hash, _get_stage_hash

    return str(_get_stage_hash(found)) if _has_remote(found.repo.config) and _can_hash(found) else None


def is_remote_configured() -> bool:
    """Return whether results are shared, without opening DVC's repository."""
    from dvc.config import Config

    with explain_faults():
        return _has_remote(Config(str(ROOT / ".dvc")))


def _has_remote(config: Mapping[str, Any]) -> bool:
    """Return whether there is a default remote that can hold a run cache, as DVC's rules have it."""
    remote = config["remote"].get(config["core"].get("remote"), {})
    is_versioned = remote.get("version_aware") or remote.get("worktree")
    return bool(remote) and not is_versioned and not remote["url"].startswith("http")


def describe_remote() -> dict[str, Any]:
    """Return the settings of DVC's default remote, without its secrets. Raises EngineError when there is none."""
    from dvc.config import Config

    with explain_faults():
        config = Config(str(ROOT / ".dvc"))
    if not _has_remote(config):
        raise EngineError(
            "nodes need DVC's default remote, over which files travel: `dvc remote add --default store ADDRESS`"
        )
    settings = config["remote"][config["core"]["remote"]]
    return {name: value for name, value in settings.items() if not any(word in name for word in SECRETS)}


def fetch(stage: str, key: str, check: Callable[[], None]) -> dict[str, str] | None:
    """Fetch the result with this key into DVC's cache; return the md5 of each output, by path.

    Returns None when the remote does not have it or cannot be reached. Raises whatever `check` raises meanwhile.
    """
    return ask(lambda remote: remote.fetch(stage, key), check)


def ask(do: Callable[[Remote], Answer | None], check: Callable[[], None]) -> Answer | None:
    """Return what `do` returns for the remote; None once it cannot be reached. Raises whatever `check` raises."""
    return _await(_fetcher.submit(lambda: _ask(do)), check)


def ask_patiently(do: Callable[[Remote], Answer], check: Callable[[], None]) -> Answer:
    """Return what `do` returns for the remote; while that cannot be reached, wait and try again.

    Raises RemoteAwayError in the end, an EngineError of `do`, and whatever `check` raises meanwhile.
    """
    for wait_s in (*WAITS_S, None):
        try:
            return _await(_fetcher.submit(lambda: do(open_remote())), check)
        except EngineError:
            raise
        except Exception as error:  # each kind of remote raises errors of its own libraries
            if wait_s is None:
                raise RemoteAwayError(f"DVC's remote: {_explain(error)}; run again when it can be reached") from error
        sleep(wait_s, check)
    raise AssertionError


def sleep(wait_s: float, check: Callable[[], None]) -> None:
    """Wait, unless `check` raises meanwhile."""
    until_s = time.monotonic() + wait_s
    while time.monotonic() < until_s:
        check()
        time.sleep(CHECK_S)


def _await(asked: Future[Answer], check: Callable[[], None]) -> Answer:
    while not wait([asked], CHECK_S).done:
        check()
    return asked.result()


def place(found: PipelineStage, outputs: dict[str, str]) -> None:
    """Put fetched outputs where the stage has them."""
    from dvc_data.hashfile.hash_info import HashInfo

    for out in found.outs:
        out.hash_info, out.obj = HashInfo("md5", outputs[str(out)]), None
        out.checkout(force=True)


def note_result(found: PipelineStage) -> None:
    """Note that a recorded stage's result waits to be sent, so that it is sent even after a kill."""
    from dvc.stage.cache import _get_cache_hash
    from dvc.stage.serialize import to_single_stage_lockfile

    if key := make_key(found):
        value = str(_get_cache_hash(to_single_stage_lockfile(found)))
        (make_state_folder(WAITING) / key).write_text(f"{found.name} {value}")


def send_in_background() -> None:
    """Begin to send what waits."""
    if not _unreachable.is_set() and _list_waiting():
        _sender.submit(_send_waiting)


def stop_sending() -> None:
    """Send the result that is being sent, and leave the others to the next run."""
    _stopping.set()


def send_all() -> int:
    """Send what waits; return how many results still wait because the remote cannot be reached."""
    if _list_waiting():
        _sender.submit(_send_waiting).result()
    if left := len(_list_waiting()):
        results = "1 result is" if left == 1 else f"{left} results are"
        say(
            f"{results} not yet in DVC's remote, but in this machine's cache: the next run sends what waits, or "
            "`python -m flows.engine.cache.shared`"
        )
    return left


def _list_waiting() -> list[Result]:
    return list(_read_waiting(STATE / WAITING))


def _read_waiting(folder: Path) -> Iterator[Result]:
    for mark in sorted(folder.glob("*")):
        with suppress(FileNotFoundError):  # sent meanwhile
            stage, _, value = mark.read_text().partition(" ")
            if value:  # else it is being written
                yield Result(stage, mark.name, value)


def _send_waiting() -> None:
    for result in _list_waiting():
        if _stopping.is_set() or not _send_patiently(result):
            return
        (STATE / WAITING / result.key).unlink(missing_ok=True)


def _send_patiently(result: Result) -> bool:
    """Send a result; return whether that succeeded, perhaps after waiting for the network."""
    for wait_s in (0.0,) if _unreachable.is_set() else WAITS_S:
        if _stopping.wait(wait_s):
            return False
        with survive("DVC's remote takes no results"):
            remote = open_remote()
            remote.send(result)
            if result.key in leased:
                remote.drop_lease(result.key)
            return True
    _unreachable.set()
    return False


def _ask(do: Callable[[Remote], Answer | None]) -> Answer | None:
    if not _unreachable.is_set():
        with survive("DVC's remote gives no results, so they are computed here"):
            return do(open_remote())
        _unreachable.set()
    return None


@contextmanager
def survive(what: str) -> Iterator[None]:
    """Say an error of the remote once, instead of raising it: a result must not be lost to a network."""
    try:
        yield
    except Exception as error:  # noqa: BLE001 - each kind of remote raises errors of its own libraries
        if what not in _said:
            _said.add(what)
            say(f"{what}: {_explain(error)}")


def _explain(error: Exception) -> str:
    return strip_secrets(f"{type(error).__name__}: {' '.join(str(error).split())}")


def open_remote() -> Remote:
    """Return the remote for this thread."""
    if not hasattr(_of_thread, "remote"):
        _of_thread.remote = Remote()
    remote: Remote = _of_thread.remote
    return remote


if __name__ == "__main__":
    sys.exit(1 if send_all() else 0)
