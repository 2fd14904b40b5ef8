"""The Prefect flows that deployments run: each flow by its name, and `all`, which runs all flows in turn."""

from typing import Any

from flows.engine.drivers.deployed import make_chain, make_flow
from flows.engine.graph.dvc_yaml import load_pipeline
from flows.engine.project import list_flows

all = make_chain("all", [load_pipeline(name) for name in list_flows()])


def __getattr__(name: str) -> Any:
    """Return the Prefect flow `name`, so that an entrypoint `flows.nightly:audio` finds it."""
    if name not in list_flows():
        raise AttributeError(f"{name!r} is not a flow; the flows are {', '.join(list_flows())}")
    return make_flow(load_pipeline(name))
