"""For a team: the same flows against Prefect and MLflow on PostgreSQL, with results and artifacts on S3.

The servers are started as deploy/kubernetes.yaml has them, and a run as the Kubernetes worker would start it.
"""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import signal
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from flows.engine.tracking.journal import start_sender, wait_sent
from tests.engine.team_servers import BUCKET, Team, ask, find_postgres, read_container, serve_team
from tests.engine.tiny_project import STAGES, TinyProject
from tests.engine.versions import export
from tests.project import REPOSITORY, Finished, Started
from tests.warm import WarmPython

pytestmark = pytest.mark.xdist_group("team")
DEPLOY = REPOSITORY / "deploy"


@pytest.fixture(scope="module")
def team(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Team]:
    """The servers of a team."""
    pytest.importorskip("moto", reason="the S3 server comes with moto: `make .venv/installed`")
    if (programs := find_postgres()) is None:
        pytest.skip("PostgreSQL is not installed: `apt-get install postgresql`")
    with serve_team(programs, tmp_path_factory.mktemp("team")) as served:
        yield served


@pytest.fixture(scope="module")
def first(team: Team, server_state: Path, warm: WarmPython, tmp_path_factory: pytest.TempPathFactory) -> TinyProject:
    """A checkout that computed everything, pushed it, and committed what it recorded."""
    project = TinyProject.create(tmp_path_factory.mktemp("first") / "tiny", server_state, warm)
    join_team(project, team)
    shutil.copytree(DEPLOY, project.root / "deploy")
    project.call("dvc", "remote", "add", "-d", "team", f"s3://{BUCKET}/dvc").check()
    project.commit()
    run_tiny(project)
    assert sorted(project.computed()) == sorted(STAGES)
    project.call("dvc", "push", "--run-cache").check()
    commit_more(project, "dvc.lock", "dvc.yaml")
    return project


def join_team(project: TinyProject, team: Team) -> TinyProject:
    """Have a checkout know the team's servers and none of its own."""
    project.record.unlink(missing_ok=True)
    project.env |= team.env
    return project


def run_tiny(project: TinyProject) -> None:
    """Run the tiny flow, not by the warm Python, whose Prefect knows another server."""
    project.call(sys.executable, "-m", "flows", "run", "tiny").check()


def commit_more(project: TinyProject, *names: str) -> None:
    project.call("git", "add", *names).check()
    project.call("git", "-c", "user.name=t", "-c", "user.email=t@t.invalid", "commit", "-qm", "more").check()


def clone(project: TinyProject, place: Path, team: Team) -> TinyProject:
    """Return a clone, as a colleague or an image has it: without DVC's cache, and with a trace of its own."""
    subprocess.run(["git", "clone", "-q", project.root, place], check=True)
    (place / ".trifold").mkdir()
    copy = TinyProject(place, project.root / "dvc.yaml", project.warm)
    return join_team(copy, team)


def ask_prefect(team: Team, path: str, **body: object) -> Any:
    data = json.dumps(body).encode() if body else None
    request = urllib.request.Request(
        f"{team.env['PREFECT_API_URL']}/{path}", data, {"Content-Type": "application/json"}
    )
    with urllib.request.urlopen(request, timeout=30) as answer:
        return json.load(answer)


def list_states(team: Team) -> list[str]:
    """Return the states of the tiny flow's runs, the oldest first."""
    flows = {"name": {"any_": ["tiny"]}}
    runs = ask_prefect(team, "flow_runs/filter", flows=flows, sort="EXPECTED_START_TIME_ASC")
    return [run["state"]["name"] for run in runs if not run["auto_scheduled"]]


def test_a_run_by_hand_uses_the_teams_server_and_none_of_its_own(team: Team, first: TinyProject) -> None:
    assert list_states(team)[0] == "Completed"
    assert not first.record.exists()
    assert any(key.startswith("dvc/files/md5/") for key in team.read_objects())


def test_what_was_pushed_is_pulled_in_a_clone_and_nothing_is_computed(
    team: Team, first: TinyProject, tmp_path: Path
) -> None:
    colleague = clone(first, tmp_path / "tiny", team)
    colleague.call("dvc", "pull").check()
    run_tiny(colleague)
    assert colleague.computed() == []
    assert colleague.outputs() == first.outputs()
    assert colleague.is_clean()


@pytest.fixture(scope="module")
def image(team: Team, first: TinyProject, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder that stands for the image's, which a deployed run goes to, with all deployed twice from there."""
    place = tmp_path_factory.mktemp("image") / "trifold"
    for _ in range(2):
        make_container(first, place, team).call("sh", "deploy/deploy.sh").check()
    return place


def make_container(first: TinyProject, image: Path, team: Team) -> TinyProject:
    """Return the image's folder as a new container has it: nothing is left of the one before."""
    shutil.rmtree(image, ignore_errors=True)
    return clone(first, image, team)


def test_the_pool_takes_one_run_at_a_time_and_silence_is_watched(team: Team, image: Path) -> None:
    pool = ask_prefect(team, "work_pools/trifold")
    assert (pool["type"], pool["concurrency_limit"]) == ("kubernetes", 1)
    assert pool["base_job_template"] == json.loads((DEPLOY / "pool.json").read_text())
    found = ask_prefect(team, "deployments/filter", sort="NAME_ASC")
    assert {one["entrypoint"] for one in found} == {"flows.nightly:all", "flows.nightly:tiny"}
    assert len(ask_prefect(team, "automations/filter", limit=10)) == 1


def start_container(team: Team, checkout: TinyProject, separator: str) -> Started:
    """Ask for a deployed run, and start what the pool's job would, in a checkout that stands for the image's.

    Of a cluster, only the two addresses and the image's own settings are replaced.
    """
    override = json.dumps([f"join.separator='{separator}'"])
    checkout.call("prefect", "deployment", "run", "tiny/nightly", "-p", f"overrides={override}").check()
    manifest = asyncio.run(make_job(team))
    pod = manifest["spec"]["template"]["spec"]
    (container,) = pod["containers"]
    env = {one["name"]: one["value"] for one in container["env"]}
    assert (env["PREFECT_API_URL"], env["MLFLOW_TRACKING_URI"]) == ("http://prefect:4200/api", "http://mlflow:5000")
    assert not set(team.secrets) & set(env.values())
    python, *words = container["args"]
    assert python == "python"
    # Not the warm one, whose Prefect knows another server.
    return checkout.start(sys.executable, *words, **{**env, **team.env, "PYTHONPATH": str(checkout.root)})


async def make_job(team: Team) -> dict[str, Any]:
    """Return the job that Prefect's Kubernetes worker makes for the run that was asked for last."""
    from prefect.client.orchestration import get_client
    from prefect.client.schemas.sorting import FlowRunSort
    from prefect.settings import PREFECT_API_URL, temporary_settings
    from prefect_kubernetes.worker import KubernetesWorkerJobConfiguration as Job

    with temporary_settings({PREFECT_API_URL: team.env["PREFECT_API_URL"]}):
        async with get_client() as client:
            pool = await client.read_work_pool("trifold")
            runs = await client.read_flow_runs(sort=FlowRunSort.EXPECTED_START_TIME_DESC, limit=50)
            run = next(one for one in runs if one.deployment_id and not one.auto_scheduled)
            job = await Job.from_template_and_values(pool.base_job_template, {}, client=client)
            # As the worker in the cluster has it.
            with temporary_settings({PREFECT_API_URL: "http://prefect:4200/api"}):
                job.prepare_for_flow_run(run)
    return job.job_manifest


def run_container(team: Team, checkout: TinyProject, separator: str) -> Finished:
    return start_container(team, checkout, separator).finish()


def test_a_new_container_takes_what_others_made_and_hands_on_its_own(
    team: Team, first: TinyProject, image: Path
) -> None:
    container = make_container(first, image, team)
    run_container(team, container, " / ").check()
    assert container.computed() == []
    container.env["TRIFOLD_NODES"] = "processes:1"
    done = run_container(team, container, " + ").check()
    assert (container.computed(), "tiny-join: computed on node1" in done.output) == (["join"], True)
    kept = [path.read_bytes() for path in (container.root / ".trifold/nodes").rglob("*") if path.is_file()]
    assert not any(secret.encode() in content for secret in team.secrets for content in kept)
    another = make_container(first, image, team)
    run_container(team, another, " + ").check()
    assert another.computed() == []
    assert " + " in another.output("join").read_text()
    assert list_states(team)[-3:] == ["Completed"] * 3
    assert not another.record.exists()


def test_a_container_that_is_told_to_end_stops_its_run(team: Team, first: TinyProject, image: Path) -> None:
    checkout = make_container(first, image, team)
    gate = checkout.hold("join")
    container = start_container(team, checkout, " = ")
    checkout.wait_for("join")
    os.kill(container.pid, signal.SIGTERM)
    container.finish()
    gate.unlink()
    assert list_states(team)[-1] == "Cancelled"


def test_models_go_to_storage_by_mlflows_server_and_the_gate_reads_them_there(
    team: Team, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in team.env.items():
        # Who runs needs the server alone.
        monkeypatch.delenv(name, raising=False) if name.startswith("AWS_") else monkeypatch.setenv(name, value)
    for name, right in (("audio", 180), ("better", 199), ("worse", 100)):
        export(tmp_path, name, right)
    waiting = wait_sent(tmp_path, start_sender(tmp_path), timeout_s=120)
    assert not waiting.journals, waiting
    kept = [key for key in team.read_objects() if key.startswith("mlflow/")]
    assert len([key for key in kept if key.endswith("model.pt")]) == 3
    assert not (tmp_path / "mlflow.db").exists() and not (tmp_path / "mlartifacts").exists()
    listed = call("models")
    assert "champion" in listed and "challenger" in listed
    assert call("models", "rollback", "audio") == "audio version 1 is champion again\n"
    assert "finished" in call("runs")


def call(*words: str) -> str:
    """Return what `python -m flows WORDS` prints in the repository."""
    command = [sys.executable, "-m", "flows", *words]
    done = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_no_secret_stands_in_a_log_a_params_file_a_command_line_or_a_store(
    team: Team, first: TinyProject, tmp_path_factory: pytest.TempPathFactory
) -> None:
    places = [team.logs, first.root.parent]
    texts = {str(path): path.read_bytes() for place in places for path in place.rglob("*") if path.is_file()}
    texts |= team.read_objects()
    texts |= {name: team.database.dump(name).encode() for name in ("prefect", "mlflow")}
    texts |= {line: line.encode() for line in team.list_commands()}
    assert "experiments" in texts["mlflow"].decode() and "flow_run" in texts["prefect"].decode()
    for secret in team.secrets:
        assert [name for name, text in texts.items() if secret.encode() in text] == []


@pytest.mark.parametrize(("names", "told"), [((), "answers"), (("PREFECT_API_URL", "MLFLOW_TRACKING_URI"), "does not")])
def test_the_doctor_asks_the_teams_servers(team: Team, names: tuple[str, ...], told: str) -> None:
    env = team.env | dict.fromkeys(names, "http://me:hunter2@127.0.0.1:9") | {"MLFLOW_HTTP_REQUEST_MAX_RETRIES": "0"}
    command = [sys.executable, "-m", "flows", "doctor"]
    done = subprocess.run(command, cwd=REPOSITORY, env={**os.environ, **env}, capture_output=True, text=True)
    lines = [line for line in done.stdout.splitlines() if "MLflow store" in line or " servers " in line]
    assert len(lines) == 2 and all(told in line and "http://127.0.0.1:" in line for line in lines), done.stdout
    assert "hunter2" not in done.stdout + done.stderr


def test_mlflows_server_answers_to_its_name_in_the_cluster_and_to_no_other(team: Team) -> None:
    port = int(team.env["MLFLOW_TRACKING_URI"].rpartition(":")[2])
    path = "/api/2.0/mlflow/experiments/get?experiment_id=0"
    assert ask(port, path, "mlflow:5000")[0] == 200
    assert ask(port, path, "elsewhere.invalid")[0] == 403


def test_a_server_that_does_not_answer_is_named_with_what_to_do(first: TinyProject) -> None:
    away = {"PREFECT_API_URL": "http://me:hunter2@127.0.0.1:9/api"}
    for command in ("run", "tiny"), ("deploy",):
        done = first.call(sys.executable, "-m", "flows", *command, **away)
        assert done.code == 1
        assert (
            "http://127.0.0.1:9/api does not answer" in done.output and "set PREFECT_API_URL to another" in done.output
        )
        assert "hunter2" not in done.output and "Traceback" not in done.output


def test_all_parts_of_the_cluster_use_one_image_and_name_only_what_is_there() -> None:
    parts = list(YAML(typ="safe").load_all(DEPLOY / "kubernetes.yaml"))
    names = {(one["kind"], one["metadata"]["name"]) for one in parts}
    assert {one["metadata"].get("namespace", "trifold") for one in parts} == {"trifold"}
    pool = json.loads((DEPLOY / "pool.json").read_text())
    pods = [one["spec"]["template"]["spec"] for one in parts if one["kind"] == "Deployment"]
    job = pool["job_configuration"]["job_manifest"]["spec"]["template"]["spec"]
    images = {box["image"] for pod in pods for box in [*pod["containers"], *pod.get("initContainers", [])]}
    assert images == {pool["variables"]["properties"]["image"]["default"]}
    assert not any(pod["enableServiceLinks"] for pod in [*pods, job])
    assert ("PersistentVolumeClaim", job["volumes"][0]["persistentVolumeClaim"]["claimName"]) in names
    for name, port in (("prefect", "4200"), ("mlflow", "5000")):
        assert ("Service", name) in names
        assert f"http://{name}:{port}" in (DEPLOY / "pool.json").read_text()
    assert read_container("worker")[0][3:5] == ["--pool", "trifold"]


def test_the_image_takes_nothing_along_that_git_ignores() -> None:
    given = {line for line in (REPOSITORY / ".dockerignore").read_text().split() if line[:1] in "/!*"}
    left_out = {line.strip("/").removeprefix("**/") for line in given}
    for place in ("", ".dvc"):
        for line in (REPOSITORY / place / ".gitignore").read_text().split():
            assert f"{place}/{line.strip('/')}".strip("/") in left_out, line
