"""What each trick of the pictures' training brings, on the embedded sample and on ants and bees."""

from __future__ import annotations

from benchmarks.real_data import Clone, clone_for, find_archive, run_seeds, summarise
from benchmarks.table import Figure

SEEDS = (1, 2, 3)
MEMBER = "members.compactnet"
BOOK = {"without progressive resizing": "book: 1 to 2 points", "without the ensemble over sizes": "book: 1 point"}


def measure_sample() -> list[Figure]:
    """Leave out or add one trick at a time on the embedded sample."""
    with clone_for("images") as clone:
        return compare(clone, "sample")


def measure_ants_and_bees() -> list[Figure]:
    """Leave out or add one trick at a time on ants and bees; ANTS_AND_BEES is the archive's path."""
    with clone_for("images", "ants-and-bees", find_archive("ablation_ants", "ANTS_AND_BEES")) as clone:
        return compare(clone, "ants and bees")


def compare(clone: Clone, what: str) -> list[Figure]:
    """Return the accuracy as the params stand, and what each change makes of it."""
    mean, spread, _ = summarise(run_seeds(clone, SEEDS))
    figures = [Figure(f"{what}, as it stands", "", f"{mean:.1%} ± {spread:.1%} over {len(SEEDS)} seeds", "", "", True)]
    for name, changes in list_variants(clone).items():
        other, other_spread, _ = summarise(run_seeds(clone, SEEDS, changes))
        told = f"{other:.1%} ± {other_spread:.1%}"
        figures.append(
            Figure(f"{what}, {name}", BOOK.get(name, ""), told, f"{(other - mean) * 100:+.1f} points", "", True)
        )
    return figures


def list_variants(clone: Clone) -> dict[str, dict[str, object]]:
    """Return what each variant changes: a trick that is in use is left out, one that is not is tried."""
    params = clone.read_params()
    member, sizes = params["members"]["compactnet"], params["sizes"]
    epochs = sum(size["epochs"] for size in sizes.values())
    variants: dict[str, dict[str, object]] = {
        "without progressive resizing": {f"{MEMBER}.sizes": "large", "sizes.large.epochs": epochs},
        "without the ensemble over sizes" if params["ensemble"]["sizes"] == "all" else "with an ensemble over sizes": {
            "ensemble.sizes": "last" if params["ensemble"]["sizes"] == "all" else "all"
        },
    }
    for key, tried in {"mixup_alpha": 0.4, "label_smoothing": 0.1, "ema_decay": 0.99}.items():
        trick = key.rsplit("_", 1)[0].replace("_", " ")
        variants[f"without {trick}" if member[key] else f"with {trick}"] = {
            f"{MEMBER}.{key}": 0.0 if member[key] else tried
        }
    return variants
