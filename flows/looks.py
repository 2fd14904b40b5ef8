"""What of the stages that all domains share is looked at, and how DVC draws it."""

from flows.engine.stage import Look

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
