"""What a stage records for MLflow is on disk at once, complete and without secrets."""

import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from dataclasses import replace
from pathlib import Path

import pytest

from flows.engine.machine import (
    describe_machine,
    describe_source,
    explain_refusal,
    format_command,
    identify,
    set_quiet_environment,
)
from flows.engine.redact import strip_secrets
from flows.engine.tracking.journal import COPIED_BYTES, Journal, NewVersion, count_waiting
from flows.engine.tracking.outbox import EVENTS, OutgoingJournal, list_journals

REPOSITORY = Path(__file__).parents[2]


def begin(root: Path, **more: object) -> Journal:
    return Journal.begin(root, name="fit", experiment="audio", **more)  # type: ignore[arg-type]


def read(journal: Journal) -> list[dict[str, object]]:
    return [line.event for line in OutgoingJournal(journal.folder).read_events()]


def test_importing_it_loads_none_of_the_large_libraries() -> None:
    large = ("mlflow", "prefect", "torch", "numpy", "pandas", "psutil", "pydantic")
    code = f"import sys, flows.engine.tracking.journal; print([m for m in {large} if m in sys.modules])"
    told = subprocess.run([sys.executable, "-c", code], cwd=REPOSITORY, capture_output=True, text=True)
    assert told.stdout.strip() == "[]", told.stderr


def test_every_call_is_one_whole_line_in_the_order_of_the_calls(tmp_path: Path) -> None:
    journal = begin(tmp_path, tags={"stage": "audio-fit"}, params={"lr": 0.1, "amp": True})
    journal.metrics({"loss": 1.5}, step=0)
    journal.tags({"output.md5": "abc"})
    journal.link("audio-lr", {"output.md5": "def"})
    journal.end("FINISHED")

    events = read(journal)
    assert [event["event"] for event in events] == ["begin", "metrics", "tags", "link", "end"]
    assert events[0]["params"] == {"lr": "0.1", "amp": "True"}
    assert events[1]["figures"] == {"loss": 1.5}


def test_threads_that_tell_at_once_tear_no_line(tmp_path: Path) -> None:
    journal = begin(tmp_path)

    def tell(thread: int) -> None:
        for step in range(200):
            journal.metrics({f"loss/{thread}": float(step)}, step)

    threads = [threading.Thread(target=tell, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len((journal.folder / EVENTS).read_bytes().splitlines()) == 1 + 8 * 200 == len(read(journal))


@pytest.mark.parametrize("torn", [b'{"event": "met', b'{"event": "metrics", "st\n', b"\0\0\0\n"])
def test_a_line_torn_by_a_crash_costs_no_other(tmp_path: Path, torn: bytes) -> None:
    journal = begin(tmp_path)
    journal.metrics({"loss": 1.0}, step=0)
    with (journal.folder / EVENTS).open("ab") as file:
        file.write(torn)
    assert [event["event"] for event in read(journal)] == ["begin", "metrics"]


@pytest.mark.parametrize("size", [10, COPIED_BYTES + 1])
def test_a_kept_file_outlives_its_original(tmp_path: Path, size: int) -> None:
    source = tmp_path / "stage" / "deep" / "weights.pt"
    source.parent.mkdir(parents=True)
    source.write_bytes(b"\xff" * size)
    journal = begin(tmp_path)
    journal.artifact(source)
    journal.artifact(tmp_path / "stage", "out")
    source.unlink()

    file, folder = (str(event["file"]) for event in read(journal)[1:])
    assert (journal.folder / file).stat().st_size == size
    assert (journal.folder / folder / "deep" / "weights.pt").stat().st_size == size


def test_a_small_file_is_kept_as_it_was_when_it_is_rewritten_in_place(tmp_path: Path) -> None:
    source = tmp_path / "dvc.lock"
    source.write_text("old")
    journal = begin(tmp_path)
    journal.artifact(source)
    source.write_text("new")
    assert (journal.folder / str(read(journal)[1]["file"])).read_text() == "old"


@pytest.mark.parametrize(
    ("written", "kept"),
    [
        ("https://me:secret@x.org/a.zip", "https://x.org/a.zip"),
        ("https://secret@x.org/a.zip", "https://x.org/a.zip"),
        ("https://me:se@cret@x.org/a", "https://x.org/a"),
        ("s3+http://k:secret@h:9000/b?versionId=1", "s3+http://h:9000/b?***"),
        ("https://x.org/a?token=secret&b=1#top", "https://x.org/a?***#top"),
        ("https://x.org?sig=secret", "https://x.org?***"),
        ("cp 'https://a:secret@x.org/a' https://y.org/b?k=secret end", "cp 'https://x.org/a' https://y.org/b?*** end"),
        ('{"u": "https://a:secret@x.org/a?k=secret", "n": 1}', '{"u": "https://x.org/a?***", "n": 1}'),
        ("a plain text? yes, to me@x.org", "a plain text? yes, to me@x.org"),
        ("https://x.org/@user/repo", "https://x.org/@user/repo"),
    ],
)
def test_addresses_lose_their_secrets_and_nothing_else(written: str, kept: str) -> None:
    assert strip_secrets(written) == kept


def test_no_secret_reaches_a_journal(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    address = "https://me:hunter2@x.org/a.zip?token=hunter2"
    params = tmp_path / "audio.yaml"
    params.write_text(f"source:\n  archive: {address}\n")
    monkeypatch.setattr(sys, "argv", ["flows", "run", "--set", f"source.archive={address}"])

    journal = begin(tmp_path, params={"source.archive": address}, tags={"from": address})
    journal.tags({"later": address})
    journal.artifact(params)
    version = NewVersion("audio", exported=params, loader="loader", predictions=params, judge="judge")
    journal.model(version, {"from": address})
    journal.link("audio-lr", {"from": address})

    files = [path for path in journal.folder.rglob("*") if path.is_file()]
    assert len(files) == 4
    assert not [path for path in files if b"hunter2" in path.read_bytes()]


def test_a_run_tells_what_it_ran_on(tmp_path: Path) -> None:
    told = describe_machine()
    assert told["gpu"] == "none" or told["gpu"] in told["device"]
    assert told["process.host"] == socket.gethostname()
    assert told["process.pid"] == str(os.getpid())
    assert told["version.python"].startswith("3.")
    assert told["version.torch"]


def test_a_run_tells_its_commit_and_the_names_of_changed_files(tmp_path: Path) -> None:
    def git(*words: str) -> str:
        identity = ["-c", "user.name=a", "-c", "user.email=a@b.c"]
        command = ["git", "-C", str(tmp_path), *identity, *words]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()

    assert describe_source(tmp_path)["git.commit"] == "none"
    git("init")
    (tmp_path / "kept.py").write_text("1")
    git("add", ".")
    git("commit", "-m", "one")
    assert describe_source(tmp_path)["git.changed"] == "none"
    (tmp_path / "kept.py").write_text("2")
    (tmp_path / "new file.py").write_text("2")
    told = describe_source(tmp_path)
    assert told["git.commit"] == git("rev-parse", "HEAD")
    assert told["git.changed"] == 'kept.py\n"new file.py"'
    assert explain_refusal(tmp_path) == ""


def test_where_git_refuses_a_folder_of_another_user_the_commit_is_not_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    subprocess.run(["git", "-C", str(tmp_path), "init", "-q"], check=True)
    monkeypatch.setenv("GIT_TEST_ASSUME_DIFFERENT_OWNER", "1")  # git's own switch
    assert describe_source(tmp_path)["git.commit"] == "refused"
    fix = f"`git config --global --add safe.directory {tmp_path}`"
    assert explain_refusal(tmp_path) == f"git does not read {tmp_path}, which belongs to another user: {fix}"


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux lets the first thread end alone")
def test_a_process_whose_first_thread_has_ended_is_not_gone() -> None:
    code = "import ctypes, threading, time\nthreading.Thread(target=time.sleep, args=(60,)).start()\n"
    child = subprocess.Popen(
        [sys.executable, "-c", f"{code}print(flush=True)\nctypes.CDLL(None).pthread_exit(0)"], stdout=-1
    )
    try:
        identity = identify(child.pid)
        assert child.stdout is not None
        child.stdout.readline()
        while Path(f"/proc/{child.pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z":
            time.sleep(0.01)
        assert not identity.is_gone()
        child.kill()
        while not identity.is_gone():
            time.sleep(0.01)
    finally:
        child.kill()
        child.communicate()


def test_a_process_is_gone_once_it_ended_also_as_a_zombie_or_when_its_pid_is_used_again() -> None:
    child = subprocess.Popen(["sleep", "60"])
    identity = identify(child.pid)
    assert not identity.is_gone()
    child.send_signal(signal.SIGKILL)
    os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
    assert identity.is_gone(), "a zombie"
    child.wait()
    assert identity.is_gone()
    assert replace(identify(), started="another boot:1").is_gone()
    assert not replace(identity, host="another").is_gone(), "it cannot be judged from here"


def test_a_journal_of_a_living_process_has_a_writer_until_it_ends(tmp_path: Path) -> None:
    journal = begin(tmp_path)
    assert OutgoingJournal(journal.folder).has_writer()
    journal.end("FAILED")
    assert not OutgoingJournal(journal.folder).has_writer()


@pytest.mark.parametrize(("hours", "written"), [(1, True), (25, False)])
def test_a_writer_on_another_host_has_ended_after_a_day_of_silence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, hours: float, written: bool
) -> None:
    journal = begin(tmp_path)
    monkeypatch.setattr(socket, "gethostname", lambda: "another")
    last_s = (journal.folder / EVENTS).stat().st_mtime - hours * 3600
    os.utime(journal.folder / EVENTS, (last_s, last_s))
    assert OutgoingJournal(journal.folder).has_writer() is written


def test_what_waits_is_told_in_one_line(tmp_path: Path) -> None:
    assert count_waiting(tmp_path).journals == 0
    begin(tmp_path)
    begin(tmp_path)
    (tmp_path / ".trifold" / "outbox" / "trouble.json").write_text(json.dumps({"why": "connection refused"}))
    assert str(count_waiting(tmp_path)) == (
        "2 MLflow runs not sent yet, kept in .trifold/outbox until the next run: connection refused"
    )
    assert len(list_journals(tmp_path)) == 2


def test_telemetry_is_off_unless_someone_has_turned_it_on() -> None:
    env = {"MLFLOW_DISABLE_TELEMETRY": "false"}
    set_quiet_environment(env)
    assert env == {
        "MLFLOW_DISABLE_TELEMETRY": "false",
        "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
        "DO_NOT_TRACK": "1",
        "DVC_NO_ANALYTICS": "true",
    }


@pytest.mark.parametrize(
    ("argv", "told"),
    [
        (["/somewhere/trifold/flows/__main__.py", "run", "audio"], "python -m flows run audio"),
        (["/somewhere/.venv/bin/dvc", "repro"], "dvc repro"),
    ],
)
def test_a_command_is_told_as_it_is_typed(argv: list[str], told: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", argv)
    assert format_command() == told
