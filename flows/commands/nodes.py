"""The commands `python -m flows nodes ...`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from flows.engine.project import STATE

if TYPE_CHECKING:
    from flows.engine.nodes.membership import Membership

nodes = typer.Typer(help="Start, join, list and leave a pool of machines on which `run --on nodes` computes.")
Slots = Annotated[
    int | None,
    typer.Option(
        min=0,
        help="How many nodes this machine is; each computes one stage at a time; default: one for each GPU, or one",
    ),
]


@nodes.callback()
def nodes_default(context: typer.Context) -> None:
    """List the pool's nodes when no command is given."""
    if context.invoked_subcommand is None:
        show_nodes()


@nodes.command("up")
def start_nodes(
    listen: Annotated[str, typer.Option(help="The address at which other machines reach this one")] = "127.0.0.1",
    slots: Slots = None,
) -> None:
    """Start a pool: this machine becomes its head and its first node, reachable from this machine only by default."""
    from flows.engine.nodes.membership import start_pool

    typer.echo(_tell_join(start_pool(listen, slots)))


@nodes.command("join")
def join_nodes(
    head: Annotated[str, typer.Argument(help="The head's address, HOST:PORT, as `nodes up` printed it")],
    slots: Slots = None,
) -> None:
    """Add this machine's nodes to a pool."""
    from flows.engine.nodes.membership import join_pool

    typer.echo(f"this machine is in the pool of {join_pool(head, slots).head}")


@nodes.command("status")
def show_nodes() -> None:
    """List the pool's nodes."""
    from flows.engine.console import print_table
    from flows.engine.nodes.cluster import Cluster
    from flows.engine.nodes.membership import make_environment, require_membership
    from flows.engine.nodes.pool import Pool

    cluster = Cluster(require_membership().head, make_environment())
    cluster.open(Pool(cluster))
    rows = [[slot.name, slot.address] for slot in cluster.list_slots()]
    cluster.close()
    print_table(["node", "address"], rows)


@nodes.command("down")
def leave_nodes() -> None:
    """Leave the pool, and end what runs here for it; at the head, this ends the pool."""
    from flows.engine.nodes.membership import leave_pool

    typer.echo("this machine has left the pool" if leave_pool() else "this machine was in no pool")


def _tell_join(pool: Membership) -> str:
    """Return how other machines join a pool that was started here, and how a flow runs on it."""
    from flows.engine.nodes.membership import LOOPBACK, TOKEN

    lines = [f"this machine is the head of a pool of nodes: {pool.head}"]
    if not pool.head.startswith(LOOPBACK):
        token = TOKEN.relative_to(STATE.parent)
        lines += [
            f"on another machine, in a checkout with `make nodes`: copy {token} from here to the same place",
            f"there, then run `python -m flows nodes join {pool.head}`",
        ]
    return "\n".join([*lines, "`python -m flows run FLOW --on nodes` computes on it"])
