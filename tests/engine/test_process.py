"""Each stage is computed in a process of its own, which can fail, hang or be killed without affecting others."""

from __future__ import annotations

import fcntl
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import psutil
import pytest

from flows.engine.compute.process import LEARNING, LIBRARIES, SERVER
from flows.engine.drivers.recorder import PEAK
from tests.engine.tiny_project import TinyProject
from tests.project import Started

WAIT_S = 30.0
BEGIN = """
import json, os, pathlib, threading, time
from flows.engine.compute import process
from flows.engine.console import ConsoleReport
from flows.engine.stop import Stop
from probe import compute, make
from tasks import odd

def tell(**values): print(json.dumps(values), flush=True)
def try_to(stage, report=None):
    began_s = time.monotonic()
    try:
        compute(stage, report)
        return {"kind": "", "text": "", "notes": ""}
    except BaseException as error:
        notes = "".join(getattr(error, "__notes__", []))
        return {"kind": type(error).__name__, "text": str(error), "notes": notes, "s": time.monotonic() - began_s}
"""


@pytest.fixture
def tiny(tiny_base: TinyProject, tmp_path: Path) -> TinyProject:
    return tiny_base.copy(tmp_path / "tiny")


def start(tiny: TinyProject, script: str, **env: str) -> Started:
    (tiny.root / "script.py").write_text(BEGIN + script)
    return tiny.start("python", "-m", "script", **env)


def run(tiny: TinyProject, script: str, **env: str) -> list[dict[str, Any]]:
    """Run a script in the project; return what it told."""
    lines = start(tiny, script, **env).finish().check().output.splitlines()
    return [json.loads(line) for line in lines if line.startswith("{")]


def wait_until(is_so: Any, what: str) -> None:
    deadline_s = time.monotonic() + WAIT_S
    while not is_so():
        assert time.monotonic() < deadline_s, f"{what} never came"
        time.sleep(0.02)


def test_a_stage_gives_its_memory_back_and_tells_how_much_it_was(tiny: TinyProject) -> None:
    script = """
import psutil
me = psutil.Process()
compute(make(odd.grow, megabytes=1))
before = me.memory_info().rss
small, large = compute(make(odd.grow, megabytes=1)), compute(make(odd.grow, megabytes=400))
pid = int(pathlib.Path("data/odd/pid.txt").read_text())
tell(grown=me.memory_info().rss - before, peaks=[small.peak_bytes, large.peak_bytes], own=pid != os.getpid())
"""
    (told,) = run(tiny, script)
    assert told["own"]
    assert told["grown"] < 20e6
    assert 380e6 < told["peaks"][1] - told["peaks"][0] < 450e6


def test_what_a_stage_tells_arrives_as_plain_numbers(tiny: TinyProject) -> None:
    script = """
class Hearing(ConsoleReport):
    def progress(self, *told, **figures): tell(event="progress", told=told, figures=figures)
    def metrics(self, figures, step): tell(event="metrics", told=step, figures=figures)
    def say(self, text): tell(event="say", told=text)
    def begin(self, machine): tell(event="begin")
compute(make(odd.talk), Hearing("odd"))
"""
    assert run(tiny, script) == [
        {"event": "begin"},
        {"event": "say", "told": "hello"},
        {"event": "progress", "told": [1, 2, "steps"], "figures": {"loss": 0.5}},
        {"event": "metrics", "told": 3, "figures": {"loss": 0.25}},
    ]


def test_mlflow_is_told_the_peak_memory_of_a_stage_that_learns(tiny: TinyProject) -> None:
    tiny.edit("flows/tiny.py", 'stage(join_texts, "join")', 'stage(join_texts, "join", learns=True)')
    # A tracker that is away leaves the journal where it is.
    tiny.edit("params/tiny.yaml", '" / "', '" + "')
    tiny.call("python", "-m", "flows", "stage", "tiny-join", MLFLOW_TRACKING_URI="http://127.0.0.1:1").check()
    (journal,) = (tiny.root / ".trifold/outbox").glob("[0-9]*/events.jsonl")
    figures = [json.loads(line).get("figures", {}) for line in journal.read_text().splitlines()]
    (peak_megabytes,) = [one[PEAK] for one in figures if PEAK in one]
    assert 10 < peak_megabytes < 2000


FAILURES = {
    "user": ("EngineError", "lr is 7: at most 1", ""),
    "disk": ("EngineError", "odd: some/file: No space left on device; free some space", ""),
    "code": ("TaskError", "no such value", "tasks/odd.py"),
    "silent": ("TaskError", "AssertionError", "raise AssertionError"),
    "exit": ("TaskError", "enough", "SystemExit"),
    "memory": ("KilledError", "odd was killed by signal 9: out of memory? peak 0.3 GB", ""),
    "crash": ("KilledError", "odd was killed by signal 11 (SIGSEGV), peak 0.", ""),
    "leave": ("EngineError", "odd: its process ended with exit code 3", ""),
}


def test_whatever_ends_a_stage_is_told_and_leaves_nothing(tiny: TinyProject) -> None:
    script = f"""
for how in {list(FAILURES)}:
    tell(how=how, **try_to(make(odd.fail, how=how)), left=os.path.exists(".trifold/work/odd"))
"""
    for told in run(tiny, script):
        kind, text, note = FAILURES[told["how"]]
        assert told["kind"] == kind, told
        assert told["text"].startswith(text), told
        assert note in told["notes"] and bool(note) == bool(told["notes"]), told
        assert not told["left"]


def test_a_stop_reaches_a_stage_at_its_next_batch(tiny: TinyProject) -> None:
    script = """
stop = Stop()
threading.Timer(0.5, stop.ask).start()
tell(**try_to(make(odd.wait), ConsoleReport("odd", stop=stop)))
"""
    (told,) = run(tiny, script)
    assert (told["kind"], told["text"][:16]) == ("StoppedError", "odd was stopped:")
    assert told["s"] < 15


def test_a_stage_that_hangs_in_a_native_call_is_killed_alone(tiny: TinyProject, tmp_path: Path) -> None:
    script = f"""
process.GRACE_S = 0.5
beside = threading.Thread(target=lambda: tell(beside=try_to(make(odd.grow, "beside", megabytes=1))["kind"]))
beside.start()
tell(**try_to(make(odd.hang, place={str(tmp_path / "pid")!r})))
beside.join()
tell(after=try_to(make(odd.grow, megabytes=1))["kind"])
"""
    told: dict[str, Any] = {}
    for line in run(tiny, script, TRIFOLD_STAGE_LIMIT_S="3"):
        told |= line
    assert told["kind"] == "LateError"
    assert "odd took longer than 3 s" in told["text"] and "had not stopped 0.5 s later and was killed" in told["text"]
    assert (told["beside"], told["after"]) == ("", "")
    assert not psutil.pid_exists(int((tmp_path / "pid").read_text()))


def test_a_stage_ends_with_its_driver_and_is_nobody_elses_before(tiny: TinyProject, tmp_path: Path) -> None:
    """The lock of a stage is free only when its process is gone, even where nothing has ended that yet."""
    place = tmp_path / "pid"
    driver = start(tiny, f"compute(make(odd.hang, place={str(place)!r}))")
    wait_until(lambda: place.exists() and place.read_text(), "the stage's process")
    stage = psutil.Process(int(place.read_text()))
    server = psutil.Process(stage.ppid())
    with (tiny.root / ".trifold/locks/odd.lock").open() as lock:
        server.suspend()  # now it cannot end, and so the stage goes on
        os.kill(driver.pid, signal.SIGKILL)
        driver.wait()
        with pytest.raises(BlockingIOError):
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        assert stage.is_running()
        server.resume()
        wait_until(lambda: not stage.is_running() and not server.is_running(), "the end of both")
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)


def test_a_server_that_was_killed_is_started_again(tiny: TinyProject) -> None:
    script = """
compute(make(odd.grow, megabytes=1))
os.kill(process._server._process.pid, 9)
process._server._process.wait()
tell(**try_to(make(odd.grow, megabytes=1)))
"""
    assert run(tiny, script)[0]["kind"] == ""


def test_a_stage_runs_the_code_that_is_on_disk_and_never_the_drivers_main_module(tiny: TinyProject) -> None:
    script = """
tell(main=__name__)
compute(make(odd.list_modules))
tell(modules=pathlib.Path("data/odd/modules.txt").read_text().split())
path = pathlib.Path("tasks/odd.py")
path.write_text(path.read_text().replace('"modules.txt"', '"edited.txt"'))
compute(make(odd.list_modules))
tell(edited=os.listdir("data/odd"))
"""
    main, told, edited = run(tiny, script)
    assert main["main"] == "__main__"
    light = {"typer", "rich", "prefect", "dvc", "mlflow", "torch", "script", "flows.commands"}
    assert not light & set(told["modules"])
    assert edited["edited"] == ["edited.txt"]


def test_a_stage_that_learns_finds_the_libraries_imported_by_a_server_with_one_thread(tiny: TinyProject) -> None:
    script = """
threads = lambda: len(os.listdir(f"/proc/{process._server._process.pid}/task"))
for learns in (False, True, False):
    compute(make(odd.list_modules, learns=learns))
    tell(torch="torch" in pathlib.Path("data/odd/modules.txt").read_text().split(), threads=threads())
"""
    told = run(tiny, script)
    assert [line["torch"] for line in told] == [False, True, True]
    assert {line["threads"] for line in told} == {1}


def test_the_server_holds_no_module_of_the_project() -> None:
    code = (
        f"import runpy, sys, importlib; runpy.run_path({str(SERVER)!r}); "
        f"[importlib.import_module(name) for name in {LIBRARIES + LEARNING}]; "
        "print([name for name in sys.modules if name.split('.')[0] in ('flows', 'tasks', 'tests', 'typer', 'dvc')])"
    )
    told = subprocess.run([sys.executable, "-P", "-c", code], capture_output=True, text=True, check=True)
    assert told.stdout.strip() == "[]"
