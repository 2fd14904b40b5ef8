"""Progressive resizing compared with training at the last size only, on real pictures: time and accuracy."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from benchmarks.real_data import SEEDS, Clone, FlowResult, clone_for, find_archive, run_seeds, summarise
from benchmarks.table import Figure

TARGET = 1.5
PUBLISHED = "fastxtend publishes 1.46 to 1.63"
# Larger pictures than in the preset, for a fifth of its epochs: a picture of 256 px takes four times as long as one of
# 128 px.
LARGE: dict[str, object] = {
    **{f"sizes.{name}.pixels": pixels for name, pixels in (("small", 64), ("medium", 128), ("large", 256))},
    **{f"sizes.{name}.epochs": epochs for name, epochs in (("small", 20), ("medium", 10), ("large", 10))},
}


def measure_ants_and_bees() -> list[Figure]:
    """Compare on ants and bees; ANTS_AND_BEES is the archive's path."""
    with clone_for("images", "ants-and-bees", find_archive("progressive_ants", "ANTS_AND_BEES")) as clone:
        results = run_seeds(clone, SEEDS, LARGE)
        return [compare_with_last_size(clone, "ants and bees, 64 to 256 px", results, LARGE)]


def compare_with_last_size(
    clone: Clone, what: str, results: Sequence[FlowResult], changes: dict[str, object]
) -> Figure:
    """Compare the results of all sizes with those of the last size only, trained for as many epochs.

    The accuracy counts as equal if the difference is below the spread of either.
    """
    last = run_seeds(clone, SEEDS, changes | learn_at_last_size(clone.read_params(changes)))
    mean, spread, minutes = summarise(results)
    mean_last, spread_last, minutes_last = summarise(last)
    ratio = minutes_last / minutes
    return Figure(
        f"{what}, progressive resizing, {len(SEEDS)} seeds",
        f"last size only {minutes_last:.1f} minutes, {mean_last:.1%} ± {spread_last:.1%}; {PUBLISHED}",
        f"{minutes:.1f} minutes, {mean:.1%} ± {spread:.1%}",
        f"{ratio:.2f}",
        f"{TARGET}, as accurate",
        ratio >= TARGET and mean >= mean_last - max(spread, spread_last),
    )


def learn_at_last_size(params: dict[str, Any]) -> dict[str, object]:
    """Return the params with which every member learns only at the last size, for as many epochs as at all sizes."""
    sizes = params["sizes"]
    epochs = sum(size["epochs"] for size in sizes.values())
    return {f"members.{name}.sizes": list(sizes)[-1] for name in params["members"]} | {
        f"sizes.{list(sizes)[-1]}.epochs": epochs
    }
