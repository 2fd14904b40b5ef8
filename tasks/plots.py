"""Plots as PNG, the same bytes each time, without pyplot's global state."""

import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from numpy.typing import NDArray

DPI = 100
MAX_TICKS = 60  # names of classes along an axis; with more, the axis has none and the plot keeps its size
PLAIN: dict[str, Any] = {"parse_math": False}  # of texts with names of classes: $5_$10 is no formula


def make_axes(title: str, x_label: str, y_label: str, size_inch: tuple[float, float] = (7.0, 4.0)) -> Axes:
    """Return the axes of a new figure with its title and labels set."""
    figure = Figure(figsize=size_inch, dpi=DPI, layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    axes.set(title=title, xlabel=x_label, ylabel=y_label)
    axes.grid(alpha=0.3)
    return axes


def save_plot(axes: Axes, path: Path) -> None:
    """Write the figure that `axes` belong to as PNG, without the version of matplotlib in the file."""
    figure = axes.get_figure(root=True)
    assert figure is not None
    with warnings.catch_warnings():
        # A script that no font of matplotlib has is drawn as boxes; the tables and the report show the names.
        warnings.filterwarnings("ignore", "Glyph .* missing from font", UserWarning)
        figure.savefig(path, format="png", metadata={"Software": None})


def name_x_ticks(axes: Axes, names: Sequence[str]) -> None:
    """Write the names of classes along the x axis, or only their number if they are more than MAX_TICKS."""
    if len(names) > MAX_TICKS:
        axes.set(xticks=[], xlabel=f"{axes.get_xlabel()} ({len(names)} classes)".strip())
        return
    axes.set_xticks(range(len(names)), names, rotation=60, ha="right", rotation_mode="anchor", fontsize=8, **PLAIN)


def plot_bars(path: Path, counts: Mapping[str, float], *, title: str, y_label: str) -> None:
    """Draw a bar for each name, from left to right in the mapping's order."""
    axes = make_axes(title, "", y_label, size_inch=(max(5.0, 0.25 * min(len(counts), MAX_TICKS) + 2), 4.0))
    axes.bar(range(len(counts)), list(counts.values()), width=0.8)
    name_x_ticks(axes, list(counts))
    axes.grid(visible=False, axis="x")
    save_plot(axes, path)


def plot_histogram(path: Path, values: Sequence[float], *, title: str, x_label: str) -> None:
    """Draw the histogram of `values` in thirty bins."""
    axes = make_axes(title, x_label, "count")
    axes.hist(values, bins=30)
    save_plot(axes, path)


def plot_boxes(path: Path, groups: Mapping[str, Sequence[float]], *, title: str, y_label: str) -> None:
    """Draw median, quartiles and range of each group, from left to right, with the median as a number above it."""
    axes = make_axes(title, "", y_label, size_inch=(max(5.0, 0.35 * min(len(groups), MAX_TICKS) + 2), 4.0))
    axes.boxplot(list(groups.values()), positions=range(len(groups)), whis=(0, 100), widths=0.6)
    if len(groups) <= MAX_TICKS:
        for place, values in enumerate(groups.values()):
            axes.annotate(
                f"{np.median(values):.0f}",
                (place, float(np.median(values))),
                (0, 3),
                textcoords="offset points",
                ha="center",
                fontsize=7,
            )
    name_x_ticks(axes, list(groups))
    axes.grid(visible=False, axis="x")
    save_plot(axes, path)


def draw_pictures(
    path: Path, pictures: Sequence[NDArray[np.uint8]], captions: Sequence[str], *, title: str, columns: int
) -> None:
    """Draw pictures (height, width, 3) in rows of `columns`, each under its caption."""
    rows = -(-len(pictures) // columns)
    figure = Figure(figsize=(1.7 * columns, 2.1 * rows + 0.5), dpi=DPI, layout="constrained")
    FigureCanvasAgg(figure)
    figure.suptitle(title)
    for place, (picture, caption) in enumerate(zip(pictures, captions, strict=True), start=1):
        axes = figure.add_subplot(rows, columns, place)
        axes.imshow(picture, interpolation="nearest")
        axes.set_title(caption, fontsize=7, **PLAIN)
        axes.set_axis_off()
    save_plot(figure.axes[0], path)
