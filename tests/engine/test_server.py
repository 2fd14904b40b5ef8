"""The project's own servers: started once, stopped without leftovers, and found by clients in the folder."""

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import psutil
import pytest

from flows.engine.machine import bypass_proxy
from flows.engine.processes import stop_group
from flows.engine.servers import server as server_module
from flows.engine.servers.server import (
    HOST,
    SPECS,
    Server,
    ServerError,
    ServerSpec,
    down,
    find_port,
    set_dotenv,
    up,
    where,
)
from flows.engine.servers.team import name_team_prefect
from flows.engine.tracking import sender
from flows.engine.tracking.journal import Journal, count_waiting
from tests.engine.tiny_project import TinyProject

# One worker runs them all: they share ports and two slow servers.
pytestmark = pytest.mark.xdist_group("servers")


def is_alive(server: Server) -> bool:
    return any(not member.is_gone() for member in server.members)


def add_kind(monkeypatch: pytest.MonkeyPatch, module: str, *words: str) -> None:
    """Add a kind of server that starts at once: `python -m MODULE PORT WORDS`."""
    kind = ServerSpec("tiny", find_port(6000), "/", lambda port: [module, str(port), *words], lambda root, port: {})
    monkeypatch.setitem(SPECS, "tiny", kind)


@pytest.fixture
def tiny(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder in which the tiny server may be started."""
    add_kind(monkeypatch, "http.server", "--bind", HOST)
    yield tmp_path
    down(tmp_path)


def test_up_twice_starts_one_server_and_down_twice_stops_it(tiny: Path) -> None:
    first, second = up(tiny, ["tiny"])["tiny"], up(tiny, ["tiny"])["tiny"]
    assert first == second
    assert where(tiny) == [first]
    assert [server.name for server in down(tiny)] == ["tiny"]
    assert not is_alive(first)
    assert where(tiny) == down(tiny) == []


def test_starters_at_once_start_one_server(tiny: Path) -> None:
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda _: up(tiny, ["tiny"])["tiny"], range(4)))
    assert len({server.members for server in found}) == 1


def test_a_server_that_was_killed_is_started_again(tiny: Path) -> None:
    first = up(tiny, ["tiny"])["tiny"]
    os.kill(first.members[0].pid, signal.SIGKILL)
    second = up(tiny, ["tiny"])["tiny"]
    assert second.members != first.members
    assert where(tiny) == [second]


def test_a_server_that_does_not_answer_is_replaced(tiny: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server_module, "STOP_S", 1.0)
    monkeypatch.setattr(server_module, "ANSWER_S", 1.0)
    first = up(tiny, ["tiny"])["tiny"]
    os.kill(first.members[0].pid, signal.SIGSTOP)
    assert where(tiny) == []
    second = up(tiny, ["tiny"])["tiny"]
    assert not is_alive(first)
    assert where(tiny) == [second]


def test_starting_one_server_leaves_another_that_hangs_on_record(tiny: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server_module, "ANSWER_S", 0.5)
    monkeypatch.setitem(SPECS, "second", replace(SPECS["tiny"], name="second"))
    first = up(tiny, ["tiny"])["tiny"]
    os.kill(first.members[0].pid, signal.SIGSTOP)
    up(tiny, ["second"])
    os.kill(first.members[0].pid, signal.SIGCONT)
    assert {server.name for server in down(tiny)} == {"tiny", "second"}
    assert not is_alive(first)


def test_a_server_that_never_answers_is_stopped_and_named(tiny: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server_module, "START_S", 2.0)
    monkeypatch.setitem(SPECS, "tiny", replace(SPECS["tiny"], health="/nowhere"))
    with pytest.raises(ServerError, match=r"(?s)did not answer within 2 s.*404"):
        up(tiny, ["tiny"])
    with socket.create_server((HOST, SPECS["tiny"].usual_port)):
        pass


def test_a_port_that_is_taken_is_left_to_who_has_it(tiny: Path) -> None:
    usual = SPECS["tiny"].usual_port
    with socket.create_server((HOST, usual)):
        assert up(tiny, ["tiny"])["tiny"].port > usual


def test_a_port_lost_to_another_server_while_starting_is_given_up(
    tiny: Path, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = up(tmp_path_factory.mktemp("other"), ["tiny"])["tiny"]
    monkeypatch.setattr(server_module, "find_port", lambda first: first)
    try:
        # Not surely the very next one: that may be taken too.
        assert up(tiny, ["tiny"])["tiny"].port > other.port
    finally:
        stop_group(other.members, patience_s=1)


def test_a_process_that_got_a_stopped_servers_pid_is_left_alone(tiny: Path) -> None:
    server = up(tiny, ["tiny"])["tiny"]
    record = tiny / ".trifold" / "servers.json"
    stop_group(server.members, patience_s=10)
    bystander = subprocess.Popen(["sleep", "60"], start_new_session=True)
    try:
        record.write_text(record.read_text().replace(f'"pid": {server.members[0].pid}', f'"pid": {bystander.pid}'))
        assert down(tiny) == []
        assert bystander.poll() is None
    finally:
        bystander.kill()
        bystander.wait()


def test_a_server_that_ends_at_once_is_an_error_with_its_last_words(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    add_kind(monkeypatch, "http.server", "--no-such-option")
    with pytest.raises(ServerError, match=r"(?s)ended while it started.*no-such-option"):
        up(tmp_path, ["tiny"])
    assert where(tmp_path) == []


def test_the_address_in_the_projects_own_dotenv_is_no_teams_also_when_its_server_is_down(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cases = {"http://127.0.0.1:4200/api": True, "https://team.example/api": False}
    for address, own in cases.items():
        set_dotenv(tmp_path / ".env", "PREFECT_API_URL", address)
        monkeypatch.setenv("PREFECT_API_URL", address)
        assert (name_team_prefect(tmp_path) is None) is own
    monkeypatch.setenv("PREFECT_API_URL", "http://127.0.0.1:4201/api")
    assert name_team_prefect(tmp_path) == "http://127.0.0.1:4201/api", "another project's server is no own one"


def test_hosts_that_a_person_exempts_from_the_proxy_stay_exempt() -> None:
    env = {"NO_PROXY": "intern.example"}
    for _ in range(2):
        bypass_proxy(env)
    assert env == dict.fromkeys(("NO_PROXY", "no_proxy"), "intern.example,127.0.0.1,localhost")


def wait_gone(server: Server) -> bool:
    deadline_s = time.monotonic() + 20.0
    while is_alive(server):
        if time.monotonic() > deadline_s:
            return False
        time.sleep(0.05)
    return True


def test_a_server_ends_when_its_project_is_gone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, tiny: Path) -> None:
    monkeypatch.setattr(server_module, "CHECK_S", 0.1)
    for end in (shutil.rmtree, lambda root: root.rename(tmp_path / "renamed")):
        root = tmp_path / "project"
        root.mkdir()
        server = up(root, ["tiny"])["tiny"]
        end(root)  # type: ignore[operator]
        assert wait_gone(server)


def test_a_server_that_nobody_uses_ends_and_one_that_has_a_client_does_not(
    tiny: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(server_module, "CHECK_S", 0.1)
    monkeypatch.setattr(server_module, "IDLE_S", 1.5)
    server = up(tiny, ["tiny"])["tiny"]
    with socket.create_connection((HOST, server.port)):
        time.sleep(4.0)
        assert is_alive(server)
    assert wait_gone(server)
    assert where(tiny) == []


def test_the_servers_of_a_project_do_not_keep_each_other_up(tiny: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server_module, "CHECK_S", 0.1)
    monkeypatch.setattr(server_module, "IDLE_S", 1.5)
    first = up(tiny, ["tiny"])["tiny"]
    code = f"import socket, time; held = socket.create_connection(('{HOST}', {first.port})); time.sleep(600)"
    (tiny / "asking.py").write_text(
        f"import threading, http.server, sys\n{code.replace('time.sleep(600)', 'pass')}\n"
        "http.server.test(http.server.SimpleHTTPRequestHandler, port=int(sys.argv[1]), bind='127.0.0.1')"
    )
    asking = ServerSpec("asking", find_port(6100), "/", lambda port: ["asking", str(port)], lambda root, port: {})
    monkeypatch.setitem(SPECS, "asking", asking)
    second = up(tiny, ["asking"])["asking"]
    assert wait_gone(first) and wait_gone(second)


def test_other_lines_of_the_dotenv_file_stay(tmp_path: Path) -> None:
    path = tmp_path / ".env"
    path.write_text("A=1\nPREFECT_API_URL = old\n# B\n")
    for value in ("one", "two"):
        set_dotenv(path, "PREFECT_API_URL", value)
    assert path.read_text() == "A=1\n# B\nPREFECT_API_URL=two\n"


@pytest.fixture
def real(unattended: TinyProject) -> Path:
    """A folder with Prefect's and MLflow's servers up, and a worker."""
    return unattended.root


def test_all_are_up_on_loopback_with_their_files_in_the_folder(real: Path) -> None:
    servers = {server.name: server for server in where(real)}
    assert set(servers) == {"prefect", "mlflow", "worker"}
    assert (real / ".trifold" / "prefect" / "prefect.db").exists()
    assert (real / "mlflow.db").exists()
    for server in servers.values():
        listening = {
            connection.laddr.ip
            for member in server.members
            for connection in psutil.Process(member.pid).net_connections("tcp")
            if connection.status == psutil.CONN_LISTEN
        }
        assert listening == {HOST}


def test_up_prints_the_pages_and_the_address_for_clients(unattended: TinyProject, real: Path) -> None:
    told = unattended.call(sys.executable, "-m", "flows", "up").check().output
    (prefect,) = up(real, ["prefect"]).values()
    assert f" prefect  {prefect.url}  API {prefect.api_url}\n" in told


def test_prefects_page_asks_its_own_server(real: Path) -> None:
    (server,) = [one for one in where(real) if one.name == "prefect"]
    with urllib.request.urlopen(f"{server.url}/ui-settings", timeout=30) as answer:
        assert json.load(answer)["api_url"] == server.api_url


def test_a_prefect_command_typed_in_the_folder_finds_the_server(real: Path) -> None:
    code = "from prefect.settings import PREFECT_API_URL; print(PREFECT_API_URL.value())"
    env = {name: value for name, value in os.environ.items() if not name.startswith("PREFECT_")}
    told = subprocess.run([sys.executable, "-c", code], cwd=real, env=env, capture_output=True, text=True)
    assert told.stdout.strip() == up(real, ["prefect"])["prefect"].api_url, told.stderr


def test_a_tracker_that_stands_still_and_comes_back_gets_every_figure_once(
    real: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import mlflow
    from mlflow.tracking import MlflowClient

    server = up(real, ["mlflow"])["mlflow"]
    for name, value in (("TRACKING_URI", server.url), ("HTTP_REQUEST_TIMEOUT", "5"), ("HTTP_REQUEST_MAX_RETRIES", "0")):
        monkeypatch.setenv(f"MLFLOW_{name}", value)
    mlflow.set_tracking_uri(server.url)
    monkeypatch.chdir(tmp_path)
    journal = Journal.begin(tmp_path, name="fit", experiment="audio")
    journal.metrics({"loss": 0.0}, 0)
    follower = threading.Thread(target=sender.follow_journals, args=(0.0,))
    follower.start()

    client = MlflowClient(server.url)
    while client.get_experiment_by_name("audio") is None:
        time.sleep(0.2)
    group = os.getpgid(server.members[0].pid)
    os.killpg(group, signal.SIGSTOP)
    for epoch in range(1, 100):
        journal.metrics({"loss": float(epoch)}, epoch)
    while not (count_waiting(tmp_path).why or "").startswith(server.url):
        time.sleep(0.1)
    os.killpg(group, signal.SIGCONT)
    (tmp_path / "weights.bin").write_bytes(os.urandom(3_000_000))
    journal.artifact(tmp_path / "weights.bin", "out")
    journal.end("FINISHED")
    follower.join(60)

    (run,) = client.search_runs(["1"])
    assert run.info.status == "FINISHED"
    history = client.get_metric_history(run.info.run_id, "loss")
    assert [(metric.step, metric.value) for metric in history] == [(n, float(n)) for n in range(100)]
    (weights,) = client.list_artifacts(run.info.run_id, "out")
    assert weights.file_size == 3_000_000
    assert count_waiting(tmp_path).journals == 0


def test_down_leaves_no_process_of_any(real: Path) -> None:
    servers = where(real)
    assert [server.name for server in down(real)] == ["worker", "mlflow", "prefect"]
    assert not any(map(is_alive, servers))
    assert [find_port(server.port) for server in servers] == [server.port for server in servers]
