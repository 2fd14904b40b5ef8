"""Deployed runs: deployed by `make up`, always from the committed params, one run at a time."""

from __future__ import annotations

import json
import os
import signal
import time
from collections.abc import Iterator
from typing import Any

import pytest
from ruamel.yaml import YAML

from flows.engine.drivers.deployed import share_out
from flows.engine.drivers.request import Request
from flows.engine.errors import EngineError
from flows.engine.processes import list_children
from flows.engine.project import list_flows
from flows.engine.servers.deploy import watch_heartbeats
from flows.engine.servers.server import stop, up, where
from tests.engine.prefect_api import ask
from tests.engine.tiny_project import TinyProject
from tests.project import REPOSITORY, Finished

# One worker runs them all: they share the servers.
pytestmark = pytest.mark.xdist_group("servers")
WAIT_S = 120.0
SHORT_SILENCE_S = 20.0


def deploy_run(project: TinyProject, deployment: str, **parameters: Any) -> Finished:
    """Ask for a run as a person does."""
    given = [word for key, value in parameters.items() for word in ("-p", f"{key}={json.dumps(value)}")]
    return project.call("prefect", "deployment", "run", deployment, *given)


def read_runs(project: TinyProject, flow: str) -> list[dict[str, Any]]:
    """Return the runs of a flow that are not scheduled for later, the newest first."""
    flows = {"name": {"any_": [flow]}}
    runs = ask(project.record, "flow_runs/filter", flows=flows, sort="EXPECTED_START_TIME_DESC")
    return [run for run in runs if not run["auto_scheduled"]]


def wait_for_state(project: TinyProject, flow: str, wanted: str) -> dict[str, Any]:
    """Wait until the newest run of a flow is in a state, and return it."""
    deadline_s = time.monotonic() + WAIT_S
    while not (runs := read_runs(project, flow)) or runs[0]["state"]["name"] != wanted:
        assert time.monotonic() < deadline_s, runs[:1]
        time.sleep(0.2)
    return runs[0]


@pytest.fixture(scope="module")
def declared() -> dict[str, dict[str, Any]]:
    """The project's own deployments, by the flow and their name."""
    content = YAML(typ="safe").load(REPOSITORY / "prefect.yaml")
    return {f"{one['entrypoint'].partition(':')[2]}/{one['name']}": one for one in content["deployments"]}


def test_each_flow_is_deployed_with_parameters_that_all_have_defaults(declared: dict[str, dict[str, Any]]) -> None:
    from prefect.flows import load_flow_from_entrypoint
    from prefect.utilities.callables import parameter_schema

    assert set(declared) == {f"{name}/nightly" for name in ("all", *list_flows())}
    for name, one in declared.items():
        flow = load_flow_from_entrypoint(one["entrypoint"])
        schema = parameter_schema(flow)
        assert f"{flow.name}/nightly" == name
        assert one["description"]
        types = {key: kind["type"] for key, kind in schema.properties.items()}
        assert types == {"preset": "string", "overrides": "array", "force": "boolean", "stages": "array"}
        assert not schema.required


def test_only_the_run_of_all_flows_is_scheduled_as_it_comes(declared: dict[str, dict[str, Any]]) -> None:
    from prefect.client.schemas.schedules import CronSchedule

    schedules = {name: one["schedules"] for name, one in declared.items()}
    assert [name for name, (one,) in schedules.items() if one["active"]] == ["all/nightly"]
    for (one,) in schedules.values():
        assert CronSchedule(cron=one["cron"], timezone=one["timezone"]).timezone == "Etc/UTC"


def test_up_makes_one_pool_for_one_run_at_a_time_and_deploys_what_is_declared(unattended: TinyProject) -> None:
    pool = ask(unattended.record, "work_pools/trifold")
    assert (pool["type"], pool["concurrency_limit"]) == ("process", 1)
    found = ask(unattended.record, "deployments/filter", sort="NAME_ASC")
    active = {one["entrypoint"]: [schedule["active"] for schedule in one["schedules"]] for one in found}
    assert active == {"flows.nightly:all": [True], "flows.nightly:tiny": [False]}
    assert {one["work_pool_name"] for one in found} == {"trifold"}


def test_a_wrong_parameter_is_refused_before_a_run_is_made(unattended: TinyProject) -> None:
    for parameters in ({"force": "maybe"}, {"presets": "none"}):
        done = deploy_run(unattended, "tiny/nightly", **parameters)
        assert done.code != 0
        assert next(iter(parameters)) in done.output
    assert read_runs(unattended, "tiny") == []


def test_a_run_waits_for_the_one_before_and_starts_from_the_committed_params(unattended: TinyProject) -> None:
    params = unattended.root / "params/tiny.yaml"
    committed = params.read_text()
    params.write_text(committed + "# an edit that nobody committed\n")
    gate = unattended.hold("join")
    deploy_run(unattended, "tiny/nightly", overrides=["join.separator=' + '"]).check()
    unattended.wait_for("join")
    deploy_run(unattended, "all/nightly").check()
    assert [path.read_text() for path in (unattended.root / ".trifold/replaced").iterdir()] == [
        params_edited(committed)
    ]
    time.sleep(7)  # longer than the worker waits between two looks
    assert read_runs(unattended, "all")[0]["state"]["type"] == "SCHEDULED"
    joined = unattended.output("join")
    gate.unlink()
    wait_for_state(unattended, "all", "Completed")
    assert [run["state"]["name"] for run in read_runs(unattended, "tiny")] == ["Completed", "Completed"]
    assert sorted(unattended.computed()) == ["change-reverse", "change-upper", "join", "join", "read"]
    assert " / " in joined.read_text()
    assert params.read_text() == committed


def params_edited(committed: str) -> str:
    return committed + "# an edit that nobody committed\n"


@pytest.fixture
def watch(unattended: TinyProject) -> Iterator[None]:
    """A watch that is over sooner than that of `make up`, and than the next heartbeat: no run may outlive it."""
    from prefect.client.orchestration import get_client
    from prefect.settings import PREFECT_API_URL, temporary_settings

    (prefect,) = [server for server in where(unattended.root) if server.name == "prefect"]
    with temporary_settings({PREFECT_API_URL: prefect.api_url}), get_client(sync_client=True) as client:
        watch_heartbeats(SHORT_SILENCE_S)
        yield
        (watch,) = client.read_automations_by_name(
            f"mark runs without heartbeat for {SHORT_SILENCE_S:.0f} s as Crashed"
        )
        client.delete_automation(watch.id)


def test_a_run_that_dies_with_its_worker_is_marked_crashed(unattended: TinyProject, watch: None) -> None:
    (worker,) = [server for server in where(unattended.root) if server.name == "worker"]
    unattended.hold("join")
    deploy_run(unattended, "tiny/nightly", overrides=["join.separator=' = '"]).check()
    unattended.wait_for("join")
    (flow,) = list_children(worker.members[0])
    for process in (worker.members[0], flow):
        os.kill(process.pid, signal.SIGKILL)
    while not flow.is_gone():
        time.sleep(0.01)
    assert read_runs(unattended, "tiny")[0]["state"]["name"] == "Running"
    died = wait_for_state(unattended, "tiny", "Crashed")
    assert died["state"]["message"].endswith("its process died")


def test_the_run_after_one_that_died_goes_on_from_there(
    unattended: TinyProject, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TINY_TRACE", unattended.env["TINY_TRACE"])
    unattended.computed()
    unattended.hold("join").unlink()
    assert where(unattended.root) != list(up(unattended.root, ["prefect", "worker"]).values())
    deploy_run(unattended, "tiny/nightly", overrides=["join.separator=' = '"]).check()
    wait_for_state(unattended, "tiny", "Completed")
    assert unattended.computed() == ["join"]
    assert " = " in unattended.output("join").read_text()


def test_stopping_the_worker_ends_its_run_at_the_next_batch_as_cancelled(
    unattended: TinyProject, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TINY_TRACE", unattended.env["TINY_TRACE"])
    unattended.computed()
    gate = unattended.hold("join")
    deploy_run(unattended, "tiny/nightly", overrides=["join.separator=' | '"]).check()
    unattended.wait_for("join")
    (worker,) = [server for server in where(unattended.root) if server.name == "worker"]
    (flow,) = list_children(worker.members[0])
    stop(worker)
    assert flow.is_gone() and worker.members[0].is_gone()
    assert read_runs(unattended, "tiny")[0]["state"]["name"] == "Cancelled"
    gate.unlink()
    up(unattended.root, ["worker"])


KNOWN = ["audio", "text"]


def test_a_run_of_all_flows_hands_each_what_names_it() -> None:
    shared = share_out(KNOWN, preset="text-long", overrides=["audio.a.b=c=d"], stages=["text-fit-a-fold1"])
    assert shared == {
        "audio": Request(overrides=["a.b=c=d"]),
        "text": Request(preset="long", stages=["text-fit-a-fold1"]),
    }


@pytest.mark.parametrize(
    "given", [{"preset": "esc10"}, {"overrides": ["a.b=1"]}, {"stages": ["fit"]}, {"stages": ["audio"]}]
)
def test_what_names_no_flow_is_refused(given: dict[str, Any]) -> None:
    everything = {"preset": "", "overrides": [], "stages": [], **given}
    with pytest.raises(EngineError, match="names no flow: begin it with one of audio"):
        share_out(KNOWN, **everything)
