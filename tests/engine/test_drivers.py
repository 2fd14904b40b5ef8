"""The output of the two drivers; a clone needs only the cache."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

import pytest

from flows.engine.servers.server import where
from flows.engine.tracking.outbox import list_journals
from tests.engine.prefect_api import ask, read_flow_run
from tests.engine.tiny_project import TinyProject
from tests.project import Finished


@pytest.fixture
def tiny(tiny_base: TinyProject, tmp_path: Path) -> TinyProject:
    return tiny_base.copy(tmp_path / "tiny")


def read_task_states(server_state: Path, done: Finished) -> dict[str, str]:
    """Return the state of each task of a flow run, as Prefect's server has it."""
    run = read_flow_run(server_state, done)
    tasks = ask(server_state, "task_runs/filter", flow_runs={"id": {"any_": [run["id"]]}})
    return {task["name"]: task["state_name"] for task in tasks}


def test_fresh_stages_show_as_cached_in_prefect(tiny: TinyProject, server_state: Path) -> None:
    tiny.edit("params/tiny.yaml", '"?"', '"."')
    done = tiny.drive("prefect").check()
    assert read_task_states(server_state, done) == {
        "tiny-read": "Cached",
        "tiny-change-upper": "Cached",
        "tiny-change-reverse": "Completed",
        "tiny-join": "Completed",
    }
    assert [word for word in ("cached", "ran", "restored") if word in done.output] == ["cached", "ran"]


def test_several_flows_run_in_turn_by_one_command(tiny: TinyProject) -> None:
    for name in ("flows/tiny.py", "params/tiny.yaml"):
        text = (tiny.root / name).read_text()
        (tiny.root / name.replace("tiny", "second")).write_text(text.replace("tiny", "second"))
    done = tiny.call("python", "-m", "flows", "run", "tiny", "second").check()
    assert [line.split()[1] for line in done.output.splitlines() if "-join " in line] == ["tiny-join", "second-join"]
    assert sorted(tiny.computed()) == ["change-reverse", "change-upper", "join", "read"], "of the second alone"
    done = tiny.call("python", "-m", "flows", "run", "tiny", "second", "--stage", "tiny-read")
    assert done.code == 1
    assert "belong to one flow" in done.output


def test_a_run_ends_with_how_to_look_at_it_unless_a_team_has_its_own_pages(tiny: TinyProject) -> None:
    # Not by the warm Python, which has a server named already.
    command = (sys.executable, "-m", "flows", "run", "tiny")
    told = "to browse the runs: `mlflow ui`, or `make up` for the pages of both Prefect and MLflow"
    assert tiny.call(*command).check().output.splitlines()[-1] == told
    (server,) = where(tiny.root)
    # What an editor loads from the project's own `.env` names no team.
    assert told in tiny.call(*command, PREFECT_API_URL=server.api_url).check().output
    team = server.api_url.replace("127.0.0.1", "localhost")
    assert told not in tiny.call(*command, PREFECT_API_URL=team).check().output


def test_the_projects_own_server_is_never_asked_through_a_proxy(tiny: TinyProject) -> None:
    proxies = dict.fromkeys(("HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "https_proxy"), "http://127.0.0.1:9")
    tiny.env = {name: value for name, value in tiny.env.items() if name.lower() != "no_proxy"}
    tiny.call(sys.executable, "-m", "flows", "run", "tiny", **proxies).check()


@pytest.mark.parametrize("home", [None, "/"])
def test_a_user_id_without_a_name_runs_flows(tiny: TinyProject, tmp_path: Path, home: str | None) -> None:
    # Every Python that the run starts imports this module first.
    (tmp_path / "sitecustomize.py").write_text(
        "import pwd\n\n\ndef find(uid):\n    raise KeyError(uid)\n\n\npwd.getpwuid = find\n"
    )
    tiny.env = {name: value for name, value in tiny.env.items() if name not in ("USER", "LOGNAME", "HOME")}
    changes = {"PYTHONPATH": str(tmp_path), **({"HOME": home} if home else {})}
    tiny.edit("input.txt", "quick", "slow")
    tiny.call(sys.executable, "-m", "flows", "run", "tiny", **changes).check()
    assert len(tiny.computed()) == 4


def test_only_the_stages_asked_for_and_what_they_need_run(tiny: TinyProject) -> None:
    tiny.edit("input.txt", "quick", "slow")
    tiny.call("python", "-m", "flows", "run", "tiny", "--stage", "tiny-change-upper").check()
    assert tiny.computed() == ["read", "change-upper"]


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["nope"], "error: there is no flow 'nope'; the flows are tiny"),
        (["nope", "--set", "join.separator=' + '"], "error: there is no flow 'nope'; the flows are tiny"),
        (["tiny", "--stage", "tiny-nope"], "error: there is no stage 'tiny-nope'; the stages are tiny-read"),
        (
            ["tiny", "--stage", "tiny-nope", "--set", "join.separator=' + '"],
            "error: there is no stage 'tiny-nope'; the stages are tiny-read",
        ),
    ],
)
def test_an_unknown_name_is_refused_before_anything_is_written(tiny: TinyProject, words: list[str], told: str) -> None:
    tiny.edit("flows/tiny.py", "times=2", "times=3")
    files = [tiny.root / name for name in ("dvc.yaml", "dvc.lock", "params/tiny.yaml")]
    before = [file.read_bytes() for file in files]
    done = tiny.call("python", "-m", "flows", "run", *words)
    assert (done.code, done.output[: len(told)]) == (1, told)
    assert [file.read_bytes() for file in files] == before


@pytest.mark.parametrize(("stage", "fails"), [("tiny-nope", ""), ("tiny-read", "read")])
def test_a_stage_command_that_fails_keeps_the_entries_of_dvc_lock(tiny: TinyProject, stage: str, fails: str) -> None:
    tiny.edit("tasks/near.py", '+ "\\n"', '+ "\\n\\n"')
    lock = tiny.root / "dvc.lock"
    lock.write_text(lock.read_text() + "  tiny-old:\n    cmd: python -m flows stage tiny-old\n")
    before = lock.read_text().partition("  tiny-change")
    done = tiny.call("python", "-m", "flows", "stage", stage, TINY_FAIL=fails)
    assert done.code == 1
    after = lock.read_text().partition("  tiny-change")
    assert after[1:] == before[1:], "also that of a stage which dvc.yaml no longer has"
    assert fails or after == before


def test_a_flow_whose_params_file_is_gone_is_named_rather_than_left_out(tiny: TinyProject) -> None:
    (tiny.root / "params/tiny.yaml").unlink()
    for command in (["graph", "--write"], ["run", "tiny"]):
        done = tiny.call("python", "-m", "flows", *command)
        assert done.code == 1
        assert done.output.startswith("error: flows/tiny.py is a flow, but params/tiny.yaml is missing: `git restore")
    assert "tiny-join" in (tiny.root / "dvc.yaml").read_text()


def test_force_computes_fresh_stages(tiny: TinyProject) -> None:
    tiny.call("python", "-m", "dvc", "repro", "-f", "-s", "tiny-read").check()
    assert tiny.computed() == ["read"]
    tiny.call("python", "-m", "flows", "run", "tiny", "--stage", "tiny-read", "--force").check()
    assert tiny.computed() == ["read"]


def test_a_clone_with_a_pulled_cache_computes_nothing_under_either_driver(
    tiny_base: TinyProject, server_state: Path, tmp_path: Path
) -> None:
    remote = tmp_path / "remote"
    origin = tiny_base.copy(tmp_path / "origin")
    shutil.rmtree(origin.root / ".dvc")
    origin.call("git", "init", "-q", "-b", "main").check()
    origin.call("python", "-m", "dvc", "init", "-q").check()
    origin.call("python", "-m", "dvc", "remote", "add", "-d", "shelf", str(remote)).check()
    origin.drive("dvc").check()
    origin.call("python", "-m", "dvc", "push", "-q").check()
    origin.commit()
    clone = tmp_path / "clone"
    origin.call("git", "clone", "-q", str(origin.root), str(clone)).check()
    pulled = TinyProject(clone, server_state, origin.warm)
    pulled.call("python", "-m", "dvc", "pull", "-q").check()
    for driver in ("dvc", "prefect"):
        pulled.drive(driver).check()
        assert pulled.computed() == []
    assert pulled.outputs() == origin.outputs()
    pulled.edit("params/tiny.yaml", '" / "', '" + "')
    assert "join.separator" in pulled.call("python", "-m", "dvc", "params", "diff").check().output


def test_repro_beside_a_stale_dvc_yaml_fails_and_says_the_mend(tiny: TinyProject) -> None:
    tiny.edit("flows/tiny.py", "times=2", "times=3")
    done = tiny.start_driver("dvc").finish()
    assert done.code != 0
    assert "python -m flows graph --write" in done.output
    assert tiny.computed() == []


def test_only_fingerprints_that_change_are_written_and_spent_ones_go(tiny: TinyProject) -> None:
    def sign() -> dict[str, int]:
        return {path.name: path.stat().st_ino for path in (tiny.root / "data/code").iterdir()}

    before = sign()
    assert "change.change_text.members.reverse.txt" in before
    tiny.edit("tasks/join.py", ".strip()", ".strip(None)")
    tiny.call("python", "-m", "flows", "stage", "code").check()
    assert {name for name, inode in sign().items() if before[name] != inode} == {"join.join_texts.txt"}
    tiny.edit("params/tiny.yaml", '"?"', '"!"')
    tiny.call("python", "-m", "flows", "graph", "--write").check()
    tiny.call("python", "-m", "flows", "stage", "code").check()
    assert before.keys() - sign().keys() == {"change.change_text.members.reverse.txt"}


def test_graph_check_says_what_differs(tiny: TinyProject) -> None:
    tiny.call("python", "-m", "flows", "graph", "--check").check()
    tiny.edit("flows/tiny.py", "times=2", "times=3")
    done = tiny.call("python", "-m", "flows", "graph", "--check")
    assert done.code == 1
    assert "times=3" in done.output


@pytest.mark.parametrize(
    "command",
    ["dag", "status", "repro tiny-join", "metrics show", "plots show"],
)
def test_the_commands_of_dvc_work(tiny: TinyProject, command: str) -> None:
    tiny.call("python", "-m", "dvc", *command.split()).check()
    assert tiny.computed() == []


def test_what_a_temporary_experiment_of_dvc_records_outlives_its_folder(tiny: TinyProject, tmp_path: Path) -> None:
    copied = tiny.copy(tmp_path / "copy")
    place = tiny.root / ".dvc/tmp/exps/tmp1"
    place.parent.mkdir(parents=True, exist_ok=True)
    experiment = TinyProject(shutil.move(copied.root, place), tiny.record, tiny.warm)
    experiment.edit("flows/tiny.py", 'stage(join_texts, "join")', 'stage(join_texts, "join", learns=True)')
    experiment.edit("params/tiny.yaml", '" / "', '" + "')
    experiment.call("python", "-m", "flows", "stage", "tiny-join", MLFLOW_TRACKING_URI="http://127.0.0.1:1").check()
    assert experiment.computed() == ["join"]
    shutil.rmtree(place)
    assert [journal.opening["name"] for journal in list_journals(tiny.root)] == ["tiny-join"]
    assert (tiny.root / ".trifold/recorded/tiny-join").exists()
