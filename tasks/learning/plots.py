"""Plots of a training."""

import csv
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib import colormaps

from tasks.learning.lr_finder import USUAL_LR, Curve
from tasks.plots import make_axes, save_plot
from tasks.tables import write_rows


def draw_lr_curve(folder: Path, curve: Curve, *, lr: float, limit: float) -> None:
    """Write `curve.csv` (lr, loss, smoothed) and `curve.png` with the limit and the chosen rate marked."""
    rows = np.stack([curve.lr, curve.loss, curve.smoothed], axis=1)
    np.savetxt(folder / "curve.csv", rows, fmt="%.6g", delimiter=",", header="lr,loss,smoothed", comments="")
    axes = make_axes("Learning-rate range test", "learning rate", "loss")
    axes.set_xscale("log")
    axes.plot(curve.lr, curve.loss, alpha=0.3, label="loss of the batch")
    axes.plot(curve.lr, curve.smoothed, label="smoothed")
    axes.axvline(limit, color="tab:gray", linestyle=":", label=f"limit, above which the loss rises: {limit:.2g}")
    axes.axvline(lr, color="tab:red", linestyle="--", label=f"chosen, geometric mean with {USUAL_LR:g}: {lr:.2g}")
    axes.legend()
    save_plot(axes, folder / "curve.png")


def draw_activations(folder: Path, rows: Sequence[dict[str, Any]]) -> None:
    """Write `activations.csv` (epoch, layer, mean, std) and `activations.png`, one line per layer."""
    write_rows(
        folder / "activations.csv",
        list(rows[0]),
        (row | {"mean": f"{row['mean']:.6g}", "std": f"{row['std']:.6g}"} for row in rows),
    )
    layers = list(dict.fromkeys(row["layer"] for row in rows))
    colours = colormaps["viridis"](np.linspace(0, 1, len(layers)))
    axes = make_axes("Spread of each layer's output", "epoch", "standard deviation")
    for layer, colour in zip(layers, colours, strict=True):
        of_layer = [row for row in rows if row["layer"] == layer]
        label = layer if layer in (layers[0], layers[-1]) else None
        axes.plot([row["epoch"] for row in of_layer], [row["std"] for row in of_layer], color=colour, label=label)
    axes.set_yscale("log")
    axes.locator_params(axis="x", integer=True)
    axes.legend()
    save_plot(axes, folder / "activations.png")


def draw_history(folder: Path, history: Sequence[dict[str, float]]) -> None:
    """Write `history.csv`, one row per epoch, and `history.png`, the losses and the accuracy."""
    columns = list(history[0])
    with (folder / "history.csv").open("w", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(columns)
        writer.writerows([f"{row[name]:.6g}" for name in columns] for row in history)
    epochs = [row["epoch"] for row in history]
    axes = make_axes("Training", "epoch", "loss, accuracy")
    for name in columns:
        if name not in ("epoch", "lr"):
            axes.plot(epochs, [row[name] for row in history], label=name.replace("_", " "))
    axes.locator_params(axis="x", integer=True)
    axes.legend()
    save_plot(axes, folder / "history.png")
