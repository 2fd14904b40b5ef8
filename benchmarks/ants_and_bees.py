"""Accuracy on the real ants and bees: from scratch, and from pretrained weights if a state_dict is given."""

from __future__ import annotations

from benchmarks.real_data import clone_for, find_archive, run_seeds, summarise
from benchmarks.table import Figure

SEEDS = (1, 2, 3, 4, 5)
TARGET = 0.80
TUTORIALS = "with pretrained weights, tutorials 93.5 to 96.1 %"


def measure() -> list[Figure]:
    """Run the flow with its preset for each seed; ANTS_AND_BEES is the archive's path."""
    with clone_for("images", "ants-and-bees", find_archive("ants_and_bees", "ANTS_AND_BEES")) as clone:
        mean, spread, minutes = summarise(run_seeds(clone, SEEDS))
    return [
        Figure(
            "ants and bees at 128 px from scratch, accuracy",
            f"nothing published ({TUTORIALS})",
            f"{mean:.1%} ± {spread:.1%} over {len(SEEDS)} seeds, {minutes:.1f} minutes each",
            "",
            f"{TARGET:.0%}",
            mean >= TARGET,
        )
    ]


def measure_from_weights() -> list[Figure]:
    """Fine-tune ResNet-18 for each seed; RESNET18 is the path of torchvision's state_dict."""
    row = "ants_and_bees_weights"
    archive, weights = find_archive(row, "ANTS_AND_BEES"), find_archive(row, "RESNET18")
    with clone_for("images", "ants-and-bees-finetuned", archive) as clone:
        mean, spread, minutes = summarise(run_seeds(clone, SEEDS, {"members.resnet18.weights": weights}))
    measured = f"{mean:.1%} ± {spread:.1%} over {len(SEEDS)} seeds, {minutes:.1f} minutes each"
    return [Figure(f"ants and bees from {weights.name}, accuracy", TUTORIALS, measured, "", "", True)]
