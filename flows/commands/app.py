"""The command line: `python -m flows --help`."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Annotated

import typer

from flows.engine.errors import explain, is_mendable
from flows.engine.machine import bypass_proxy
from flows.engine.project import ROOT
from flows.engine.registry.opening import open_registry, open_runs
from flows.engine.stop import end_at_hangup

app = typer.Typer(add_completion=False, no_args_is_help=True, pretty_exceptions_enable=False, help=__doc__)
models = typer.Typer(help="List the versions of the registered models; choose the champion.")
app.add_typer(models, name="models", invoke_without_command=True)
runs = typer.Typer(help="List the last runs of flows; compare two of them.")
app.add_typer(runs, name="runs", invoke_without_command=True)
# Files on the command line are where the person is, not where the project is.
STARTED_IN = Path.cwd()
Flow = Annotated[str, typer.Argument(help="The flow: audio, ...")]
Model = Annotated[str, typer.Argument(help="The registered model: audio, ...")]


@app.command()
def run(
    flow: Flow,
    preset: Annotated[
        str, typer.Option(help="Start from the committed params with params/presets/FLOW-NAME.yaml")
    ] = "",
    overrides: Annotated[list[str], typer.Option("--set", help="section.key=value, as often as needed")] = [],  # noqa: B006
    force: Annotated[bool, typer.Option(help="Compute the stages even when they are fresh")] = False,
    stages: Annotated[list[str], typer.Option("--stage", help="Only this stage and what it needs")] = [],  # noqa: B006
    dry: Annotated[bool, typer.Option("--dry", help="List what would run, and why; write and run nothing")] = False,
) -> None:
    """Run a flow under Prefect: fresh stages are shown as cached, the others are restored or computed."""
    if dry:
        from flows.commands.status import show_plan

        show_plan(flow, preset=preset, overrides=overrides, force=force, stages=stages)
        return
    from flows.engine.drivers.prefect_driver import run_flow

    run_flow(flow, preset=preset, overrides=overrides, force=force, stages=stages)


@app.command()
def status(
    flow: Annotated[str, typer.Argument(help="The flow: audio, ...; every flow when left out")] = "",
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON")] = False,
) -> None:
    """List every stage: fresh, stale or missing; since when, made by which run; and why it is stale."""
    from flows.commands.status import show_status

    show_status(flow, as_json=as_json)


@app.command(context_settings={"ignore_unknown_options": True})
def stage(
    name: Annotated[str, typer.Argument(help="The stage's name in dvc.yaml")],
    values: Annotated[list[str], typer.Argument(help="Its plain values, as dvc.yaml has them")] = [],  # noqa: B006
) -> None:
    """Compute one stage: this is what `dvc repro` calls."""
    from flows.engine.drivers.dvc_driver import run_stage_command

    run_stage_command(name, values)


@app.command()
def graph(
    write: Annotated[bool, typer.Option("--write", help="Write dvc.yaml")] = False,
    check: Annotated[bool, typer.Option("--check", help="Exit with 1 when dvc.yaml lags behind the flows")] = False,
) -> None:
    """Print the stages of every flow; write or check dvc.yaml."""
    from flows.engine.graph.dvc_yaml import compare_graph, trace_all, write_graph

    if write:
        typer.echo("dvc.yaml written" if write_graph() else "dvc.yaml was up to date")
    elif check:
        if difference := compare_graph():
            typer.echo(
                f"dvc.yaml lags behind the flows; run `python -m flows graph --write`:\n{difference}",
                err=True,
            )
            raise typer.Exit(1)
        typer.echo("dvc.yaml says what the flows say")
    else:
        from flows.engine.console import print_graph

        print_graph(trace_all())


@app.command()
def predict(
    flow: Flow,
    given: Annotated[
        list[str], typer.Argument(help="Files to classify, or folders of them; for text: texts, or files of them")
    ],
    top: Annotated[int, typer.Option(min=1, help="How many classes to print for each")] = 3,
    version: Annotated[str, typer.Option(help="The number of a registered version, in place of the champion")] = "",
    latest: Annotated[bool, typer.Option("--latest", help="The model that was exported here last")] = False,
) -> None:
    """Print the most probable classes of files or texts, by the flow's champion."""
    from flows.commands.exported import open_exported
    from flows.engine.console import print_table
    from tasks.learning.answers import ask_model

    with open_exported(flow, version=version, latest=latest) as exported:
        typer.echo(f"asked: {exported.name}", err=True)
        served = exported.loader.open_model(exported.model)
        answers = ask_model(served, exported.loader.read_given(given, STARTED_IN), top=top)
    rows = [[_name(one.file), *(f"{name} {share:.1%}" for name, share in one.classes)] for one in answers]
    print_table(["given", *(f"{place}." for place in range(1, len(rows[0])))], rows)


def _name(given: Path | str) -> str:
    return given if isinstance(given, str) else os.path.relpath(given, STARTED_IN)


@app.command("try")
def try_model(flow: Flow) -> None:
    """Open a page, on loopback, to try the champion on a file or text, beside the challenger; Ctrl-C ends it."""
    registry = open_registry()
    from flows.commands.try_page import serve_page

    serve_page(registry, flow, tell=lambda address: typer.echo(f"{address}   Ctrl-C ends it"))


@models.callback()
def list_models(context: typer.Context) -> None:
    """List versions: aliases, figures, md5 of the test data, the run that made them."""
    if context.invoked_subcommand is None:
        from flows.commands.tables import VERSION_COLUMNS, list_version_rows
        from flows.engine.console import print_table

        print_table(VERSION_COLUMNS, list_version_rows(open_registry()))


@models.command()
def promote(model: Model, version: Annotated[str, typer.Argument(help="Its number")]) -> None:
    """Make a version champion, whatever the gate said of it."""
    open_registry().promote(model, version)
    typer.echo(f"{model} version {version} is champion; back: `python -m flows models rollback {model}`")


@models.command()
def rollback(model: Model) -> None:
    """Make the champion's predecessor champion again."""
    typer.echo(f"{model} version {open_registry().rollback(model)} is champion again")


@runs.callback()
def list_runs(context: typer.Context, count: Annotated[int, typer.Option(min=1, help="How many to list")] = 20) -> None:
    """List the last runs of flows: when, status, commit, accuracy."""
    if context.invoked_subcommand is None:
        found = open_runs().list_last(count)
        from flows.commands.tables import RUN_COLUMNS, list_run_rows
        from flows.engine.console import print_table

        print_table(RUN_COLUMNS, list_run_rows(found))


@runs.command()
def compare(
    one: Annotated[str, typer.Argument(help="The beginning of a run's id")],
    other: Annotated[str, typer.Argument(help="The beginning of another's")],
) -> None:
    """Print where two runs differ: params, data by md5, figures, and whether the models differ by more than noise."""
    found = open_runs()
    from flows.commands.tables import ID_CHARS, list_difference_rows
    from flows.engine.console import print_table
    from tasks.learning import comparison

    pair = found.compare(found.find(one), found.find(other), comparison)
    parts = {"param": (pair.params, None), "md5 of data": (pair.data, ID_CHARS), "figure": (pair.figures, None)}
    for name, (differences, chars) in parts.items():
        if differences:
            print_table([name, one, other], list_difference_rows(differences, chars=chars))
        else:
            typer.echo(f"{name}: no difference")
    typer.echo(pair.noise)


@app.command()
def gc(
    days: Annotated[int, typer.Option(min=1, help="Runs that ended so many days ago are let go")] = 30,
    free: Annotated[bool, typer.Option("--free", help="Delete it")] = False,
) -> None:
    """Say what old runs left that nothing needs: MLflow and Prefect runs, checkpoints, DVC's cache; or delete it."""
    from flows.engine.tracking.mlflow_store import prepare_environment

    # Before MLflow is imported, which reads it then.
    prepare_environment()
    from flows.commands.tables import FREEABLE_COLUMNS, list_freeable_rows, tell_size
    from flows.engine.console import print_table
    from flows.engine.housekeeping.freeable import find_freeable

    with find_freeable(days) as parts:
        print_table(FREEABLE_COLUMNS, list_freeable_rows(parts))
        if free:
            for part in parts:
                part.delete()
    size = tell_size(sum(part.size_bytes or 0 for part in parts))
    typer.echo(
        f"{size} deleted" if free else f"nothing was deleted: `python -m flows gc --days {days} --free` frees {size}"
    )


@app.command()
def up() -> None:
    """Start this project's Prefect and MLflow servers and a worker, on loopback; deploy; print their addresses."""
    from flows.engine.servers.deploy import bring_up

    for server in bring_up(ROOT):
        api = "" if server.api_url == server.url else f"  API {server.api_url}"
        typer.echo(f"{server.name:>8}  {server.url}{api}")


@app.command()
def deploy() -> None:
    """Deploy prefect.yaml on the Prefect server of a team, which PREFECT_API_URL names; `up` deploys on its own."""
    from flows.engine.servers.deploy import deploy_to_team

    typer.echo(f"deployed at {deploy_to_team(ROOT)}")


@app.command()
def down() -> None:
    """Stop the servers, the worker and the sender that this project started."""
    from flows.engine.servers.server import down as stop_servers
    from flows.engine.tracking.journal import stop_sender

    # First, since it may need a server to send what is left.
    names = ["sender"] if stop_sender(ROOT) else []
    names += [server.name for server in stop_servers(ROOT)]
    typer.echo(f"stopped {', '.join(names)}" if names else "nothing was up")


@app.command()
def doctor() -> None:
    """Check this machine and checkout, and say what mends each thing that is wrong."""
    from flows.commands.doctor import examine

    findings = examine()
    for finding in findings:
        typer.echo(f"{'ok  ' if finding.well else 'MEND'}  {finding.subject:<16}  {finding.seen}")
        if not finding.well:
            typer.echo(f"{'':>24}-> {finding.mend}")
    raise typer.Exit(not all(finding.well for finding in findings))


def main() -> None:
    """Run the command line; a fault that a person can mend is one message and exit code 1."""
    os.chdir(ROOT)
    bypass_proxy(os.environ)
    end_at_hangup()
    try:
        app()
    except Exception as error:
        if not is_mendable(error):
            raise
        sys.stderr.write(f"error: {explain(error)}\n")
        sys.exit(1)
