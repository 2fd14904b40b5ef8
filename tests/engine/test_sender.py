"""The sender sends every journal to MLflow once and in order, whatever the tracker does meanwhile."""

import fcntl
import math
import os
import shutil
import socket
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import IO

import pytest

from flows.engine.machine import identify
from flows.engine.tags import NODE
from flows.engine.tracking import journal as tracking_journal
from flows.engine.tracking import sender
from flows.engine.tracking.journal import count_waiting, name_settings, start_sender, stop_sender, wait_sent
from flows.engine.tracking.outbox import SENT, list_journals
from flows.engine.tracking.sampler import Meters
from tests.engine.mlflow_store import (
    begin,
    make_killed,
    open_client,
    read_history,
    read_runs,
    serve_silence,
    use_tracker,
)
from tests.engine.versions import make_version


def test_all_that_was_told_arrives_and_the_journals_are_deleted(root: Path) -> None:
    plot = root / "out" / "plots" / "curve.csv"
    plot.parent.mkdir(parents=True)
    plot.write_text("lr,loss\n")
    parent = begin(root, "audio", params={"fit.lr": 0.1})
    parent.artifact(plot, "pipeline")
    child = begin(root, "audio-fit", parent=parent, tags={"stage": "audio-fit"})
    for epoch in range(1500):
        child.metrics({"train/loss": 1 / (1 + epoch), "valid/loss": 2.0}, epoch)
    child.tags({"output.md5": "abc"})
    child.artifact(root / "out")
    child.end("FINISHED")
    parent.end("FAILED")
    sender.follow_journals(0)

    runs = read_runs(root)
    assert runs["audio"].info.status == "FAILED"
    assert runs["audio"].data.params == {"fit.lr": "0.1"}
    fit = runs["audio-fit"]
    assert fit.info.status == "FINISHED"
    assert fit.data.tags["mlflow.parentRunId"] == runs["audio"].info.run_id
    assert fit.data.tags["output.md5"] == "abc"
    assert fit.data.tags["gpu"] == "none" or "system/gpu_0_utilization_percentage" in fit.data.metrics
    assert read_history(root, fit, "train/loss") == [(epoch, 1 / (1 + epoch)) for epoch in range(1500)]
    paths = [
        open_client(root).list_artifacts(run.info.run_id, folder)
        for run, folder in ((runs["audio"], "pipeline"), (fit, "plots"))
    ]
    assert [[file.path for file in found] for found in paths] == [["pipeline/curve.csv"], ["plots/curve.csv"]]
    assert not list_journals(root)


def test_what_mlflow_would_refuse_is_cut_or_left_out_and_costs_nothing_else(root: Path) -> None:
    journal = begin(root, tags={"long": "x" * 9000, "odd?key": "1"}, params={"many": "y" * 7000})
    journal.metrics({"acc@5 (%)": 1.0, "loss": math.nan, "../up": 3.0, "top": math.inf}, 0)
    journal.artifact(root / "mlflow.db")
    shutil.rmtree(journal.folder / "files")
    journal.metrics({"late": 1.0}, 1)
    journal.end("FINISHED")
    sender.follow_journals(0)

    data = read_runs(root)["fit"].data
    assert len(data.tags["long"]) == 8000
    assert data.tags["long"].endswith("(truncated)")
    assert len(data.params["many"]) == 6000
    assert data.tags["odd_key"] == "1"
    assert data.metrics["acc_5 ___"] == data.metrics["late"] == 1.0
    assert math.isnan(data.metrics["loss"])
    assert "../up" not in data.metrics


def test_a_growing_journal_is_followed_and_the_machine_sampled_each_second(root: Path) -> None:
    journal = begin(root)
    follower = threading.Thread(target=sender.follow_journals, args=(0.0,))
    follower.start()
    seen_while_running = 0
    for epoch in range(7):
        journal.metrics({"loss": 1.0}, epoch)
        time.sleep(1)
        run = read_runs(root).get("fit")
        seen_while_running += run is not None and run.info.status == "RUNNING" and "loss" in run.data.metrics
    journal.end("FINISHED")
    follower.join()

    run = read_runs(root)["fit"]
    assert seen_while_running >= 4
    assert run.info.status == "FINISHED"
    for name in ("cpu_utilization_percentage", "system_memory_usage_megabytes", "disk_available_megabytes"):
        steps = [step for step, _ in read_history(root, run, f"system/{name}")]
        assert steps == list(range(len(steps)))
        assert 6 <= len(steps) <= 9


def test_the_drivers_machine_is_not_sampled_for_a_stage_that_a_node_computes(root: Path) -> None:
    journals = {name: begin(root, name, tags=tags) for name, tags in (("here", {}), ("there", {NODE: "node1"}))}
    follower = threading.Thread(target=sender.follow_journals, args=(0.0,))
    follower.start()
    time.sleep(3)
    for journal in journals.values():
        journal.metrics({"system/cpu_utilization_percentage": 12.0}, 0)
        journal.end("FINISHED")
    follower.join()
    runs = read_runs(root)
    figures = {name: read_history(root, runs[name], "system/cpu_utilization_percentage") for name in journals}
    assert len(figures["here"]) >= 3
    assert figures["there"] == [(0, 12.0)]


def test_system_metrics_have_the_names_of_mlflows_own_monitors() -> None:
    from mlflow.system_metrics.metrics.cpu_monitor import CPUMonitor
    from mlflow.system_metrics.metrics.disk_monitor import DiskMonitor
    from mlflow.system_metrics.metrics.network_monitor import NetworkMonitor

    wanted: set[str] = set()
    for monitor in (CPUMonitor(), DiskMonitor(), NetworkMonitor()):
        monitor.collect_metrics()
        wanted |= {f"system/{name}" for name in monitor.aggregate_metrics()}
    measured = {name for name in Meters.open().read().figures if "gpu_" not in name}
    assert measured == wanted


def test_a_tracker_that_is_down_costs_nothing_but_time(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    journal = begin(root)
    for epoch in range(50):
        journal.metrics({"loss": float(epoch)}, epoch)
    journal.end("FINISHED")
    with serve_silence() as port:
        pass
    use_tracker(monkeypatch, f"http://me:hunter2@127.0.0.1:{port}")
    sender.follow_journals(0)

    waiting = count_waiting(root)
    assert waiting.journals == 1
    assert waiting.why is not None
    assert f"http://127.0.0.1:{port}" in waiting.why
    assert "hunter2" not in waiting.why

    use_tracker(monkeypatch, f"sqlite:///{root}/mlflow.db")
    sender.follow_journals(0)
    assert count_waiting(root).journals == 0
    run = read_runs(root)["fit"]
    assert read_history(root, run, "loss") == [(epoch, float(epoch)) for epoch in range(50)]


def test_a_tracker_that_never_answers_slows_no_writer(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with serve_silence() as port:
        use_tracker(monkeypatch, f"http://127.0.0.1:{port}")
        journal = begin(root)
        follower = threading.Thread(target=sender.follow_journals, args=(0.0,))
        follower.start()
        time.sleep(0.5)
        began_s, slowest_s = time.perf_counter(), 0.0
        for epoch in range(1000):
            call_s = time.perf_counter()
            journal.metrics({"loss": 1.0, "accuracy": 0.5}, epoch)
            slowest_s = max(slowest_s, time.perf_counter() - call_s)
        took_s = time.perf_counter() - began_s
        journal.end("FINISHED")
        follower.join(timeout=60)

    assert not follower.is_alive(), "it ends although nothing was sent"
    assert took_s < 1.0, f"1000 calls took {took_s:.2f} s"
    assert slowest_s < 0.2, f"one call took {slowest_s:.2f} s"
    assert count_waiting(root).journals == 1


def test_a_sender_killed_between_sending_and_noting_it_sends_nothing_twice(root: Path) -> None:
    journal = begin(root)
    journal.metrics({"loss": 1.0}, 0)
    shutil.copytree(journal.folder, root / "kept")
    journal.end("FINISHED")
    sender.follow_journals(0)
    shutil.copytree(root / "kept", journal.folder)
    journal.metrics({"loss": 0.5}, 1)
    journal.end("FINISHED")
    assert not (journal.folder / SENT).exists()
    sender.follow_journals(0)

    runs = read_runs(root)
    assert list(runs) == ["fit"]
    assert read_history(root, runs["fit"], "loss") == [(0, 1.0), (1, 0.5)]


def test_the_journal_of_a_killed_process_is_closed_as_killed_by_the_real_sender(root: Path) -> None:
    make_killed(root)
    begin(root, "another").end("FINISHED")
    os.environ.pop("MLFLOW_TRACKING_URI")
    senders = [start_sender(root) for _ in range(3)]
    assert wait_sent(root, senders[-1], timeout_s=120).journals == 0
    runs = read_runs(root)
    assert {name: run.info.status for name, run in runs.items()} == {"killed": "KILLED", "another": "FINISHED"}
    assert read_history(root, runs["killed"], "loss") == [(0, 0.5)]


def test_one_sender_serves_run_after_run_and_sends_what_is_left_before_it_ends(root: Path) -> None:
    os.environ.pop("MLFLOW_TRACKING_URI")
    begin(root, "first").end("FINISHED")
    sender = start_sender(root)
    assert wait_sent(root, sender, timeout_s=120).journals == 0
    begin(root, "second").end("FINISHED")
    assert start_sender(root) == sender
    assert wait_sent(root, sender, timeout_s=20).journals == 0
    begin(root, "third").end("FINISHED")
    assert stop_sender(root)
    assert sender.is_gone()
    assert not stop_sender(root)
    assert list(read_runs(root)) == ["first", "second", "third"]
    begin(root, "fourth").end("FINISHED")
    assert start_sender(root) != sender


def test_a_run_with_other_settings_is_not_sent_by_the_sender_of_the_one_under_way(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def change_settings(value: str) -> None:
        monkeypatch.setenv("MLFLOW_TRACKING_URI", value)
        name_settings.cache_clear()

    change_settings(f"sqlite:///{root}/mlflow.db")
    under_way = begin(root, "one")
    first = start_sender(root)
    while "one" not in read_runs(root):
        time.sleep(0.2)
    shutil.copy(root / "mlflow.db", root / "other.db")
    change_settings(f"sqlite:///{root}/other.db")
    begin(root, "two").end("FINISHED")
    second = start_sender(root)
    assert start_sender(root) != first
    time.sleep(2)
    assert list(read_runs(root)) == ["one"] and not first.is_gone()
    under_way.end("FINISHED")
    deadline_s = time.monotonic() + 120
    while wait_sent(root, second, timeout_s=120).journals:
        assert time.monotonic() < deadline_s, "the second sender never took its turn"
    assert first.is_gone()
    assert list(read_runs(root)) == ["one"]
    assert {run.info.status for run in read_runs(root, "other.db").values()} == {"RUNNING", "FINISHED"}
    name_settings.cache_clear()


def hold_turn(root: Path) -> None:
    """Wait for the sender's end as another does, for good."""
    if not HELD:
        HELD.append((root / sender.NEXT_LOCK).open("a"))
        fcntl.flock(HELD[0], fcntl.LOCK_EX)


def replace_store(root: Path) -> None:
    """Put another file in the store's place."""
    shutil.copy(root / "mlflow.db", root / "copy.db")
    (root / "copy.db").replace(root / "mlflow.db")


HELD: list[IO[str]] = []
REASONS: dict[str, tuple[float, Callable[[Path], object]]] = {
    "nobody needed it for a while": (1.0, lambda root: None),
    "its code changed": (60.0, lambda root: (root / "code/tasks/judge.py").write_text("new = 1\n")),
    "the store is another": (60.0, replace_store),
    "the project is gone": (60.0, lambda root: shutil.rmtree(root / ".trifold")),
    "another sender waits": (60.0, hold_turn),
}


@pytest.mark.parametrize("reason", REASONS)
def test_it_stays_while_something_is_in_flight_and_then_ends_when(
    root: Path, monkeypatch: pytest.MonkeyPatch, reason: str
) -> None:
    (root / "code/tasks").mkdir(parents=True)
    monkeypatch.setattr(tracking_journal, "ORIGIN", root / "code")
    idle_s, change = REASONS[reason]
    journal = begin(root)
    follower = threading.Thread(target=sender.follow_journals, args=(idle_s,))
    follower.start()
    while "fit" not in read_runs(root):
        time.sleep(0.1)
    if reason not in ("the project is gone", "the store is another"):  # nothing could be sent then
        change(root)
        time.sleep(2)
        assert follower.is_alive(), "a run is under way"
    journal.end("FINISHED")
    while list_journals(root):
        time.sleep(0.1)
    change(root)
    follower.join(10)
    assert not follower.is_alive()


def test_runs_left_running_by_a_process_that_is_gone_are_closed_as_killed(root: Path) -> None:
    client, me = open_client(root), identify()
    experiment = client.create_experiment("audio")
    writers = {
        "gone": replace(me, started="another boot:1"),
        "living": me,
        "elsewhere": replace(me, host="another", started="another boot:1"),
    }
    for name, writer in writers.items():
        tags = {f"process.{key}": str(value) for key, value in writer.as_dict().items()}
        client.create_run(experiment, run_name=name, tags=tags)
    client.create_run(experiment, run_name="untagged")
    sender.follow_journals(0)

    states = {name: run.info.status for name, run in read_runs(root).items()}
    assert states == {"gone": "KILLED", "living": "RUNNING", "elsewhere": "RUNNING", "untagged": "RUNNING"}


def test_a_journal_written_on_another_host_is_sent_but_not_waited_for(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    begin(root).metrics({"loss": 1.0}, 0)
    monkeypatch.setattr(socket, "gethostname", lambda: "another")
    sender.follow_journals(0)
    run = read_runs(root)["fit"]
    assert run.info.status == "RUNNING"
    assert run.data.metrics["loss"] == 1.0
    assert len(list_journals(root)) == 1


def test_a_cached_stage_is_linked_to_its_newest_finished_run(root: Path) -> None:
    for status, md5 in (("FINISHED", "abc"), ("FINISHED", "abc"), ("FAILED", "abc"), ("FINISHED", "def")):
        earlier = begin(root, f"{status}-{md5}", tags={"stage": "audio-fit", "output.md5": md5})
        earlier.end(status)  # type: ignore[arg-type]
        sender.follow_journals(0)
    parent = begin(root, "audio")
    parent.link("audio-fit", {"output.md5": "abc"})
    parent.link("audio-lr", {"output.md5": "ghi"})
    parent.end("FINISHED")
    sender.follow_journals(0)

    runs = read_runs(root)
    tags, wanted = runs["audio"].data.tags, runs["FINISHED-abc"].info
    assert tags["cached.audio-fit"] == wanted.run_id
    assert f"(#/experiments/{wanted.experiment_id}/runs/{wanted.run_id})" in tags["mlflow.note.content"]
    assert tags["cached.audio-lr"] == "no earlier run is recorded in this store"


def test_a_model_is_registered_once_with_signature_and_example_and_loads_again(root: Path) -> None:
    import mlflow.pyfunc
    import numpy as np
    import torch
    from mlflow.types import DataType

    broken = make_version(root / "broken", name="broken")
    (broken.exported / "model.pt").write_bytes(b"no model")
    journal = begin(root)
    journal.model(broken, {})
    journal.model(make_version(root / "whole"), {"stage": "export"})
    shutil.copytree(journal.folder, root / "kept")
    journal.end("FINISHED")
    sender.follow_journals(0)
    shutil.copytree(root / "kept", journal.folder)
    journal.end("FINISHED")
    sender.follow_journals(0)

    (version,) = open_client(root).search_model_versions("name = 'audio'")
    assert version.run_id == read_runs(root)["fit"].info.run_id
    assert version.tags["stage"] == "export"
    loaded = mlflow.pyfunc.load_model("models:/audio/1")
    assert loaded.metadata.signature.inputs.input_types() == [DataType.binary]
    assert loaded.metadata.signature.inputs.input_names() == ["binary"]
    told = loaded.predict(loaded.input_example)
    assert list(told.columns) == ["dog", "rain", "sea, waves"]
    module, example = (root / "whole/export" / name for name in ("model.pt", "example.npy"))
    with torch.inference_mode():
        wanted = torch.jit.load(module)(torch.from_numpy(np.load(example)[:1])).numpy()
    np.testing.assert_allclose(told.to_numpy(), wanted, atol=1e-3)  # a file of sound holds 16 bits
