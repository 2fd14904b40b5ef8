"""What each technique of the pictures' training contributes, on the embedded sample and on ants and bees."""

from __future__ import annotations

from typing import Any

from benchmarks.progressive import learn_at_last_size
from benchmarks.real_data import SEEDS, Clone, clone_for, find_archive, run_seeds, summarise
from benchmarks.table import Figure

# The key of each technique, and the value to try where it is not in use.
TECHNIQUES = {"mixup": ("mixup_alpha", 0.4), "label smoothing": ("label_smoothing", 0.1), "EMA": ("ema_decay", 0.99)}
# Two fifths of the preset's epochs, so that all variants with three seeds each take less than an hour.
SHORT: dict[str, object] = {"sizes.small.epochs": 40, "sizes.medium.epochs": 20, "sizes.large.epochs": 20}
BOOK = {"without progressive resizing": "book: 1 to 2 points", "without the ensemble over sizes": "book: 1 point"}


def measure_sample() -> list[Figure]:
    """Leave out or add one technique at a time on the embedded sample."""
    with clone_for("images") as clone:
        return compare(clone, "sample", {})


def measure_ants_and_bees() -> list[Figure]:
    """Leave out or add one technique at a time on ants and bees; ANTS_AND_BEES is the archive's path."""
    with clone_for("images", "ants-and-bees", find_archive("ablation_ants", "ANTS_AND_BEES")) as clone:
        return compare(clone, "ants and bees", SHORT)


def compare(clone: Clone, what: str, given: dict[str, object]) -> list[Figure]:
    """Return the accuracy with the given values, and the accuracy after each change."""
    mean, spread, _ = summarise(run_seeds(clone, SEEDS, given))
    figures = [Figure(f"{what}, as it stands", "", f"{mean:.1%} ± {spread:.1%} over {len(SEEDS)} seeds", "", "", True)]
    for name, changes in list_variants(clone.read_params(given)).items():
        other, other_spread, _ = summarise(run_seeds(clone, SEEDS, given | changes))
        measured = f"{other:.1%} ± {other_spread:.1%}"
        figures.append(
            Figure(f"{what}, {name}", BOOK.get(name, ""), measured, f"{(other - mean) * 100:+.1f} points", "", True)
        )
    return figures


def list_variants(params: dict[str, Any]) -> dict[str, dict[str, object]]:
    """Return what each variant changes: it leaves out a technique that is in use, or adds one that is not."""
    members, all_sizes = params["members"], params["ensemble"]["sizes"] == "all"
    ensemble = "without the ensemble over sizes" if all_sizes else "with an ensemble over sizes"
    variants: dict[str, dict[str, object]] = {
        "without progressive resizing": learn_at_last_size(params),
        ensemble: {"ensemble.sizes": "last" if all_sizes else "all"},
    }
    for name, (key, tried) in TECHNIQUES.items():
        is_used = any(member[key] for member in members.values())
        variants[f"{'without' if is_used else 'with'} {name}"] = {
            f"members.{member}.{key}": 0.0 if is_used else tried for member in members
        }
    return variants
