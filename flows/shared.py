"""What the stages that all domains share publish: metrics, DVC's plots, the registered model."""

from types import ModuleType

from flows.engine.graph.stage import Published, Registered
from tasks.learning import comparison

CURVE = Published(plots={"curve.csv": {"x": "lr", "y": "smoothed", "title": "learning rate range test"}})
HISTORY = Published(plots={"history.csv": {"x": "epoch", "y": "train_loss", "title": "training loss"}})
SCORES = Published(
    metrics=("metrics.json",),
    plots={
        "confusion.csv": {"x": "predicted", "y": "actual", "template": "confusion"},
        "confusion.png": {},
        "calibration.png": {},
    },
)

DOUBTS = Published(metrics=("audit.json",), plots={"suspects.png": {}})


def register(loader: ModuleType, explainer: ModuleType | None = None) -> Published:
    """Register an export as a version of the flow's model; the gate compares the ensemble's predictions.

    It compares them by the metric that the params name in `ensemble.metric`. `loader` is the domain's `predict` module,
    `explainer` draws which parts of a file supported the class.
    """
    return Published(model=Registered(loader, comparison, "ensemble.metric", explainer))
