"""A team's real servers: PostgreSQL, an S3 server, and Prefect's and MLflow's as in deploy/kubernetes.yaml."""

from __future__ import annotations

import http.client
import os
import pwd
import secrets
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
from ruamel.yaml import YAML

from flows.engine.machine import Identity
from flows.engine.processes import launch, list_group, stop_group
from flows.engine.servers.server import HOST, find_port
from tests.project import REPOSITORY

START_S = 180.0
BUCKET = "trifold"


@dataclass(frozen=True)
class Database:
    """A PostgreSQL server with the databases `prefect` and `mlflow` of a user with a password."""

    programs: Path
    port: int
    password: str

    def address(self, scheme: str, name: str) -> str:
        """Return the address of a database, password and all."""
        return f"{scheme}://trifold:{self.password}@{HOST}:{self.port}/{name}"

    def dump(self, name: str) -> str:
        """Return all that a database holds."""
        command = [str(self.programs / "pg_dump"), self.address("postgresql", name)]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout


@dataclass(frozen=True)
class Team:
    """What those who run know of their servers, and what only the servers know."""

    env: dict[str, str]
    database: Database
    servers: dict[str, Identity]
    logs: Path

    @property
    def secrets(self) -> tuple[str, str]:
        """What must stand nowhere."""
        return self.database.password, self.env["AWS_SECRET_ACCESS_KEY"]

    def list_commands(self) -> list[str]:
        """Return the command lines of the servers, which every user of a machine can read."""
        members = [member for leader in self.servers.values() for member in list_group(leader)]
        return [" ".join(psutil.Process(member.pid).cmdline()) for member in members]

    def read_objects(self) -> dict[str, bytes]:
        """Return what the bucket holds."""
        storage = open_storage(self.env)
        pages = storage.get_paginator("list_objects_v2").paginate(Bucket=BUCKET)
        keys = [one["Key"] for page in pages for one in page.get("Contents", [])]
        return {key: storage.get_object(Bucket=BUCKET, Key=key)["Body"].read() for key in keys}


def find_postgres() -> Path | None:
    """Return the folder of PostgreSQL's programs, or None; Debian keeps them off the path."""
    found = [*Path("/usr/lib/postgresql").glob("*/bin/initdb"), *filter(None, [shutil.which("initdb")])]
    return Path(found[0]).resolve().parent if found else None


def open_storage(env: dict[str, str]) -> Any:
    """Return a client of the S3 server that an environment names."""
    import boto3

    return boto3.client(
        "s3",
        endpoint_url=env["AWS_ENDPOINT_URL"],
        aws_access_key_id=env["AWS_ACCESS_KEY_ID"],
        aws_secret_access_key=env["AWS_SECRET_ACCESS_KEY"],
        region_name=env["AWS_DEFAULT_REGION"],
    )


@contextmanager
def serve_postgres(programs: Path) -> Iterator[Database]:
    """A PostgreSQL server on loopback, which does not run as root."""
    user = _name_user()
    port, password = find_port(5500), secrets.token_hex(16)
    with tempfile.TemporaryDirectory(prefix="trifold-postgres-") as place:
        folder = Path(place)
        (folder / "password").write_text(password)
        if user:
            for path in (folder, folder / "password"):
                shutil.chown(path, user)
        as_user: Any = (
            {"user": user, "group": pwd.getpwnam(user).pw_gid, "extra_groups": [], "cwd": folder} if user else {}
        )
        words = [
            "-D",
            folder / "data",
            "-U",
            "trifold",
            "-A",
            "scram-sha-256",
            "--pwfile",
            folder / "password",
            "--no-sync",
        ]
        subprocess.run([programs / "initdb", *words], check=True, stdout=subprocess.DEVNULL, **as_user)
        settings = [f"listen_addresses={HOST}", f"port={port}", f"unix_socket_directories={folder}", "fsync=off"]
        command = [programs / "postgres", "-D", folder / "data", *(word for one in settings for word in ("-c", one))]
        process = subprocess.Popen(command, stderr=subprocess.DEVNULL, **as_user)
        try:
            yield _make_databases(Database(programs, port, password))
        finally:
            # Its fast end, which does not wait for those who are connected.
            process.send_signal(signal.SIGINT)
            process.wait()


def _name_user() -> str | None:
    """Return whom PostgreSQL runs as where this process is root, which it refuses."""
    if os.geteuid() != 0:
        return None
    known = {one.pw_name for one in pwd.getpwall()}
    return "postgres" if "postgres" in known else "nobody"


def _make_databases(database: Database) -> Database:
    import psycopg2

    deadline_s = time.monotonic() + START_S
    while True:
        try:
            connection = psycopg2.connect(database.address("postgresql", "postgres"))
            break
        except psycopg2.OperationalError:
            assert time.monotonic() < deadline_s, "PostgreSQL does not answer"
            time.sleep(0.1)
    connection.autocommit = True
    for name in ("prefect", "mlflow"):
        connection.cursor().execute(f"create database {name}")
    connection.close()
    return database


@contextmanager
def serve_team(programs: Path, logs: Path) -> Iterator[Team]:
    """All four servers, on loopback."""
    ports = {name: find_port(first) for name, first in {"storage": 5600, "prefect": 5700, "mlflow": 5800}.items()}
    env = {
        "PREFECT_API_URL": f"http://{HOST}:{ports['prefect']}/api",
        "MLFLOW_TRACKING_URI": f"http://{HOST}:{ports['mlflow']}",
        "AWS_ENDPOINT_URL": f"http://{HOST}:{ports['storage']}",
        "AWS_ACCESS_KEY_ID": "trifold",
        "AWS_SECRET_ACCESS_KEY": secrets.token_hex(16),
        "AWS_DEFAULT_REGION": "us-east-1",
    }
    servers: dict[str, Identity] = {}
    with serve_postgres(programs) as database:
        team = Team(env, database, servers, logs)
        try:
            _start(team, "storage", ["moto.server", "-H", HOST, "-p", str(ports["storage"])], {})
            _wait(team, "storage", ports["storage"], "/")
            open_storage(env).create_bucket(Bucket=BUCKET)
            for name in ("prefect", "mlflow"):
                command, settings = read_container(name)
                _start(team, name, command, {**settings, **_place(database, name, ports[name])})
            _wait(team, "prefect", ports["prefect"], "/api/health")
            _wait(team, "mlflow", ports["mlflow"], "/health")
            yield team
        finally:
            for server in servers.values():
                stop_group([server], patience_s=10)


def read_container(name: str) -> tuple[list[str], dict[str, str]]:
    """Return the command and the settings of a Deployment of deploy/kubernetes.yaml that are written there."""
    parts = YAML(typ="safe").load_all(REPOSITORY / "deploy/kubernetes.yaml")
    (deployment,) = [one for one in parts if (one["kind"], one["metadata"]["name"]) == ("Deployment", name)]
    (container,) = deployment["spec"]["template"]["spec"]["containers"]
    return container["args"], {one["name"]: one["value"] for one in container["env"] if "value" in one}


def _place(database: Database, name: str, port: int) -> dict[str, str]:
    """Return what the cluster's addresses are here."""
    if name == "prefect":
        return {
            "PREFECT_SERVER_API_HOST": HOST,
            "PREFECT_SERVER_API_PORT": str(port),
            "PREFECT_SERVER_DATABASE_CONNECTION_URL": database.address("postgresql+asyncpg", "prefect"),
        }
    return {
        "MLFLOW_HOST": HOST,
        "MLFLOW_PORT": str(port),
        "MLFLOW_WORKERS": "1",
        "MLFLOW_BACKEND_STORE_URI": database.address("postgresql+psycopg2", "mlflow"),
        "MLFLOW_ARTIFACTS_DESTINATION": f"s3://{BUCKET}/mlflow",
    }


def _start(team: Team, name: str, command: list[str], settings: dict[str, str]) -> None:
    kept = {key: value for key, value in os.environ.items() if not key.startswith(("PREFECT_", "MLFLOW_", "AWS_"))}
    storage = {key: value for key, value in team.env.items() if key.startswith("AWS_")}
    folder = team.logs / name
    folder.mkdir(parents=True)
    full = {**kept, **storage, **settings, "PREFECT_HOME": str(folder)}
    team.servers[name] = launch([sys.executable, "-m", *command], folder=folder, env=full, log=folder / "log.txt")


def _wait(team: Team, name: str, port: int, path: str) -> None:
    deadline_s = time.monotonic() + START_S
    while ask(port, path)[0] != http.HTTPStatus.OK:
        waiting = time.monotonic() < deadline_s and not team.servers[name].is_gone()
        assert waiting, (team.logs / name / "log.txt").read_text()[-2000:]
        time.sleep(0.1)


def ask(port: int, path: str, host: str = HOST) -> tuple[int, bytes]:
    """Return the status and the body that a server on loopback answers, called by the name `host`; 0 for none."""
    connection = http.client.HTTPConnection(HOST, port, timeout=10)
    try:
        connection.request("GET", path, headers={"Host": host})
        answer = connection.getresponse()
        return answer.status, answer.read()
    except (OSError, http.client.HTTPException):
        return 0, b""
    finally:
        connection.close()
