"""A stage stops on request or after its time limit, loses no finished work, and sends a notification."""

from __future__ import annotations

import importlib
import json
import os
import shlex
import signal
import subprocess
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import SimpleNamespace

import pytest

from flows.engine.console import ConsoleReport
from flows.engine.drivers import prefect_driver
from flows.engine.drivers.request import Request
from flows.engine.errors import EngineError
from flows.engine.locks import hold_lock
from flows.engine.machine import identify
from flows.engine.servers.server import down, up
from flows.engine.stop import LateError, Stop, StoppedError, read_limit_s
from tests.engine.prefect_api import ask, read_flow_run
from tests.engine.tiny_project import TinyProject
from tests.project import WITH_DEFAULT_SIGNALS, Project, Started
from tests.warm import WarmPython

# Runs a command in a terminal that is closed when standard input ends.
IN_TERMINAL = """
import os, pty, sys
pid, terminal = pty.fork()
if pid == 0:
    os.execvp(sys.argv[1], sys.argv[1:])
sys.stdin.read()
os.close(terminal)
sys.exit(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
"""


@pytest.fixture
def tiny(tiny_base: TinyProject, tmp_path: Path) -> TinyProject:
    """A computed project whose last stage is to run again."""
    project = tiny_base.copy(tmp_path / "tiny")
    project.edit("params/tiny.yaml", '" / "', '" + "')
    project.computed()
    return project


def start_held(tiny: TinyProject, **env: str) -> tuple[Started, Path]:
    """Start the flow, and have its last stage stay in the middle of its work."""
    gate = tiny.hold("join")
    run = tiny.start_driver("prefect", **env)
    tiny.wait_for("join")
    return run, gate


def resume(tiny: TinyProject, gate: Path) -> None:
    """Run again: only the stage that was stopped is computed."""
    tiny.computed()
    gate.unlink()
    tiny.drive("prefect").check()
    assert tiny.computed() == ["join"]
    assert " + " in tiny.output("join").read_text()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_stops_at_the_next_batch_and_the_next_run_goes_on(tiny: TinyProject, number: signal.Signals) -> None:
    before = tiny.outputs()
    run, gate = start_held(tiny)
    os.kill(run.pid, number)
    done = run.finish()
    assert done.code == 1, done.output
    assert "error: stopped; the next run resumes it" in done.output
    assert read_flow_run(tiny.record, done)["state"]["name"] == "Cancelled"
    assert "Traceback" not in done.output
    assert tiny.outputs() == before
    resume(tiny, gate)


def test_a_terminal_that_is_closed_ends_the_run_as_cancelled(tiny: TinyProject) -> None:
    # A server of its own: on the one that all tests share, another test's run may be the newest.
    tiny.record.unlink()
    up(tiny.root, ["prefect"])
    gate = tiny.hold("join")
    command = [sys.executable, "-c", IN_TERMINAL, sys.executable, "-m", "flows", "run", "tiny"]
    terminal = subprocess.Popen(
        [*WITH_DEFAULT_SIGNALS, *command], cwd=tiny.root, env=tiny.env, stdin=subprocess.PIPE, start_new_session=True
    )
    tiny.wait_for("join")
    terminal.communicate()
    assert terminal.returncode == 1
    (run,) = ask(tiny.record, "flow_runs/filter", sort="START_TIME_DESC", limit=1)
    assert run["state"]["name"] == "Cancelled"
    resume(tiny, gate)
    down(tiny.root)


def test_what_is_stopped_ends_as_killed_in_mlflow(tiny: TinyProject) -> None:
    tiny.edit("flows/tiny.py", 'stage(join_texts, "join")', 'stage(join_texts, "join", learns=True)')
    # A tracker that is away leaves the journals where they are.
    run, _ = start_held(tiny, MLFLOW_TRACKING_URI="http://127.0.0.1:1")
    os.kill(run.pid, signal.SIGTERM)
    run.finish()
    journals = sorted((tiny.root / ".trifold/outbox").glob("[0-9]*/events.jsonl"))
    ends = [json.loads(journal.read_text().splitlines()[-1]) for journal in journals]
    assert [(end["event"], end["status"]) for end in ends] == [("end", "KILLED")] * 2


def test_a_signal_that_does_not_interrupt_the_wait_is_noticed_all_the_same() -> None:
    def stop(number: int, frame: object) -> None:
        raise KeyboardInterrupt

    def signal_own_thread() -> None:
        time.sleep(0.2)
        # The kernel then runs the handler's C part in this thread, so that the main thread's wait is not interrupted.
        signal.pthread_kill(threading.get_ident(), signal.SIGUSR1)

    importlib.import_module("prefect.futures")  # takes longer than until the signal
    before = signal.signal(signal.SIGUSR1, stop)
    sender = threading.Thread(target=signal_own_thread)
    never_done = SimpleNamespace(add_done_callback=lambda callback: None)
    try:
        sender.start()
        with pytest.raises(KeyboardInterrupt):
            prefect_driver._wait([never_done])  # type: ignore[list-item]
    finally:
        sender.join()
        signal.signal(signal.SIGUSR1, before)


def test_a_stage_that_takes_too_long_fails_and_the_next_run_goes_on(tiny: TinyProject) -> None:
    before = tiny.outputs()
    run, gate = start_held(tiny, TRIFOLD_STAGE_LIMIT_S="0.5")
    done = run.finish()
    assert done.code == 1
    assert "tiny-join took longer than 0.5 s" in done.output and "TRIFOLD_STAGE_LIMIT_S" in done.output
    assert tiny.outputs() == before
    resume(tiny, gate)


def test_a_limit_that_is_no_number_of_seconds_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    for text in ("soon", "0", "-1", "nan"):
        monkeypatch.setenv("TRIFOLD_STAGE_LIMIT_S", text)
        with pytest.raises(EngineError, match=f"TRIFOLD_STAGE_LIMIT_S is '{text}'"):
            read_limit_s()


def test_waiting_for_others_is_no_part_of_the_limit_and_can_be_stopped(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TRIFOLD_STAGE_LIMIT_S", "0.01")
    stop = Stop()
    report = ConsoleReport("tiny", stop=stop)
    time.sleep(0.02)
    report.check()
    with hold_lock(tmp_path / "lock"):
        threading.Timer(0.2, stop.ask).start()
        with pytest.raises(StoppedError, match="tiny was stopped"), hold_lock(tmp_path / "lock", check=report.check):
            pass
    late = ConsoleReport("tiny")
    late.begin()
    time.sleep(0.02)
    with pytest.raises(LateError):
        late.progress(1, 2, "clips")


def test_what_a_test_starts_can_be_stopped_also_when_the_tests_run_under_nohup(tmp_path: Path) -> None:
    before = {number: signal.signal(number, signal.SIG_IGN) for number in (signal.SIGINT, signal.SIGHUP)}
    project = Project(tmp_path / "project", WarmPython({"WARM_NOTHING": "1"}))
    try:
        project.root.mkdir()
        (project.root / "waiting.py").write_text("print('ready', flush=True)\nimport time; time.sleep(600)")
        for program in ("python", sys.executable):
            for number in before:
                run = project.start(program, "-m", "waiting")
                while not (run.log.exists() and "ready" in run.log.read_text()):
                    time.sleep(0.01)
                os.kill(run.pid, number)
                assert run.wait() != 0
        left = identify(project.start("python", "-m", "waiting").pid)
    finally:
        project.warm.stop()
        for number, handler in before.items():
            signal.signal(number, handler)
    # It has been killed; on a busy machine it may still be there for a while. Left alone, it would sleep longer.
    deadline_s = time.monotonic() + 120.0
    while not left.is_gone():
        assert time.monotonic() < deadline_s, "what a test leaves under way ends with the tests"
        time.sleep(0.01)


class _Hook(BaseHTTPRequestHandler):
    heard: list[dict[str, str]]

    def do_POST(self) -> None:
        self.heard.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
        self.send_response(204)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        pass


def test_a_failure_is_told_to_the_web_hook_and_stands_on_prefects_page(tiny: TinyProject, server_state: Path) -> None:
    _Hook.heard = []
    hook = ThreadingHTTPServer(("127.0.0.1", 0), _Hook)
    threading.Thread(target=hook.serve_forever, daemon=True).start()
    words = ["--set", "notes.comment=it's mine", "--set", "source.path=input.txt", "--stage", "tiny-join"]
    address = f"http://127.0.0.1:{hook.server_port}/secret"
    command = ("python", "-m", "flows", "run", "tiny", *words, "--force")
    done = tiny.call(*command, TINY_FAIL="join", TRIFOLD_FAILURE_URL=address)
    hook.shutdown()
    hook.server_close()
    assert done.code == 1
    (told,) = _Hook.heard
    assert (told["flow"], told["stage"], told["error"]) == ("tiny", "tiny-join", "join fails as asked")
    assert told["log"].startswith("2 texts\n") and told["log"].endswith("RuntimeError: join fails as asked")
    assert shlex.split(told["resume"]) == ["python", "-m", "flows", "run", "tiny", *words]
    run = read_flow_run(server_state, done)
    wanted = {"key": {"any_": ["tiny-failure"]}, "flow_run_id": {"any_": [run["id"]]}}
    (page,) = ask(server_state, "artifacts/filter", artifacts=wanted)
    assert all(told[part] in page["data"] for part in ("stage", "error", "log", "resume"))


def test_the_command_that_goes_on_starts_from_the_same_preset() -> None:
    assert Request(preset="plus").as_command("tiny") == "python -m flows run tiny --preset plus"
    assert Request().as_command("tiny") == "python -m flows run tiny"


def test_a_web_hook_that_does_not_answer_changes_nothing(tiny: TinyProject) -> None:
    done = tiny.drive("prefect", TINY_FAIL="join", TRIFOLD_FAILURE_URL="http://127.0.0.1:1/secret")
    assert done.code == 1
    assert "TRIFOLD_FAILURE_URL could not be called: URLError" in done.output
    assert "secret" not in done.output
    assert "join fails as asked" in done.output
