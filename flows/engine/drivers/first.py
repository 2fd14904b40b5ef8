"""The first stage, which both drivers run before all others."""

from flows.engine.cache.store import bring_up_to_date
from flows.engine.compute.process import run_stage
from flows.engine.console import ConsoleReport
from flows.engine.graph.dvc_yaml import check_stage


def update_code() -> None:
    """Update the fingerprints of all code. Raises EngineError when dvc.yaml does not match the flows."""
    check = check_stage()
    bring_up_to_date(check, lambda: run_stage(check, ConsoleReport(check.name)))
