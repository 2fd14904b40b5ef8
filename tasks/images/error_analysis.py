"""Analysis of the ensemble's errors: the worst and least certain pictures, activation maps, and learning curves."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from tasks.features import Features, open_features
from tasks.images.member import Member
from tasks.learning.fitted import read_fit
from tasks.learning.predictions import Predictions, join_predictions, read_rounds
from tasks.report import Report
from tasks.tables import read_classes, read_rows, write_rows

if TYPE_CHECKING:
    from numpy.typing import NDArray

SHOWN = 24  # pictures on a sheet
COLUMNS = 6
MAPPED = 8  # pictures with an activation map


@dataclass(frozen=True)
class PredictedPictures:
    """The ensemble's predictions of its test pictures, with all pictures and the class names."""

    predictions: Predictions
    pictures: Features
    classes: list[str]

    def caption(self, position: int) -> str:
        """Return a picture's caption: its true class, then the predicted class and its probability."""
        probabilities = self.predictions.probabilities[position]
        best = int(probabilities.argmax())
        return f"{self.classes[self.predictions.labels[position]]}\n{self.classes[best]} {probabilities[best]:.0%}"


def analyse_errors(
    ensemble: Path,
    features: list[Path],
    pictures: Path,
    fitted: list[Path],
    members: Mapping[str, Member],
    *,
    out: Path,
    report: Report,
) -> None:
    """Draw the ensemble's predictions of its test pictures, and the learning curves of all `fitted`.

    `features` are the folders of the pictures at the largest size, `pictures` is that of the clean table. Writes
    `worst.png` and `uncertain.png` (sheets), `maps.png` (Grad-CAM, Selvaraju 2017, of the last fit),
    `learning_curves.csv` and `.png` (loss and learning rate over all sizes) and `errors.csv` (every test picture, the
    worst first).
    """
    predictions = join_predictions(list(read_rounds(ensemble / "test.csv", ["fold"]).values()))
    predicted = PredictedPictures(predictions, open_features(features), read_classes(pictures))
    right = predictions.probabilities[np.arange(len(predictions)), predictions.labels]
    top_two = np.sort(predictions.probabilities, axis=1)[:, -2:]
    worst, uncertain = np.argsort(right, kind="stable"), np.argsort(top_two[:, 1] - top_two[:, 0], kind="stable")
    _draw_sheet(out / "worst.png", predicted, worst[:SHOWN], "Least probability for the true class")
    _draw_sheet(out / "uncertain.png", predicted, uncertain[:SHOWN], "Least certain")
    _write_errors(out / "errors.csv", predicted, worst, read_rows(pictures / "examples.csv", ["file"]))
    _draw_learning_curves(out, fitted)
    if not _draw_maps(out / "maps.png", predicted, uncertain, fitted[-1], members):
        report.say("maps.png is left out: the last fit's network has no feature maps")


def _draw_sheet(path: Path, predicted: PredictedPictures, positions: NDArray[np.int64], title: str) -> None:
    from tasks.plots import draw_pictures

    shown = [predicted.pictures[predicted.predictions.examples[position]] for position in positions]
    draw_pictures(path, shown, [predicted.caption(position) for position in positions], title=title, columns=COLUMNS)


def _write_errors(
    path: Path, predicted: PredictedPictures, order: NDArray[np.int64], rows: Sequence[Mapping[str, str]]
) -> None:
    predictions = predicted.predictions
    write_rows(
        path,
        ["example", "file", "actual", "predicted", "p_actual", "p_predicted"],
        (
            {
                "example": predictions.examples[position],
                "file": rows[predictions.examples[position]]["file"],
                "actual": predicted.classes[predictions.labels[position]],
                "predicted": predicted.classes[predictions.probabilities[position].argmax()],
                "p_actual": f"{predictions.probabilities[position, predictions.labels[position]]:.6f}",
                "p_predicted": f"{predictions.probabilities[position].max():.6f}",
            }
            for position in order
        ),
    )


def _draw_learning_curves(out: Path, fitted: list[Path]) -> None:
    """Write and draw loss and learning rate of the first round, its sizes one after the other."""
    from tasks.plots import make_axes, save_plot

    rows = _read_histories(fitted)
    columns = ["member", "size", "epoch", "lr", "train_loss", *(["valid_loss"] if "valid_loss" in rows[0] else [])]
    write_rows(out / "learning_curves.csv", columns, ({name: row[name] for name in columns} for row in rows))
    axes = make_axes("Training from size to size", "epoch", "loss", size_inch=(8.0, 4.5))
    axes.locator_params(axis="x", integer=True)
    rates = axes.twinx()
    rates.set_ylabel("learning rate (dotted)")
    for number, member in enumerate(dict.fromkeys(row["member"] for row in rows)):
        history = [row for row in rows if row["member"] == member]
        epochs, colour = [row["epoch"] for row in history], f"C{number}"
        for column, style in zip(columns[4:], ("-", "--"), strict=False):
            losses = [float(row[column]) for row in history]
            axes.plot(epochs, losses, color=colour, linestyle=style, label=f"{member} {column.replace('_', ' ')}")
        rates.plot(epochs, [float(row["lr"]) for row in history], color=colour, linestyle=":")
    for row, before in zip(rows, [None, *rows], strict=False):
        if before is None or (row["size"] != before["size"] and row["epoch"] > 1):
            axes.axvline(row["epoch"] - 0.5, color="grey", linewidth=0.8)
            axes.annotate(row["size"], (row["epoch"] - 0.4, 0.97), xycoords=("data", "axes fraction"), fontsize=8)
    axes.legend(fontsize=8)
    save_plot(axes, out / "learning_curves.png")


def _read_histories(fitted: list[Path]) -> list[dict[str, Any]]:
    """Return the history of the first round, member by member; the epoch numbers continue from size to size."""
    first = read_fit(fitted[0]).fold
    histories: dict[str, list[dict[str, Any]]] = {}
    for folder in fitted:
        fit = read_fit(folder)
        if fit.fold == first:
            history = histories.setdefault(fit.member, [])
            history += [{**row, "member": fit.member, "size": fit.size} for row in read_rows(folder / "history.csv")]
    return [row | {"epoch": n} for history in histories.values() for n, row in enumerate(history, start=1)]


def _draw_maps(
    path: Path, predicted: PredictedPictures, order: NDArray[np.int64], folder: Path, members: Mapping[str, Member]
) -> bool:
    """Draw activation maps beside the least certain pictures of the last round; return False if there are no maps."""
    import torch

    from tasks.images.transforms import to_pictures
    from tasks.learning.grad_cam import map_activations
    from tasks.learning.predictions import read_predictions
    from tasks.learning.script import load_network
    from tasks.plots import draw_pictures

    fit = read_fit(folder)
    own = set(read_predictions(folder / "test.csv").examples.tolist())
    positions = [position for position in order if predicted.predictions.examples[position] in own][:MAPPED]
    shown = np.stack([predicted.pictures[predicted.predictions.examples[position]] for position in positions])
    network = load_network(folder, fit, members[fit.member])
    maps = map_activations(network, to_pictures(torch.from_numpy(shown)))
    if maps is None:
        return False
    heatmaps = [_overlay_heat(picture, heat) for picture, heat in zip(shown, maps.numpy(), strict=True)]
    pairs = [picture for pair in zip(shown, heatmaps, strict=True) for picture in pair]
    captions = [text for position in positions for text in (predicted.caption(position), fit.label)]
    draw_pictures(path, pairs, captions, title="What made the network decide", columns=4)
    return True


def _overlay_heat(picture: NDArray[np.uint8], heat: NDArray[np.float32]) -> NDArray[np.uint8]:
    """Return a picture overlaid with its map of 0..1, blue to red."""
    from matplotlib import colormaps

    colours = np.asarray(colormaps["jet"](heat))[..., :3] * 255
    return (0.5 * picture + 0.5 * colours).astype(np.uint8)
