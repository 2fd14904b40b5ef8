"""Imagenette at 128 px from scratch: the accuracy, and what progressive resizing saves."""

from __future__ import annotations

from benchmarks.progressive import compare_with_last_size
from benchmarks.real_data import SEEDS, clone_for, find_archive, run_seeds, summarise
from benchmarks.table import Figure

TARGET, LONG_TARGET, BUDGET_MIN = 0.85, 0.905, 12
# Four times the preset's epochs at each size.
LONG: dict[str, object] = {"sizes.small.epochs": 8, "sizes.medium.epochs": 4, "sizes.large.epochs": 8}
PUBLISHED = "leaderboard {} % (larger network, on a GPU)"


def measure() -> list[Figure]:
    """Run the flow with its preset for each seed; IMAGENETTE is the archive's path."""
    with clone_for("images", "imagenette", find_archive("imagenette", "IMAGENETTE")) as clone:
        results = run_seeds(clone, SEEDS)
        progressive = compare_with_last_size(clone, "Imagenette up to 128 px", results, {})
    mean, spread, minutes = summarise(results)
    measured = f"{mean:.1%} ± {spread:.1%} over {len(SEEDS)} seeds"
    name = "Imagenette, 5 epochs up to 128 px, accuracy"
    return [
        Figure(name, PUBLISHED.format("87.43"), measured, "", f"{TARGET:.0%}", mean >= TARGET),
        Figure("its training, minutes", "", f"{minutes:.1f}", "", f"{BUDGET_MIN}", minutes <= BUDGET_MIN),
        progressive,
    ]


def measure_long() -> list[Figure]:
    """Run the flow for 20 epochs for each seed; IMAGENETTE is the archive's path."""
    with clone_for("images", "imagenette", find_archive("imagenette_long", "IMAGENETTE")) as clone:
        mean, spread, minutes = summarise(run_seeds(clone, SEEDS, LONG))
    measured = f"{mean:.1%} ± {spread:.1%} over {len(SEEDS)} seeds, {minutes:.0f} minutes each"
    name = "Imagenette, 20 epochs up to 128 px, accuracy"
    return [Figure(name, PUBLISHED.format("91.57"), measured, "", f"{LONG_TARGET:.1%}", mean >= LONG_TARGET)]
