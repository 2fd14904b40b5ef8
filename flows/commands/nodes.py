"""What `python -m flows nodes` prints."""

from __future__ import annotations

from flows.engine.console import print_table
from flows.engine.nodes.cluster import Cluster
from flows.engine.nodes.membership import LOOPBACK, TOKEN, Membership, make_environment, require_membership
from flows.engine.nodes.pool import Pool
from flows.engine.project import STATE


def tell_join(pool: Membership) -> str:
    """Return how other machines join a pool that was started here, and how a flow runs on it."""
    lines = [f"this machine is the head of a pool of nodes: {pool.head}"]
    if not pool.head.startswith(LOOPBACK):
        token = TOKEN.relative_to(STATE.parent)
        lines += [
            f"on another machine, in a checkout with `make nodes`: copy {token} from here to the same place",
            f"there, then run `python -m flows nodes join {pool.head}`",
        ]
    return "\n".join([*lines, "`python -m flows run FLOW --on nodes` computes on it"])


def show_pool() -> None:
    """Print the nodes of the pool that this machine is in."""
    cluster = Cluster(require_membership().head, make_environment())
    cluster.open(Pool(cluster))
    rows = [[slot.name, slot.address] for slot in cluster.list_slots()]
    cluster.close()
    print_table(["node", "address"], rows)
