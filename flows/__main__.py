"""The command line: `python -m flows --help`."""

from __future__ import annotations

import os
import sys
from typing import Annotated

import typer

from flows.engine.errors import is_mendable
from flows.engine.project import ROOT

app = typer.Typer(add_completion=False, no_args_is_help=True, pretty_exceptions_enable=False, help=__doc__)
Flow = Annotated[str, typer.Argument(help="The flow: audio, ...")]


@app.command()
def run(
    flow: Flow,
    preset: Annotated[
        str, typer.Option(help="Start from the committed params with params/presets/FLOW-NAME.yaml")
    ] = "",
    overrides: Annotated[list[str], typer.Option("--set", help="section.key=value, as often as needed")] = [],  # noqa: B006
    force: Annotated[bool, typer.Option(help="Compute the stages even when they are fresh")] = False,
    stages: Annotated[list[str], typer.Option("--stage", help="Only this stage and what it needs")] = [],  # noqa: B006
) -> None:
    """Run a flow under Prefect: what is fresh is shown as cached, the rest is restored or computed."""
    from flows.engine.runner import run_flow

    run_flow(flow, preset=preset, overrides=overrides, force=force, stages=stages)


@app.command(context_settings={"ignore_unknown_options": True})
def stage(
    name: Annotated[str, typer.Argument(help="The stage's name in dvc.yaml")],
    values: Annotated[list[str], typer.Argument(help="Its plain values, as dvc.yaml has them")] = [],  # noqa: B006
) -> None:
    """Compute one stage: this is what `dvc repro` calls."""
    from flows.engine.repro import run_stage_command

    run_stage_command(name, values)


@app.command()
def graph(
    write: Annotated[bool, typer.Option("--write", help="Write dvc.yaml")] = False,
    check: Annotated[bool, typer.Option("--check", help="Exit with 1 when dvc.yaml lags behind the flows")] = False,
) -> None:
    """Print the stages of every flow; write or check dvc.yaml."""
    from flows.engine.graph import compare_graph, trace_all, write_graph

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


def main() -> None:
    """Run the command line; a fault that a person can mend is one message and exit code 1."""
    os.chdir(ROOT)
    try:
        app()
    except Exception as error:
        if not is_mendable(error):
            raise
        sys.stderr.write(f"error: {error}\n")
        sys.exit(1)


if __name__ == "__main__":
    main()
