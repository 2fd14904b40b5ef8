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


def register(name: str, loader: ModuleType) -> Look:
    """Have an export registered as a version of the model `name`, judged by what the ensemble said of the test data."""
    told, test_data = ("ensemble", "test.csv"), ("download", "clean", "folds")
    return Look(model=Registered(name, loader, judge=comparison, predictions=told, data=test_data))
