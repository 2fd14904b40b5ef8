"""The stage that writes the whole ensemble as one TorchScript file, the same for every domain.

A domain has a script module, such as `tasks/audio/script.py`, named by its ensemble's section. The module's
`assemble(voters, labels, **inputs)` returns the model and an example to try it on. `inputs` are the other arguments
that the flow passes by name.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tasks.learning.ensemble import Ensemble
from tasks.report import Report
from tasks.tables import read_classes

if TYPE_CHECKING:
    from tasks.learning.networks import Buildable


def export_ensemble(
    ensemble: Path,
    fitted: list[Path],
    examples: Path,
    members: Mapping[str, Buildable],
    settings: Ensemble,
    *,
    solved: Mapping[str, Buildable] | None = None,
    out: Path,
    report: Report,
    **inputs: Any,
) -> None:
    """Write `model.pt`, which maps the inputs that the domain's `predict` reads to probabilities (batch, classes).

    `solved` are the members that a solver fits, without training. `examples` names the classes, stored in the file's
    attribute `labels`. Also writes `labels.json`, `export.json`, `example.npy` (a batch to try it on) and the other
    files that the domain's `predict` needs. Raises ExportError unless a new process that imports only torch gives the
    same probabilities to within 1e-4.
    """
    import numpy as np

    from tasks.learning.script import Export, write_model
    from tasks.learning.torchscript import check_alone, run_fresh

    export = Export(ensemble, fitted, read_classes(examples), {**members, **(solved or {})}, settings, inputs)
    probabilities = run_fresh(write_model, export, out)
    furthest = check_alone(out / "model.pt", np.load(out / "example.npy"), probabilities)
    report.say(
        "model.pt, opened by a process that imports only torch, gives the same probabilities as the networks (largest "
        f"difference {furthest:.1g})"
    )
