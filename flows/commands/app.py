"""The command line: `python -m flows --help`."""

from __future__ import annotations

import os
import sys
from io import TextIOWrapper
from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperCommand
from typer.exceptions import TyperException

from flows.commands.nodes import nodes
from flows.engine.drivers.request import Request
from flows.engine.errors import EngineError, explain, is_fixable
from flows.engine.machine import bypass_proxy, name_user
from flows.engine.project import ROOT, STATE
from flows.engine.registry.opening import open_registry, open_runs
from flows.engine.stop import end_at_hangup

app = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    help="Run flows from raw data to registered models; inspect, serve and clean up their results.",
)
models = typer.Typer(help="List the versions of the registered models; choose the champion, which is served.")
app.add_typer(models, name="models", invoke_without_command=True)
runs = typer.Typer(help="List the newest runs of flows; compare two of them.")
app.add_typer(runs, name="runs", invoke_without_command=True)
app.add_typer(nodes, name="nodes", invoke_without_command=True)
# Relative paths on the command line refer to the caller's folder, not to the project's.
STARTED_IN = Path.cwd()
LONGEST_SHOWN = 300  # characters of a text or path; a tweet is shown whole
Flow = Annotated[str, typer.Argument(help="The flow: audio, ...")]
Model = Annotated[str, typer.Argument(help="The registered model: audio, ...")]


@app.command()
def run(
    flows: Annotated[list[str], typer.Argument(help="The flow: audio, ...; several run one after the other")],
    preset: Annotated[str, typer.Option(help="Apply params/presets/FLOW-NAME.yaml to the committed params")] = "",
    overrides: Annotated[
        list[str], typer.Option("--set", help="Set one param in the params file, as section.key=value; repeatable")
    ] = [],  # noqa: B006
    force: Annotated[bool, typer.Option(help="Compute all stages, also those that are up to date")] = False,
    stages: Annotated[
        list[str], typer.Option("--stage", help="Run only this stage and those that it needs; repeatable")
    ] = [],  # noqa: B006
    on: Annotated[
        str,
        typer.Option(
            envvar="TRIFOLD_NODES",
            help="Where to compute: nodes (the pool that this machine is in), ray://HOST:PORT (another Ray cluster) or "
            "processes:N (N nodes on this machine); files travel over DVC's remote; default: here",
        ),
    ] = "",
    dry: Annotated[bool, typer.Option("--dry", help="List the stages that would run, and why; change nothing")] = False,
) -> None:
    """Run flows under Prefect: stages up to date are Cached, others are restored from DVC's cache or computed."""
    if len(flows) > 1 and (preset or overrides or stages):
        raise EngineError("--preset, --set and --stage belong to one flow: run each flow by a command of its own")
    if dry:
        from flows.commands.status import show_plan
        from flows.engine.nodes.opening import open_pool

        open_pool(on)
        for flow in flows:
            show_plan(flow, preset=preset, overrides=overrides, force=force, stages=stages)
        return
    from flows.engine.drivers.prefect_driver import run_flows

    run_flows(flows, Request(preset, overrides, stages, on), force=force)


@app.command()
def inspect(
    path: Annotated[Path, typer.Argument(help="A folder, an archive or a table: data of your own")],
) -> None:
    """Say what a file or folder holds (domain, layout, classes, what is set aside); print the command of a run."""
    from flows.commands.inspect import inspect_path

    typer.echo("\n".join(inspect_path(STARTED_IN / path.expanduser())))


@app.command()
def status(
    flow: Annotated[str, typer.Argument(help="The flow: audio, ...; default: all flows")] = "",
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON")] = False,
) -> None:
    """List every stage: fresh, stale, missing or altered (not as in DVC's cache), why, and who made it when."""
    from flows.commands.status import show_status

    show_status(flow, as_json=as_json)


@app.command(context_settings={"ignore_unknown_options": True})
def stage(
    name: Annotated[str, typer.Argument(help="The stage's name in dvc.yaml")],
    values: Annotated[list[str], typer.Argument(help="The numbers, texts and flags after the name in dvc.yaml")] = [],  # noqa: B006
) -> None:
    """Compute one stage; `dvc repro` calls this command."""
    from flows.engine.drivers.dvc_driver import run_stage_command

    run_stage_command(name, values)


@app.command()
def graph(
    write: Annotated[bool, typer.Option("--write", help="Write dvc.yaml")] = False,
    check: Annotated[bool, typer.Option("--check", help="Exit with 1 when dvc.yaml does not match the flows")] = False,
) -> None:
    """Print the stages of all flows; write or check dvc.yaml."""
    from flows.engine.graph.dvc_yaml import compare_graph, trace_all, write_graph

    if write:
        typer.echo("dvc.yaml was written" if write_graph() else "dvc.yaml was up to date")
    elif check:
        if difference := compare_graph():
            typer.echo(
                f"dvc.yaml does not match the flows; run `python -m flows graph --write`:\n{difference}",
                err=True,
            )
            raise typer.Exit(1)
        typer.echo("dvc.yaml matches the flows")
    else:
        from flows.engine.console import print_graph

        print_graph(trace_all())


class _WithTexts(TyperCommand):
    """A command that takes texts: where a text is mistaken for an option, the error says how to give it."""

    def parse_args(self, context: Any, words: list[str]) -> list[str]:
        try:
            return super().parse_args(context, words)
        except TyperException as error:
            if error.message.startswith("No such option"):
                error.message += (
                    ". Put -- before what is given if it begins with a dash: predict text -- '-_- so bored'"
                )
            raise


@app.command(cls=_WithTexts)
def predict(
    flow: Flow,
    given: Annotated[
        list[str], typer.Argument(help="Files or folders to classify; for text: texts, or files with one text a line")
    ],
    top: Annotated[int, typer.Option(min=1, help="Number of classes to print for each")] = 3,
    version: Annotated[str, typer.Option(help="Use this registered version instead of the champion")] = "",
    latest: Annotated[
        bool, typer.Option("--latest", help="Use the newest model exported in this working tree")
    ] = False,
) -> None:
    """Print the most probable classes of files or texts, predicted by the flow's champion."""
    from flows.commands.exported import open_exported
    from flows.engine.console import ConsoleReport, print_table
    from tasks.learning.answers import ask_model

    with open_exported(flow, version=version, latest=latest) as exported:
        typer.echo(f"model: {exported.name}", err=True)
        served = exported.loader.open_model(exported.model)
        items = exported.loader.read_given(given, STARTED_IN, ConsoleReport("predict"))
        answers = ask_model(served, items, top=top)
    rows = [[_name(answer.file), *(f"{name} {share:.1%}" for name, share in answer.classes)] for answer in answers]
    print_table(["given", *(f"{place}." for place in range(1, len(rows[0])))], rows)


def _name(given: Path | str) -> str:
    name = given if isinstance(given, str) else os.path.relpath(given, STARTED_IN)
    return name if len(name) <= LONGEST_SHOWN else f"{name[:LONGEST_SHOWN]} ... ({len(name)} characters)"


@app.command("try")
def try_model(flow: Flow) -> None:
    """Serve a page on loopback to try the champion, and any challenger, on a file or a text. Ctrl-C stops it."""
    registry = open_registry()
    from flows.commands.try_page import serve_page

    serve_page(registry, flow, on_start=lambda address: typer.echo(f"{address}   Ctrl-C stops it"))


@models.callback()
def list_models(context: typer.Context) -> None:
    """List all versions with aliases, metrics, md5 of the test data, and the run that made them."""
    if context.invoked_subcommand is None:
        from flows.commands.tables import VERSION_COLUMNS, list_version_rows
        from flows.engine.console import print_table

        print_table(VERSION_COLUMNS, list_version_rows(open_registry()))


@models.command()
def promote(model: Model, version: Annotated[str, typer.Argument(help="The version's number")]) -> None:
    """Make a version the champion, which is served, whatever the gate (the comparison after a run) decided."""
    open_registry().promote(model, version)
    typer.echo(f"{model} version {version} is champion; to undo: `python -m flows models rollback {model}`")


@models.command()
def rollback(model: Model) -> None:
    """Make the previous champion champion again."""
    typer.echo(f"{model} version {open_registry().rollback(model)} is champion again")


@runs.callback()
def list_runs(
    context: typer.Context, count: Annotated[int, typer.Option(min=1, help="Number of runs to list")] = 20
) -> None:
    """List the newest runs of flows with time, status, commit and accuracy."""
    if context.invoked_subcommand is None:
        found = open_runs().list_last(count)
        from flows.commands.tables import RUN_COLUMNS, list_run_rows
        from flows.engine.console import print_table

        print_table(RUN_COLUMNS, list_run_rows(found))


@runs.command()
def compare(
    first: Annotated[str, typer.Argument(help="The first run's id, or the beginning of it")],
    second: Annotated[str, typer.Argument(help="The second run's id, or the beginning of it")],
) -> None:
    """Compare two runs: params, data (md5) and metrics, and whether one model is better by more than noise."""
    found = open_runs()
    from flows.commands.tables import ID_CHARS, list_difference_rows
    from flows.engine.console import print_table
    from tasks.learning import comparison

    pair = found.compare(found.find(first), found.find(second), comparison)
    tables = {"param": (pair.params, None), "md5 of data": (pair.data, ID_CHARS), "metric": (pair.figures, None)}
    for name, (differences, chars) in tables.items():
        if differences:
            print_table([name, first, second], list_difference_rows(differences, chars=chars))
        else:
            typer.echo(f"{name}: no difference")
    typer.echo(pair.noise)


@app.command()
def gc(
    days: Annotated[
        int, typer.Option(min=1, help="List (with --free: delete) runs that ended more than this many days ago")
    ] = 30,
    free: Annotated[bool, typer.Option("--free", help="Delete what is listed")] = False,
) -> None:
    """List, or delete with --free, what nothing needs: old runs, challengers, checkpoints, data in DVC's cache.

    Runs of champions, former champions and newest challengers stay, however old.
    """
    from flows.engine.tracking.mlflow_store import prepare_environment

    # MLflow reads this when it is imported, so it is set before.
    prepare_environment()
    from flows.commands.tables import FREEABLE_COLUMNS, format_size, list_freeable_rows
    from flows.engine.console import print_table
    from flows.engine.housekeeping.freeable import find_freeable

    with find_freeable(days) as parts:
        print_table(FREEABLE_COLUMNS, list_freeable_rows(parts))
        if free:
            for part in parts:
                part.delete()
    size = format_size(sum(part.size_bytes or 0 for part in parts))
    typer.echo(
        f"{size} deleted" if free else f"nothing was deleted; `python -m flows gc --days {days} --free` deletes {size}"
    )


@app.command()
def up() -> None:
    """Start the project's servers and a worker on loopback, deploy prefect.yaml, print the addresses."""
    from flows.engine.servers.deploy import bring_up

    for server in bring_up(ROOT):
        api = "" if server.api_url == server.url else f"  API {server.api_url}"
        typer.echo(f"{server.name:>8}  {server.url}{api}")


@app.command()
def deploy() -> None:
    """Deploy prefect.yaml to a team's Prefect server, named by PREFECT_API_URL; `up` deploys to the project's own."""
    from flows.engine.servers.deploy import deploy_to_team

    typer.echo(f"prefect.yaml was deployed to {deploy_to_team(ROOT)}")


@app.command()
def down() -> None:
    """Stop what this project started: the servers, the worker, and the sender, which sends runs to MLflow."""
    from flows.engine.servers.server import down as stop_servers
    from flows.engine.tracking.journal import stop_sender

    # The sender is stopped first: it may need a server to send what is left.
    names = ["sender"] if stop_sender(ROOT) else []
    names += [server.name for server in stop_servers(ROOT)]
    typer.echo(f"stopped {', '.join(names)}" if names else "nothing was running")


@app.command()
def doctor() -> None:
    """Check this machine and this checkout, and suggest fixes."""
    from flows.commands.doctor import examine

    findings = examine()
    for finding in findings:
        typer.echo(f"{'ok ' if finding.is_ok else 'FIX'}  {finding.subject:<16}  {finding.seen}")
        if not finding.is_ok:
            typer.echo(f"{'':>23}-> {finding.fix}")
    raise typer.Exit(not all(finding.is_ok for finding in findings))


def main() -> None:
    """Run the command line. An error that a user can fix is printed as one message, with exit code 1."""
    os.chdir(ROOT)
    bypass_proxy(os.environ)
    name_user(os.environ, STATE / "home")
    end_at_hangup()
    if isinstance(sys.stdout, TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")  # as on stderr: a name may hold bytes that are no text
    try:
        app()
    except Exception as error:
        if not is_fixable(error):
            raise
        sys.stderr.write(f"error: {explain(error)}\n")
        sys.exit(1)
