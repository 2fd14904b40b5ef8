"""What of the stages that all domains share is looked at, and how DVC draws it."""

from flows.engine.stage import Look, Registered
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


def register(name: str) -> Look:
    """Have an export registered as a version of the model `name`, judged by what the ensemble said of the test data."""
    test_data = ("download", "clean", "folds")
    return Look(model=Registered(name, judge=comparison, predictions=("ensemble", "test.csv"), data=test_data))
