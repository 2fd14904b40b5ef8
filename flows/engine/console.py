"""Terminal output: the graph as a tree, progress bars or plain lines, and a table at the end."""

from __future__ import annotations

import errno
import sys
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from types import TracebackType
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeRemainingColumn
from rich.table import Column, Table
from rich.text import Text
from rich.tree import Tree

from flows.engine.graph.stage import Stage
from flows.engine.stop import LIMIT, LateError, Stop
from flows.engine.tags import NODE

# Without a terminal, a progress line is printed at most this often, seconds; and at the end, if it has figures.
PLAIN_LINE_EVERY_S = 10.0
LINES_KEPT = 20
LOADS_KEPT = 3600  # an hour


class _Terminal(Console):
    """Standard error. Where its terminal is closed, SIGHUP is on its way and ends the run; a failing write must not."""

    def _write_buffer(self) -> None:
        try:
            super()._write_buffer()
        except OSError as error:
            if error.errno != errno.EIO:
                raise


_console = _Terminal(stderr=True)


def print_graph(flows: Mapping[str, list[Stage]]) -> None:
    """Print each flow's stages with their inputs and params."""
    console = Console(width=None if sys.stdout.isatty() else 160)
    for name, stages in flows.items():
        tree = Tree(f"[bold]{name}[/bold]  params/{name}.yaml  {len(stages)} stages")
        for stage in stages:
            reads = ", ".join(a.stage.removeprefix(f"{name}-") for a in stage.inputs)
            sections = ", ".join(stage.sections)
            branch = tree.add(f"[cyan]{stage.name}[/cyan]" + (f"  reads {reads}" if reads else ""))
            if sections:
                branch.add(f"[dim]params {sections}[/dim]")
        console.print(tree)


def print_results(rows: list[tuple[str, str, float, str]]) -> None:
    """Print the stages of a run: how each ended, its seconds, and where nodes computed any, which one."""
    colours = {"ran": "green", "cached": "dim", "restored": "cyan", "failed": "red"}
    rows_shown: list[list[str | Text]] = [
        [name, Text(result, colours.get(result, "yellow")), f"{seconds:.1f}", node]
        for name, result, seconds, node in rows
    ]
    columns = ["stage", "", "seconds", "node"] if any(node for *_, node in rows) else ["stage", "", "seconds"]
    print_table(columns, [row[: len(columns)] for row in rows_shown])


def print_table(columns: Sequence[str], rows: Sequence[Sequence[str | Text]]) -> None:
    """Print a plain table; a cell's text is shown as it is, also `[bold]` and `:cat:`; bytes of no text are escaped."""
    table = Table(*(Column(name, overflow="fold") for name in columns))
    for row in rows:
        table.add_row(*(Text(_escape(cell)) if isinstance(cell, str) else cell for cell in row))
    Console(width=None if sys.stdout.isatty() else 120).print(table)


def _escape(text: str) -> str:
    return text.encode("utf-8", "backslashreplace").decode()


def say(text: str) -> None:
    """Print one line, above the progress bars if there are any."""
    _shared.console.print(text, markup=False, highlight=False, soft_wrap=True)


class _Bars:
    """The progress bars of all running stages, drawn together."""

    def __init__(self) -> None:
        self.console = _console
        self._progress: Progress | None = None
        self._open = 0

    def add(self, label: str) -> TaskID:
        if self._progress is None:
            columns = [TextColumn("{task.description}"), BarColumn(), TextColumn("{task.fields[figures]}")]
            self._progress = Progress(*columns, TimeRemainingColumn(), console=self.console, transient=True)
            self._progress.start()
        self._open += 1
        return self._progress.add_task(label, total=None, figures="")

    def update(self, bar: TaskID, done: int, total: int, figures: str) -> None:
        if self._progress is not None:
            self._progress.update(bar, completed=done, total=total, figures=figures)

    def remove(self, bar: TaskID) -> None:
        if self._progress is None:
            return
        self._progress.remove_task(bar)
        self._open -= 1
        if not self._open:
            self._progress.stop()
            self._progress = None


_shared = _Bars()


class ConsoleReport:
    """Shows a stage's progress: a bar on a terminal, plain lines elsewhere."""

    def __init__(self, name: str, log: Callable[[str], None] = lambda text: None, stop: Stop | None = None) -> None:
        """`log` also receives each line; `stop` is the run's."""
        self._name = name
        self._log = log
        self.said: deque[str] = deque(maxlen=LINES_KEPT)
        self.figures: list[dict[str, float]] = []
        self.loads: deque[dict[str, Any]] = deque(maxlen=LOADS_KEPT)
        self.node = ""
        self._stop = stop or Stop()
        self._bar: TaskID | None = None
        self._began_s = self._last_line_s = time.monotonic()
        self._works = False

    def __enter__(self) -> ConsoleReport:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._bar is not None:
            _shared.remove(self._bar)

    def begin(self, machine: Mapping[str, str] | None = None) -> None:
        """Note that the work begins, after any waiting, and on which node if `machine` names one."""
        self.node = (machine or {}).get(NODE, "")
        self._began_s = self._last_line_s = time.monotonic()
        self._works = True

    def check(self, *, grace_s: float = 0.0) -> None:
        """Raise StoppedError or LateError when the stage should have ended `grace_s` ago."""
        self._stop.check(self._name, grace_s=grace_s)
        if self._works and self.seconds - self._stop.limit_s >= grace_s:
            raise LateError(
                f"{self._name} took longer than {self._stop.limit_s:g} s and was stopped: run again to resume it; set "
                f"{LIMIT} to change the limit"
            )

    @property
    def seconds(self) -> float:
        """The stage's seconds, without the time spent waiting for others."""
        return time.monotonic() - self._began_s

    def progress(self, done: int, total: int, unit: str, **figures: float) -> None:
        """Show that `done` of `total` units are done, with figures such as the loss. Raises like `check`."""
        self.check()
        numbers = " ".join([f"{done}/{total} {unit}", *(f"{key} {value:.4g}" for key, value in figures.items())])
        if _console.is_terminal:
            if self._bar is None:
                self._bar = _shared.add(self._name)
            _shared.update(self._bar, done, total, numbers)
        elif time.monotonic() - self._last_line_s > PLAIN_LINE_EVERY_S or (figures and done == total):
            self._last_line_s = time.monotonic()
            self.said.append(numbers)
            say(f"{self._name}: {numbers}")

    def metrics(self, figures: Mapping[str, float], step: int) -> None:
        """Keep the metrics of a step for the run's report; the bar shows the important ones."""
        self.figures.append({"step": step, **figures})

    def load(self, figures: Mapping[str, float]) -> None:
        """Keep a sample of the load of the node that computes the stage, for the run's report."""
        self.loads.append({"time_ms": round(time.time() * 1000), "figures": figures})

    def say(self, text: str) -> None:
        """Print one line for the user."""
        self.said.append(text)
        say(f"{self._name}: {text}")
        self._log(text)
