"""The tables of versions and runs that the command line prints."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import TYPE_CHECKING

from flows.engine.registry.versions import Registry, Version
from flows.engine.tags import COMMIT, DATA_MD5, FIGURE

if TYPE_CHECKING:
    from flows.engine.housekeeping.freeable import Freeable
    from flows.engine.registry.runs import Difference, FlowRun

VERSION_COLUMNS = ["model", "version", "aliases", "accuracy", "log loss", "examples", "test data", "run", "made"]
FREEABLE_COLUMNS = ["kind", "count", "size", ""]
RUN_COLUMNS = ["run", "flow", "begun", "status", "commit", "accuracy"]
NOTHING = "-"
# The number of characters shown of an md5 or a run's id.
ID_CHARS = 8


def list_version_rows(registry: Registry) -> list[list[str]]:
    """Return a row for each version of each registered model, newest first."""
    return [_list_cells(version) for model in registry.list_models() for version in registry.list_versions(model.name)]


def _list_cells(version: Version) -> list[str]:
    figures = [_format_figure(version.tags.get(f"{FIGURE}{name}")) for name in ("accuracy", "log_loss", "examples")]
    data = {key.removeprefix(DATA_MD5): md5 for key, md5 in version.tags.items() if key.startswith(DATA_MD5)}
    return [
        version.name,
        version.number,
        ", ".join(version.aliases) or NOTHING,
        *figures,
        "\n".join(f"{stage.rpartition('-')[2]} {md5[:ID_CHARS]}" for stage, md5 in sorted(data.items())) or NOTHING,
        version.run_id[:ID_CHARS],
        format_time(version.created_ms),
    ]


def format_time(time_ms: int) -> str:
    """Return a time, milliseconds since the epoch, as local time to the minute."""
    return f"{datetime.fromtimestamp(time_ms / 1000):%Y-%m-%d %H:%M}"


def _format_figure(value: str | float | None) -> str:
    return NOTHING if value is None else f"{float(value):.4g}"


def list_run_rows(runs: Iterable[FlowRun]) -> list[list[str]]:
    """Return a row for each run of a flow."""
    return [
        [
            run.id[:ID_CHARS],
            run.flow,
            format_time(run.began_ms),
            run.status.lower(),
            run.tags.get(COMMIT, NOTHING)[:ID_CHARS],
            _format_figure(run.metrics.get("ensemble.accuracy")),
        ]
        for run in runs
    ]


def list_difference_rows(differences: Iterable[Difference], *, chars: int | None = None) -> list[list[str]]:
    """Return a row for each difference; long values are truncated."""
    return [[each.name, (each.first or NOTHING)[:chars], (each.second or NOTHING)[:chars]] for each in differences]


def list_freeable_rows(freeables: Iterable[Freeable]) -> list[list[str]]:
    """Return a row for each kind of thing that can be deleted."""
    return [
        [item.kind, str(item.count), NOTHING if item.size_bytes is None else format_size(item.size_bytes), item.note]
        for item in freeables
    ]


def format_size(size_bytes: float) -> str:
    """Return a size with its unit, in powers of 1000."""
    for unit in ("B", "kB", "MB", "GB"):
        if size_bytes < 1000:
            return f"{size_bytes:.3g} {unit}"
        size_bytes /= 1000
    return f"{size_bytes:.3g} TB"
