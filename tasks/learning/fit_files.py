"""The files of a fit, which the ensemble and the export read."""

from dataclasses import replace
from pathlib import Path

from torch import nn

from tasks.learning.checkpoints import save_to_bytes
from tasks.learning.fitted import Fit, write_fit
from tasks.learning.lesson import Lesson
from tasks.learning.loop import Trained
from tasks.learning.plots import draw_activations, draw_history
from tasks.learning.predict import predict_examples
from tasks.learning.predictions import write_predictions


def write_fit_files(out: Path, network: nn.Module, lesson: Lesson, trained: Trained, fit: Fit) -> None:
    """Write `state_dict.pt`, history, activations, predictions of the valid and test parts, and `fit.json`."""
    network.load_state_dict(trained.weights)
    (out / "state_dict.pt").write_bytes(save_to_bytes(trained.weights))
    draw_training(out, trained)
    for part, examples in (("valid", lesson.parts.valid), ("test", lesson.parts.test)):
        if examples is not None:
            write_predictions(out / f"{part}.csv", predict_examples(network, examples, lesson))
    write_fit(out, replace(fit, arithmetic=trained.arithmetic))


def draw_training(out: Path, trained: Trained) -> None:
    """Write `history.csv`, `activations.csv` and a plot of each."""
    draw_history(out, trained.history)
    draw_activations(out, trained.activations)
