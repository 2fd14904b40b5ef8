"""What of the stages that all domains share is looked at, and how DVC draws it."""

from types import ModuleType

from flows.engine.graph.stage import Look, Registered
from tasks.learning import comparison

CURVE = Look(plots={"curve.csv": {"x": "lr", "y": "smoothed", "title": "learning rate range test"}})
HISTORY = Look(plots={"history.csv": {"x": "epoch", "y": "train_loss", "title": "training loss"}})
SCORES = Look(
    metrics=("metrics.json",),
    plots={
        "confusion.csv": {"x": "predicted", "y": "actual", "template": "confusion"},
        "confusion.png": {},
        "calibration.png": {},
    },
)


def register(loader: ModuleType, explainer: ModuleType | None = None) -> Look:
    """Have an export registered as a version of the flow's model, judged by the ensemble's predictions.

    `loader` is the domain's `predict`, `explainer` draws what in a file spoke for the class.
    """
    return Look(model=Registered(loader, comparison, explainer))
