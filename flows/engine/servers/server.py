"""Starts, stops and finds the project's own Prefect and MLflow servers and Prefect's worker.

They listen on loopback only; their files and addresses are in `.trifold/`. The worker counts as a server: its health
page says whether it still polls. A plain `prefect ...` in the project's folder finds its server through `.env`; a plain
`mlflow ui` finds its store by MLflow's default.
"""

import http.client
import os
import socket
import sys
import time
from collections.abc import Iterable, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path

from flows.engine.errors import EngineError
from flows.engine.files import read_last_lines
from flows.engine.locks import hold_lock
from flows.engine.machine import Identity, bypass_proxy, set_quiet_environment
from flows.engine.processes import launch, list_children, list_connections, list_group, list_ports, stop_group
from flows.engine.servers.specs import HEARTBEAT_S, HOST, SPECS, ServerSpec, find_record
from flows.engine.tracking.outbox import read_json, write_json
from flows.engine.tracking.relocation import follow_move

# The start takes 12 s (Prefect) and 15 s (MLflow) on an idle machine; it took 96 s with three jobs per core.
START_S = 180.0
STOP_S = 10.0
# A flow needs time to finish its batch and to report its end to the servers.
STOP_FLOW_S = 60.0
# Long, so that a server that is slow under load is not taken for a hung one and replaced.
ANSWER_S = 10.0
POLL_S = 0.1
# Servers end by themselves after a day without clients. An open page and a run are clients.
IDLE_S = 24 * 3600.0
# How often they check; clients keep a connection open for some seconds after a request.
CHECK_S = 5.0
PORTS_TRIED = 100
LOG_LINES = 15


class ServerError(EngineError):
    """A server did not start; the message ends with the last lines of its log."""


@dataclass(frozen=True)
class Server:
    """A server that the project started: its port and its processes, first the leader of their group."""

    name: str
    port: int
    members: tuple[Identity, ...]

    @property
    def url(self) -> str:
        """The address of its pages."""
        return f"http://{HOST}:{self.port}"

    @property
    def api_url(self) -> str:
        """The address for clients."""
        return f"{self.url}/api" if self.name == "prefect" else self.url

    def is_up(self) -> bool:
        """Return whether the server answers, and the answering process is one that the project started."""
        if self.members[0].is_gone() or not _answers(self.port, SPECS[self.name].health):
            return False
        return any(self.port in list_ports(member) for member in self.members)


def up(root: Path, names: Sequence[str] = ("prefect", "mlflow")) -> dict[str, Server]:
    """Return the servers `names`; those that are not running are started.

    Raises ServerError when a server ends during its start, or does not answer within three minutes.
    """
    with hold_lock(_make_state(root) / "servers.lock"):
        recorded = {server.name: server for server in _read(root)}
        missing = [name for name in names if name not in recorded or not recorded[name].is_up()]
        for name in missing:
            stop_group(recorded[name].members if name in recorded else (), patience_s=STOP_S)
        # The sender holds this lock too: when two processes create MLflow's tables at once, one of them fails.
        alone = hold_lock(_make_state(root) / "store.lock") if "mlflow" in missing else nullcontext()
        with alone:
            if "mlflow" in missing:
                follow_move(root / "mlflow.db")
            recorded |= _start_all(root, {name: _choose_port(name, recorded) for name in missing})
        _write(root, recorded.values())
        if "prefect" in names:
            set_dotenv(root / ".env", "PREFECT_API_URL", recorded["prefect"].api_url)
    return {name: recorded[name] for name in names}


def down(root: Path) -> list[Server]:
    """Stop the servers that the project started, the newest first; return those that were running."""
    state = _make_state(root)
    with hold_lock(state / "servers.lock"):
        stopped = [server for server in reversed(_read(root)) if stop(server)]
        _write(root, ())
    return stopped


def where(root: Path) -> list[Server]:
    """Return the project's servers that are running."""
    return [server for server in _read(root) if server.is_up()]


def has_clients(root: Path) -> bool:
    """Return whether any process other than the project's own servers is connected to one of them."""
    members = [(server.port, member) for server in _read(root) for member in server.members]
    connections = [(port, pair) for port, member in members for pair in list_connections(member)]
    own = {local for _, (local, _) in connections}
    return any(local == port and remote not in own for port, (local, remote) in connections)


def use_prefect(root: Path, api_url: str) -> None:
    """Configure Prefect, before it is imported, to use the server at `api_url` and the project's own folder."""
    set_quiet_environment(os.environ)
    bypass_proxy(os.environ)
    # Prefect creates its folder but not the parents.
    (home := root / ".trifold" / "prefect").mkdir(parents=True, exist_ok=True)
    os.environ["PREFECT_HOME"] = str(home)
    os.environ["PREFECT_API_URL"] = api_url
    os.environ["PREFECT_FLOWS_HEARTBEAT_FREQUENCY"] = str(HEARTBEAT_S)


def set_dotenv(path: Path, name: str, value: str) -> None:
    """Set one variable in a `.env` file; other lines stay as they are."""
    lines = path.read_text().splitlines() if path.exists() else []
    kept = [line for line in lines if line.partition("=")[0].strip() != name]
    draft = path.with_name(f".env.{os.getpid()}")
    draft.write_text("\n".join([*kept, f"{name}={value}"]) + "\n")
    draft.replace(path)


def read_dotenv(path: Path, name: str) -> str | None:
    """Return the value of one variable in a `.env` file, or None."""
    lines = path.read_text().splitlines() if path.exists() else []
    pairs = (line.partition("=") for line in lines)
    return next((value.strip() for key, _, value in pairs if key.strip() == name), None)


def stop(server: Server) -> bool:
    """Stop a server, after the flows that it runs; return whether anything was running."""
    if server.name == "worker":
        # Prefect starts each flow in a session of its own, and would kill it at once when the worker ends.
        for flow in list_children(server.members[0]):
            stop_group([flow], patience_s=STOP_FLOW_S)
    return stop_group(server.members, patience_s=STOP_S)


def _choose_port(name: str, recorded: Mapping[str, Server]) -> int:
    """Return the first port to try: the previous one, because clients may remember the address."""
    return recorded[name].port if name in recorded else SPECS[name].usual_port


def _start_all(root: Path, ports: Mapping[str, int]) -> dict[str, Server]:
    """Start servers in parallel, then wait for each; when one fails, all are stopped."""
    started = [_start(root, SPECS[name], port) for name, port in ports.items()]
    try:
        return {server.name: _wait_up(root, server, started) for server in list(started)}
    except BaseException:
        for server in started:
            stop_group(server.members, patience_s=STOP_S)
        raise


def _start(root: Path, spec: ServerSpec, first_port: int) -> Server:
    port = find_port(first_port)
    env = {name: value for name, value in os.environ.items() if not name.startswith(("PREFECT_", "MLFLOW_"))}
    env |= spec.env(root.resolve(), port)
    set_quiet_environment(env)
    bypass_proxy(env)
    log = _find_log(root, spec.name)
    log.unlink(missing_ok=True)
    folder = _make_state(root) if spec.name == "prefect" else root
    # The project may be in another folder than this code.
    env["PYTHONPATH"] = os.pathsep.join(filter(None, [str(Path(__file__).parents[3]), env.get("PYTHONPATH")]))
    watched = [sys.executable, "-m", "flows.engine.servers.watched", str(root.resolve()), str(IDLE_S), str(CHECK_S)]
    leader = launch([*watched, *spec.command(port)], folder=folder, env=env, log=log)
    return Server(spec.name, port, (leader,))


def _wait_up(root: Path, server: Server, started: list[Server]) -> Server:
    deadline = time.monotonic() + START_S
    while not server.is_up():
        gone = server.members[0].is_gone()
        if _lost_port(root, server) or (gone and not _is_free(server.port)):
            # Another process took the port between the check and the start. The worker would run on without a port.
            stop_group(server.members, patience_s=STOP_S)
            server = _start(root, SPECS[server.name], server.port + 1)
            started.append(server)
            continue
        if gone:
            raise ServerError(_explain(root, server, "ended while it started"))
        if time.monotonic() > deadline:
            stop_group(server.members, patience_s=STOP_S)
            raise ServerError(_explain(root, server, f"did not answer within {START_S:.0f} s"))
        time.sleep(POLL_S)
        server = _count_members(server)
    return server


def _count_members(server: Server) -> Server:
    """Return the server with all processes that are in its group now."""
    leader = server.members[0]
    others = (member for member in list_group(leader) if member != leader)
    return Server(server.name, server.port, (leader, *others))


def _lost_port(root: Path, server: Server) -> bool:
    """Return whether the server's port was in use when it started, even if the port is free by now."""
    return "already in use" in _find_log(root, server.name).read_text(errors="replace")


def _explain(root: Path, server: Server, what: str) -> str:
    log = _find_log(root, server.name)
    last = read_last_lines(log, LOG_LINES)
    return f"the {server.name} server on port {server.port} {what}; the last lines of {log}:\n{last}"


def find_port(first: int) -> int:
    """Return the first free loopback port, starting at `first`."""
    for port in range(first, first + PORTS_TRIED):
        if _is_free(port):
            return port
    raise ServerError(
        f"no port from {first} to {first + PORTS_TRIED - 1} is free: stop the processes that `ss -ltnp` lists there"
    )


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        # Servers set this option too, so a port that was released a moment ago counts as free.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError:
            return False
    return True


def _answers(port: int, path: str) -> bool:
    """Return whether the server answers; without urllib, which would use the environment's proxy."""
    connection = http.client.HTTPConnection(HOST, port, timeout=ANSWER_S)
    try:
        connection.request("GET", path)
        return connection.getresponse().status == http.HTTPStatus.OK
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def _read(root: Path) -> list[Server]:
    found = read_json(find_record(root)).get("servers", [])
    return [
        Server(entry["name"], entry["port"], tuple(Identity(**member) for member in entry["members"]))
        for entry in found
    ]


def _write(root: Path, servers: Iterable[Server]) -> None:
    content = [
        {"name": entry.name, "port": entry.port, "members": [m.as_dict() for m in entry.members]} for entry in servers
    ]
    write_json(find_record(root), {"servers": content})


def _find_log(root: Path, name: str) -> Path:
    return root / ".trifold" / "logs" / f"{name}.log"


def _make_state(root: Path) -> Path:
    state = root / ".trifold"
    state.mkdir(parents=True, exist_ok=True)
    return state
