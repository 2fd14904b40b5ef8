"""`make bench` runs the quick rows and prints the table of all rows; `make bench ROW=name` runs one row."""

from __future__ import annotations

import sys

from benchmarks import (
    ablation,
    ants_and_bees,
    any_sequence,
    esc10,
    imagenette,
    lr_finder,
    memory,
    nodes,
    orchestration,
    pictures_input,
    pictures_memory,
    pictures_training,
    progressive,
    readme_commands,
    replicas,
    run_memory,
    serving,
    shards,
    spectrograms,
    text_accuracy,
    text_augmentation,
    text_input,
    text_training,
    training,
)
from benchmarks.table import MissingDataError, Row, print_table, run_row
from flows.engine.names import suggest_names

USAGE = """usage: python -m benchmarks [ROW ...]     or: make bench ROW=name

Measures these rows, or the quick ones, stores their figures in benchmarks/results/, and prints the table of all rows.
A row that measures real data says which environment variable must hold the path of the data."""

ROWS = [
    Row("orchestration", orchestration.measure, 3),
    Row("nodes", nodes.measure, 12),
    Row("any_sequence", any_sequence.measure, 50),
    Row("nodes_kills", any_sequence.measure_kills, 20),
    Row("training", training.measure, 4),
    Row("spectrograms", spectrograms.measure, 0.5),
    Row("memory", memory.measure, 0.5),
    Row("run_memory", run_memory.measure, 25, ("audio", "images", "text", "text-sentiment140")),
    Row("text_input", text_input.measure, 1),
    Row("shards", shards.measure, 5),
    Row("pictures_input", pictures_input.measure, 1),
    Row("pictures_training", pictures_training.measure, 1),
    Row("replicas", replicas.measure, 2),
    Row("pictures_memory", pictures_memory.measure, 6),
    Row("text_training", text_training.measure, 5),
    Row("serving", serving.measure, 2),
    Row("text_accuracy", text_accuracy.measure, 90, ("text-sentiment140",)),
    Row("ulmfit", text_accuracy.measure_ulmfit, 50, ("text-sentiment140",)),
    Row("readme_commands", readme_commands.measure, 8),
    Row("text_augmentation", text_augmentation.measure, 3),
    Row("esc10", esc10.measure, 100, ("audio-esc10",)),
    Row("ants_and_bees", ants_and_bees.measure, 30, ("images-ants-and-bees",)),
    Row("ants_and_bees_weights", ants_and_bees.measure_from_weights, 30, ("images-photos",)),
    Row("imagenette", imagenette.measure, 80, ("images-imagenette",)),
    Row("imagenette_long", imagenette.measure_long, 100, ("images-imagenette",)),
    Row("progressive_ants", progressive.measure_ants_and_bees, 20, ("images-ants-and-bees",)),
    Row("lr_finder", lr_finder.measure_samples, 90, ("audio", "images", "text")),
    Row(
        "lr_finder_real",
        lr_finder.measure_real,
        600,
        ("audio-esc10", "images-ants-and-bees", "images-imagenette", "text-sentiment140"),
    ),
    Row("ablation_sample", ablation.measure_sample, 25, ("images",)),
    Row("ablation_ants", ablation.measure_ants_and_bees, 40, ("images-ants-and-bees",)),
]


def print_usage() -> None:
    """Print how to run the benchmarks, and each row with its minutes."""
    sys.stdout.write(f"{USAGE}\n\nrows, with their minutes on two cores (*: quick):\n")
    for row in ROWS:
        sys.stdout.write(f"{'*' if row.is_quick else ' '} {row.name:<22}{row.minutes:>6g}\n")


def main() -> None:
    """Run the named rows, or the quick ones, and print the table of all rows."""
    names = sys.argv[1:]
    if {"-h", "--help"} & set(names):
        print_usage()
        return
    known = [row.name for row in ROWS]
    if unknown := [name for name in names if name not in known]:
        more = "`python -m benchmarks --help` lists all rows"
        similar = suggest_names(unknown[0], known, listed_as="the rows are", more=more)
        sys.exit(f"error: there is no row {unknown[0]!r}; {similar}")
    chosen = [row for row in ROWS if row.name in names or (not names and row.is_quick)]
    for row in chosen:
        sys.stderr.write(f"{row.name}: about {row.minutes:g} min on two cores\n")
    for row in chosen:
        try:
            run_row(row)
        except MissingDataError as error:
            sys.stderr.write(f"{row.name}: {error}\n")
    print_table(ROWS)


if __name__ == "__main__":  # a row may start Pythons that import this module
    main()
