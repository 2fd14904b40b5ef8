"""`gc --free` deletes what old runs left behind, but nothing that a kept run, a champion or the working tree needs."""

from __future__ import annotations

import os
import shutil
import sqlite3
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.engine.mlflow_store import begin, kill_sender, open_client
from tests.engine.past_project import check_out, find_flow_run, find_lock, read_runs, snapshot
from tests.engine.prefect_api import ask
from tests.engine.tiny_project import TinyProject

# They share one project with a past, put back for each.
pytestmark = pytest.mark.xdist_group("gc")
PAST = ("champion", "dropped", "present")
# The last stage's texts that no run kept names: of the dropped run, and of the one that no tracker saw.
UNNAMED = ("dropped", " / ")
OLD_MS = 40 * 24 * 3600 * 1000


@pytest.fixture(scope="module")
def past(tiny_base: TinyProject, tmp_path_factory: pytest.TempPathFactory) -> TinyProject:
    """A project with three runs of its flow: two are old, one of these is the champion's; and a copy beside it."""
    project = tiny_base.copy(tmp_path_factory.mktemp("gc") / "tiny")
    project.edit("flows/tiny.py", '"join")', '"join", learns=True)')
    project.edit("params/tiny.yaml", '" / "', "champion")
    for name, following in zip(PAST, (*PAST[1:], ""), strict=True):
        project.drive("prefect").check()
        if following:
            project.edit("params/tiny.yaml", name, following)
    runs = read_runs(project)
    client = open_client(project.root)
    for name in PAST[:2]:
        for run in runs[name]:
            client.set_terminated(run.info.run_id, end_time=run.info.end_time - OLD_MS)
    client.create_registered_model("tiny")
    (join,) = (run for run in runs["champion"] if "stage" in run.data.tags)
    client.create_model_version("tiny", f"{join.info.artifact_uri}", join.info.run_id)
    client.set_registered_model_alias("tiny", "champion", "1")
    shutil.copytree(project.root, project.root.with_name("kept"))
    return project


@pytest.fixture
def tiny(past: TinyProject, server_state: Path, tmp_path: Path) -> TinyProject:
    """The project as it was, in the same place, since MLflow keeps the paths of its files.

    It is called by another name in each test: MLflow of this process would go on with the database that was there.
    """
    kill_sender(past.root)
    shutil.rmtree(past.root)
    shutil.copytree(past.root.with_name("kept"), past.root)
    (tmp_path / "tiny").symlink_to(past.root)
    return TinyProject(tmp_path / "tiny", server_state, past.warm)


def gc(project: TinyProject, *options: str) -> str:
    return project.call("python", "-m", "flows", "gc", *options).check().output


def test_without_the_flag_it_tells_and_changes_nothing(tiny: TinyProject) -> None:
    before = snapshot(tiny)
    told = gc(tiny)
    assert "nothing was deleted" in told
    for part, count in {"MLflow runs": 2, "DVC cache": 2 * len(UNNAMED), "DVC run cache": len(UNNAMED)}.items():
        assert [line for line in told.splitlines() if f" {part} " in line and f" {count} " in line], told
    assert snapshot(tiny) == before


def test_what_it_told_is_freed_and_the_rest_works_as_before(tiny: TinyProject) -> None:
    told = gc(tiny)
    lock = tiny.root.with_name("dropped.lock")
    shutil.copyfile(find_lock(tiny, "dropped"), lock)
    before = {path for path in snapshot(tiny) if ".dvc/cache/files" in path}
    freed = gc(tiny, "--free")
    after = {path for path in snapshot(tiny) if ".dvc/cache/files" in path}
    assert [line for line in freed.splitlines() if "│" in line] == [line for line in told.splitlines() if "│" in line]
    assert set(read_runs(tiny)) == {"champion", "present"}
    # Each text, and the list of the folder that held it.
    assert len(before - after) == 2 * len(UNNAMED) and after < before
    assert "0 B" in gc(tiny)

    for driver in ("dvc", "prefect"):
        tiny.drive(driver).check()
        assert tiny.computed() == []
    assert tiny.is_clean()
    champion = find_lock(tiny, "champion")
    assert check_out(tiny, lock) != 0
    assert check_out(tiny, champion) == 0
    assert "champion" in tiny.output("join").read_text()


def test_what_was_computed_before_and_is_kept_is_restored_and_the_rest_computed(tiny: TinyProject) -> None:
    gc(tiny, "--free")
    tiny.edit("params/tiny.yaml", "present", "champion")
    tiny.drive("prefect").check()
    assert tiny.computed() == []
    tiny.edit("params/tiny.yaml", "champion", "dropped")
    tiny.drive("dvc").check()
    assert tiny.computed() == ["join"]


def test_a_challenger_is_kept_and_a_run_whose_version_is_gone_is_not(tiny: TinyProject) -> None:
    client = open_client(tiny.root)
    client.delete_registered_model_alias("tiny", "champion")
    client.set_registered_model_alias("tiny", "challenger", "1")
    gc(tiny, "--free")
    assert set(read_runs(tiny)) == {"champion", "present"}
    client.delete_registered_model("tiny")
    gc(tiny, "--free")
    assert set(read_runs(tiny)) == {"present"}


def test_a_challenger_of_the_past_goes_with_its_run(tiny: TinyProject) -> None:
    client = open_client(tiny.root)
    (run,) = (run for run in read_runs(tiny)["dropped"] if "stage" in run.data.tags)
    client.create_model_version("tiny", run.info.artifact_uri, run.info.run_id, tags={"gate": "challenger"})
    client.set_registered_model_alias("tiny", "challenger", "2")
    gc(tiny, "--free")
    assert set(read_runs(tiny)) == set(PAST)
    client.delete_registered_model_alias("tiny", "challenger")
    gc(tiny, "--free")
    assert set(read_runs(tiny)) == {"champion", "present"}
    assert [str(version.version) for version in client.search_model_versions("name = 'tiny'")] == ["1"]


def test_a_champion_of_the_past_and_a_version_made_by_hand_are_kept(tiny: TinyProject) -> None:
    client = open_client(tiny.root)
    (run,) = (run for run in read_runs(tiny)["dropped"] if "stage" in run.data.tags)
    client.create_model_version("tiny", run.info.artifact_uri, run.info.run_id)
    gc(tiny, "--free")
    assert set(read_runs(tiny)) == set(PAST)
    client.set_model_version_tag("tiny", "2", "gate", "champion")
    client.set_registered_model_tag("tiny", "champions", "2 1")
    gc(tiny, "--free")
    assert set(read_runs(tiny)) == set(PAST)


def test_the_age_is_an_option(tiny: TinyProject) -> None:
    gc(tiny, "--free", "--days", "50")
    assert set(read_runs(tiny)) == set(PAST)


def test_what_an_old_run_made_is_kept_while_a_younger_one_links_it(tiny: TinyProject) -> None:
    tiny.drive("prefect").check()
    client = open_client(tiny.root)
    for run in sorted(read_runs(tiny)["present"], key=lambda run: run.info.start_time)[:2]:
        client.set_terminated(run.info.run_id, end_time=run.info.end_time - OLD_MS)
    tiny.edit("params/tiny.yaml", "present", "another")
    tiny.drive("prefect").check()
    gc(tiny, "--free")
    (linking, made) = sorted(read_runs(tiny)["present"], key=lambda run: "stage" in run.data.tags)
    assert linking.data.tags["cached.tiny-join"] == made.info.run_id


@pytest.mark.parametrize("fault", ["missing", "broken"])
@pytest.mark.parametrize("separator", ["champion", "present"])
def test_a_run_kept_whose_lock_cannot_be_read_stops_it(tiny: TinyProject, separator: str, fault: str) -> None:
    lock = find_lock(tiny, separator)
    if fault == "missing":
        lock.unlink()
    else:
        lock.write_text("schema: '2.0'\nstages:\n  tiny-read: {outs: [")
    before = snapshot(tiny)
    refused = tiny.call("python", "-m", "flows", "gc", "--free")
    assert refused.code == 1
    assert (
        f"pipeline/dvc.lock of run {find_flow_run(tiny, separator)} (tiny) in MLflow cannot be read" in refused.output
    )
    assert "Traceback" not in refused.output
    assert snapshot(tiny) == before


def test_it_frees_nothing_under_a_running_stage(tiny: TinyProject) -> None:
    tiny.edit("params/tiny.yaml", "present", "running")
    gate = tiny.hold("join")
    before = snapshot(tiny)
    run = tiny.start_driver("dvc")
    tiny.wait_for("join")
    refused = tiny.call("python", "-m", "flows", "gc", "--free")
    gate.unlink()
    assert (refused.code, "tiny-join is being computed: nothing was deleted" in refused.output) == (1, True)
    assert run.finish().code == 0
    assert before.keys() <= snapshot(tiny).keys()


def test_runs_that_wait_to_be_sent_stop_it(tiny: TinyProject) -> None:
    begin(tiny.root)
    refused = tiny.call("python", "-m", "flows", "gc", "--free")
    assert refused.code == 1
    assert "in .trifold/outbox have not been sent" in refused.output


def test_a_copy_of_a_project_leaves_the_files_of_the_first_alone(tiny: TinyProject, tmp_path: Path) -> None:
    before = snapshot(tiny)
    copy = tiny.copy(tmp_path / "copy")
    assert "2 with files outside this project are kept" in gc(copy, "--free")
    assert snapshot(tiny) == before


def test_checkpoints_go_when_their_stage_was_finished_since_or_are_old(tiny: TinyProject) -> None:
    folder = tiny.root / ".trifold/checkpoints"
    finished_s = (tiny.root / ".trifold/recorded/tiny-join").stat().st_mtime
    for name, written_s in {
        "tiny-join-0000000000000001": finished_s - 5,
        "tiny-join-0000000000000002": finished_s + 5,
        "tiny-other-0000000000000003": finished_s - OLD_MS / 1000,
        "tiny-other-0000000000000004": finished_s,
    }.items():
        write_old(folder / name / "training.pt", time.time() - written_s)
    assert "checkpoints of finished runs" in gc(tiny, "--free")
    assert {path.name[-1] for path in folder.iterdir()} == {"2", "4"}


def test_downloads_go_when_their_stage_was_finished_since_but_not_what_is_known_of_them(tiny: TinyProject) -> None:
    folder = tiny.root / ".trifold/downloads"
    finished_s = (tiny.root / ".trifold/recorded/tiny-join").stat().st_mtime
    for name, written_s in {"tiny-join/a/done.zip": finished_s - 5, "tiny-join/b/begun.zip": finished_s + 5}.items():
        write_old(folder / name, time.time() - written_s)
        (folder / name).with_name("digest.txt").write_text("sha256:0")
    assert "downloaded files" in gc(tiny, "--free")
    left = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}
    assert left == {"tiny-join/a/digest.txt", "tiny-join/b/begun.zip", "tiny-join/b/digest.txt"}


def test_nodes_go_when_they_are_old_and_of_others_all_trees_but_the_newest(tiny: TinyProject) -> None:
    nodes = tiny.root / ".trifold/nodes"
    for name, age_s in {"node1/trees/a": 20.0, "node1/trees/b": 10.0, "node2/trees/a": OLD_MS / 1000}.items():
        write_old(nodes / name / "dvc.yaml", age_s)
    assert "nodes of this machine" in gc(tiny, "--free")
    assert sorted(path.relative_to(nodes).as_posix() for path in nodes.glob("*/*/*")) == ["node1/trees/b"]
    assert not (nodes / "node2").exists()


def test_unfinished_work_in_the_remote_goes_when_it_is_old_or_its_result_is_there(
    tiny: TinyProject, tmp_path: Path
) -> None:
    remote = tmp_path / "remote"
    tiny.call("python", "-m", "dvc", "remote", "add", "-d", "shelf", str(remote)).check()
    write_old(remote / "runs/aa" / ("a" * 64) / ("f" * 64), 0.0)
    for name, age_s in {"a" * 64: 5.0, "b" * 64: 5.0, "c" * 64: OLD_MS / 1000}.items():
        write_old(remote / "checkpoints" / name / "kind/stage/training.pt", age_s)
    write_old(remote / "leases" / ("a" * 64), 5.0)
    assert "unfinished work in DVC's remote" in gc(tiny, "--free")
    left = {path.relative_to(remote).parts[1] for path in remote.glob("*/*/*/*/training.pt")}
    assert (left, list((remote / "leases").iterdir())) == ({"b" * 64}, [])


def write_old(path: Path, age_s: float) -> None:
    """Write a file, and date it and its folder back."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"weights")
    for each in (path, path.parent):
        os.utime(each, (time.time() - age_s,) * 2)


@pytest.fixture
def flow_runs(server_state: Path) -> Iterator[dict[str, str]]:
    """An old flow run and a young one, on the server that the tests share."""
    flow = ask(server_state, "flows/", name="gc")
    ids = {}
    for name in ("old", "young"):
        ids[name] = ask(server_state, "flow_runs/", flow_id=flow["id"], name=name, state={"type": "COMPLETED"})["id"]
    with sqlite3.connect(server_state.parent / "prefect/prefect.db", timeout=60) as database:
        database.execute("UPDATE flow_run SET end_time = ? WHERE name = 'old'", ("2020-01-01 00:00:00.000000",))
    return ids


def test_old_flow_runs_go_from_prefect_and_results_from_its_folder(
    tiny: TinyProject, flow_runs: dict[str, str], server_state: Path
) -> None:
    results = tiny.root / ".trifold/prefect/storage"
    write_old(results / "a/old", OLD_MS / 1000)
    write_old(results / "b/young", 0)
    gc(tiny, "--free")
    left = ask(server_state, "flow_runs/filter", flow_runs={"id": {"any_": list(flow_runs.values())}})
    assert [run["name"] for run in left] == ["young"]
    assert [path.name for path in results.rglob("*") if path.is_file()] == ["young"]


def test_a_prefect_server_that_is_not_up_is_told(tiny: TinyProject) -> None:
    tiny.record.unlink()
    assert "the server is not running" in gc(tiny, "--free")
    assert set(read_runs(tiny)) == {"champion", "present"}
