"""Opens the registry and the runs. MLflow, which takes some seconds to import, is imported only then."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flows.engine.tracking.mlflow_store import open_existing_store

if TYPE_CHECKING:
    from flows.engine.registry.runs import FlowRuns
    from flows.engine.registry.versions import Registry


def open_registry() -> Registry:
    """Return the registered models. Raises EngineError when there is no store yet, or it does not answer."""
    # This comes first: it sets the variables that MLflow reads at import.
    client = open_existing_store()
    from flows.engine.registry.versions import Registry

    return Registry(client)


def open_runs() -> FlowRuns:
    """Return the runs of flows. Raises as `open_registry` does."""
    client = open_existing_store()
    from flows.engine.registry.runs import FlowRuns

    return FlowRuns(client)
