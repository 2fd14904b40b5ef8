"""`make bench` runs the quick rows and prints the table of all rows; `make bench ROW=name` runs one row."""

from __future__ import annotations

import sys

from benchmarks import (
    ablation,
    ants_and_bees,
    esc10,
    imagenette,
    lr_finder,
    memory,
    orchestration,
    pictures_input,
    pictures_memory,
    pictures_training,
    progressive,
    readme_commands,
    run_memory,
    serving,
    spectrograms,
    text_accuracy,
    text_augmentation,
    text_input,
    text_training,
    training,
)
from benchmarks.table import MissingDataError, Row, print_table, run_row

ROWS = [
    Row("orchestration", orchestration.measure, quick=True),
    Row("training", training.measure, quick=True),
    Row("spectrograms", spectrograms.measure, quick=True),
    Row("memory", memory.measure, quick=True),
    Row("run_memory", run_memory.measure, quick=False),
    Row("text_input", text_input.measure, quick=True),
    Row("pictures_input", pictures_input.measure, quick=False),
    Row("pictures_training", pictures_training.measure, quick=True),
    Row("pictures_memory", pictures_memory.measure, quick=False),
    Row("text_training", text_training.measure, quick=False),
    Row("serving", serving.measure, quick=True),
    Row("text_accuracy", text_accuracy.measure, quick=False),
    Row("readme_commands", readme_commands.measure, quick=False),
    Row("text_augmentation", text_augmentation.measure, quick=False),
    Row("esc10", esc10.measure, quick=False),
    Row("ants_and_bees", ants_and_bees.measure, quick=False),
    Row("ants_and_bees_weights", ants_and_bees.measure_from_weights, quick=False),
    Row("imagenette", imagenette.measure, quick=False),
    Row("imagenette_long", imagenette.measure_long, quick=False),
    Row("progressive_ants", progressive.measure_ants_and_bees, quick=False),
    Row("lr_finder", lr_finder.measure_samples, quick=False),
    Row("lr_finder_real", lr_finder.measure_real, quick=False),
    Row("ablation_sample", ablation.measure_sample, quick=False),
    Row("ablation_ants", ablation.measure_ants_and_bees, quick=False),
]


def main() -> None:
    """Run the named rows, or the quick ones, and print the table of all rows."""
    names = sys.argv[1:]
    if unknown := set(names) - {row.name for row in ROWS}:
        sys.exit(f"error: there is no row {unknown.pop()!r}; the rows are {', '.join(row.name for row in ROWS)}")
    for row in ROWS:
        if row.name in names or (not names and row.quick):
            try:
                run_row(row)
            except MissingDataError as error:
                sys.stderr.write(f"{row.name}: {error}\n")
    print_table(ROWS)


main()
