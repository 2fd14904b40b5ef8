"""The first stage, which both drivers run before all others."""

from flows.engine.cache.lockfile import list_stages
from flows.engine.cache.store import Work, bring_up_to_date
from flows.engine.console import ConsoleReport, say
from flows.engine.graph.dvc_yaml import CHECK, check_stage
from flows.engine.nodes.executor import compute_here
from flows.engine.project import ROOT


def update_code() -> None:
    """Update the fingerprints of all code. Raises EngineError when dvc.yaml does not match the flows."""
    announce_upgrade()
    check = check_stage()
    bring_up_to_date(check, Work(lambda wanted: compute_here(check, ConsoleReport(check.name), wanted).delivery))


def announce_upgrade() -> None:
    """Say that everything is computed again where dvc.lock is an earlier version's, until this stage is in it."""
    recorded = list_stages(ROOT / "dvc.lock")
    if recorded and CHECK not in recorded:
        say(
            "every stage is computed again, once: dvc.lock was written by an earlier version, whose stages depended on "
            "whole files of code; now each depends on the definitions that it uses (docs/upgrade.md)"
        )
