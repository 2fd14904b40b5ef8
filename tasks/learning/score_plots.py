"""Plots of the confusion matrix and the calibration."""

from collections.abc import Sequence
from pathlib import Path

from tasks.learning.metrics import count_confusions, measure_reliability
from tasks.learning.predictions import Predictions
from tasks.plots import MAX_TICKS, PLAIN, make_axes, name_x_ticks, save_plot
from tasks.tables import write_rows

MAX_CLASSES_WITH_COUNTS = 20  # with more classes the counts in the cells are too small to read


def draw_confusion(path: Path, predictions: Predictions, classes: Sequence[str]) -> None:
    """Draw the confusion matrix, actual classes in rows, predicted classes in columns."""
    counts = count_confusions(predictions)
    size_inch = max(5.0, 0.3 * min(len(classes), MAX_TICKS) + 3)
    axes = make_axes("Confusion matrix", "predicted", "actual", size_inch=(size_inch, size_inch))
    axes.grid(visible=False)
    axes.imshow(counts, cmap="Blues")
    name_x_ticks(axes, classes)
    if len(classes) <= MAX_TICKS:
        axes.set_yticks(range(len(classes)), classes, fontsize=8, **PLAIN)
    if len(classes) <= MAX_CLASSES_WITH_COUNTS:
        for actual, row in enumerate(counts):
            for predicted, count in enumerate(row):
                shade = "white" if count > counts.max() / 2 else "black"
                axes.text(predicted, actual, str(count or ""), ha="center", va="center", color=shade, fontsize=8)
    save_plot(axes, path)


def draw_calibration(folder: Path, predictions: Predictions) -> None:
    """Write `calibration.csv` (confidence, accuracy, examples of each bin) and `calibration.png`."""
    bins = measure_reliability(predictions)
    columns = ["confidence", "accuracy", "examples"]
    rows = zip(bins.confidence.round(6), bins.accuracy.round(6), bins.examples, strict=True)
    write_rows(folder / "calibration.csv", columns, (dict(zip(columns, row, strict=True)) for row in rows))
    axes = make_axes("Calibration", "mean confidence of a bin", "share of it that is right", size_inch=(5.0, 5.0))
    axes.plot([0, 1], [0, 1], color="grey", linestyle="--", label="perfect")
    axes.plot(bins.confidence, bins.accuracy, marker="o", label="ensemble")
    axes.set(xlim=(0, 1.02), ylim=(0, 1.02))
    axes.legend()
    save_plot(axes, folder / "calibration.png")
