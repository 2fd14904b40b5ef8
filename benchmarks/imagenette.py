"""Accuracy on the real Imagenette at 128 px from scratch, nothing pretrained."""

from __future__ import annotations

from benchmarks.real_data import clone_for, find_archive, run_seeds, summarise
from benchmarks.table import Figure

SEEDS = (1, 2, 3)
TARGET, BUDGET_MIN = 0.83, 12
# Four times as long at each size.
LONG: dict[str, object] = {"sizes.small.epochs": 8, "sizes.medium.epochs": 4, "sizes.large.epochs": 8}
PUBLISHED = "larger network, on a GPU"


def measure() -> list[Figure]:
    """Run the flow with its preset for each seed, then once for 20 epochs; IMAGENETTE is the archive's path."""
    with clone_for("images", "imagenette", find_archive("imagenette", "IMAGENETTE")) as clone:
        short = run_seeds(clone, SEEDS)
        longer = clone.run(LONG)
    mean, spread, minutes = summarise(short)
    return [
        Figure(
            "Imagenette, 5 epochs up to 128 px, accuracy",
            f"leaderboard 87.43 % ({PUBLISHED})",
            f"{mean:.1%} ± {spread:.1%} over {len(SEEDS)} seeds",
            "",
            f"{TARGET:.0%}",
            mean >= TARGET,
        ),
        Figure("its training, minutes", "", f"{minutes:.1f}", "", f"{BUDGET_MIN}", minutes <= BUDGET_MIN),
        Figure(
            "Imagenette, 20 epochs up to 128 px, accuracy",
            f"leaderboard 91.57 % ({PUBLISHED})",
            f"{longer.figures['accuracy']:.1%} (one seed), {longer.minutes:.0f} minutes",
            "",
            "",
            True,
        ),
    ]
