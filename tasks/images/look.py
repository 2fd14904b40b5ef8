"""What people would rather see than read: where networks look, what they get wrong, and how the sizes helped."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from tasks.features import open_features
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
class Judged:
    """Predictions with the pictures that they are about."""

    told: Predictions
    pictures: NDArray[np.uint8]
    classes: list[str]

    def caption(self, place: int) -> str:
        """Return what stands over a picture: its class, and what it was taken for with which probability."""
        chances = self.told.probabilities[place]
        taken = int(chances.argmax())
        return f"{self.classes[self.told.labels[place]]}\n{self.classes[taken]} {chances[taken]:.0%}"


def look_at_pictures(
    ensemble: Path,
    features: Path,
    pictures: Path,
    fitted: list[Path],
    members: Mapping[str, Member],
    *,
    out: Path,
    report: Report,
) -> None:
    """Draw the ensemble's judgements of its test pictures, and the trainings of all `fitted`.

    `features` are the pictures at the largest size, `pictures` names the classes. Writes `worst.png` and
    `uncertain.png` (sheets), `maps.png` (Grad-CAM, Selvaraju 2017, of the last fit), `course.csv` and `.png`
    (loss and learning rate over all sizes) and `errors.csv` (every test picture, the worst first).
    """
    told = join_predictions(list(read_rounds(ensemble / "test.csv", ["fold"]).values()))
    judged = Judged(told, open_features(features), read_classes(pictures))
    right = told.probabilities[np.arange(len(told)), told.labels]
    two_best = np.sort(told.probabilities, axis=1)[:, -2:]
    worst, uncertain = np.argsort(right, kind="stable"), np.argsort(two_best[:, 1] - two_best[:, 0], kind="stable")
    _draw_sheet(out / "worst.png", judged, worst[:SHOWN], "Least probability for the true class")
    _draw_sheet(out / "uncertain.png", judged, uncertain[:SHOWN], "Least certain")
    _write_errors(out / "errors.csv", judged, worst, read_rows(pictures / "examples.csv", ["file"]))
    _draw_course(out, fitted)
    if not _draw_maps(out / "maps.png", judged, uncertain, fitted[-1], members):
        report.say("maps.png is left out: the last fit's network has no maps to look at")


def _draw_sheet(path: Path, judged: Judged, places: NDArray[np.int64], title: str) -> None:
    from tasks.plots import draw_pictures

    shown = [judged.pictures[judged.told.examples[place]] for place in places]
    draw_pictures(path, shown, [judged.caption(place) for place in places], title=title, columns=COLUMNS)


def _write_errors(path: Path, judged: Judged, order: NDArray[np.int64], rows: Sequence[Mapping[str, str]]) -> None:
    told = judged.told
    write_rows(
        path,
        ["example", "file", "actual", "predicted", "p_actual", "p_predicted"],
        (
            {
                "example": told.examples[place],
                "file": rows[told.examples[place]]["file"],
                "actual": judged.classes[told.labels[place]],
                "predicted": judged.classes[told.probabilities[place].argmax()],
                "p_actual": f"{told.probabilities[place, told.labels[place]]:.6f}",
                "p_predicted": f"{told.probabilities[place].max():.6f}",
            }
            for place in order
        ),
    )


def _draw_course(out: Path, fitted: list[Path]) -> None:
    """Write loss and learning rate of the first round over all sizes, one after the other."""
    from tasks.plots import make_axes, save_plot

    rows = _gather_course(fitted)
    columns = ["member", "size", "epoch", "lr", "train_loss", *(["valid_loss"] if "valid_loss" in rows[0] else [])]
    write_rows(out / "course.csv", columns, ({name: row[name] for name in columns} for row in rows))
    axes = make_axes("Training from size to size", "epoch", "loss", size_inch=(8.0, 4.5))
    axes.locator_params(axis="x", integer=True)
    rates = axes.twinx()
    rates.set_ylabel("learning rate (dotted)")
    for number, member in enumerate(dict.fromkeys(row["member"] for row in rows)):
        course = [row for row in rows if row["member"] == member]
        epochs, colour = [row["epoch"] for row in course], f"C{number}"
        for column, style in zip(columns[4:], ("-", "--"), strict=False):
            losses = [float(row[column]) for row in course]
            axes.plot(epochs, losses, color=colour, linestyle=style, label=f"{member} {column.replace('_', ' ')}")
        rates.plot(epochs, [float(row["lr"]) for row in course], color=colour, linestyle=":")
    for row, before in zip(rows, [None, *rows], strict=False):
        if before is None or (row["size"] != before["size"] and row["epoch"] > 1):
            axes.axvline(row["epoch"] - 0.5, color="grey", linewidth=0.8)
            axes.annotate(row["size"], (row["epoch"] - 0.4, 0.97), xycoords=("data", "axes fraction"), fontsize=8)
    axes.legend(fontsize=8)
    save_plot(axes, out / "course.png")


def _gather_course(fitted: list[Path]) -> list[dict[str, Any]]:
    """Return the epochs of the first round, member by member, counted on from size to size."""
    first = read_fit(fitted[0]).fold
    courses: dict[str, list[dict[str, Any]]] = {}
    for folder in fitted:
        fit = read_fit(folder)
        if fit.fold == first:
            course = courses.setdefault(fit.member, [])
            course += [{**row, "member": fit.member, "size": fit.size} for row in read_rows(folder / "history.csv")]
    return [row | {"epoch": n} for course in courses.values() for n, row in enumerate(course, start=1)]


def _draw_maps(
    path: Path, judged: Judged, order: NDArray[np.int64], folder: Path, members: Mapping[str, Member]
) -> bool:
    """Draw, beside some of the least certain pictures of the last round, what made the network decide."""
    import torch

    from tasks.images.views import to_pictures
    from tasks.learning.grad_cam import map_activations
    from tasks.learning.predictions import read_predictions
    from tasks.learning.script import load_network
    from tasks.plots import draw_pictures

    fit = read_fit(folder)
    own = set(read_predictions(folder / "test.csv").examples.tolist())
    places = [place for place in order if judged.told.examples[place] in own][:MAPPED]
    shown = np.stack([judged.pictures[judged.told.examples[place]] for place in places])
    network = load_network(folder, fit, members[fit.member])
    maps = map_activations(network, to_pictures(torch.from_numpy(shown)))
    if maps is None:
        return False
    heated = [_lay_heat(picture, heat) for picture, heat in zip(shown, maps.numpy(), strict=True)]
    pairs = [one for pair in zip(shown, heated, strict=True) for one in pair]
    captions = [text for place in places for text in (judged.caption(place), fit.label)]
    draw_pictures(path, pairs, captions, title="What made the network decide", columns=4)
    return True


def _lay_heat(picture: NDArray[np.uint8], heat: NDArray[np.float32]) -> NDArray[np.uint8]:
    """Return a picture with its map of 0..1 laid over it, blue to red."""
    from matplotlib import colormaps

    colours = np.asarray(colormaps["jet"](heat))[..., :3] * 255
    return (0.5 * picture + 0.5 * colours).astype(np.uint8)
