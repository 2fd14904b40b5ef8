"""Accuracy on the real ants and bees: from scratch, and from pretrained weights if a state_dict is given."""

from __future__ import annotations

from benchmarks.real_data import clone_for, find_archive, run_seeds, summarise
from benchmarks.table import Figure

SEEDS = (1, 2, 3, 4, 5)
TARGET = 0.82
WEIGHTS_TARGET = 0.97
OWN_TEST_PART = {"folds.mode": "own", "folds.n_folds": 2, "folds.valid": 0, "folds.test": 2}
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
    """Fine-tune EfficientNet-Lite0 for each seed, with the preset `photos`; ANTS_AND_BEES is the archive's path."""
    with clone_for("images", "photos", find_archive("ants_and_bees_weights", "ANTS_AND_BEES")) as clone:
        mean, spread, minutes = summarise(run_seeds(clone, SEEDS, OWN_TEST_PART))
    measured = f"{mean:.1%} ± {spread:.1%} over {len(SEEDS)} seeds, {minutes:.1f} minutes each"
    row = "ants and bees at 64, 128 and 256 px from lite0's weights, accuracy"
    return [Figure(row, TUTORIALS, measured, "", f"{WEIGHTS_TARGET:.0%}", mean >= WEIGHTS_TARGET)]
