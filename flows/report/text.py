"""The report of a run of the text flow."""

from __future__ import annotations

from collections.abc import Iterator

from flows.engine.drivers.record import FlowRecord
from flows.report.blocks import Block, Chapter, Chart, Exhibit, Gallery, Table
from flows.report.charts import draw_bars
from flows.report.frame import render_run
from flows.report.labels import describe_doubt, show_labels
from flows.report.training import show_training
from tasks.tables import read_rows
from tasks.text.ngrams import fit_ngrams
from tasks.text.slices import score_slices

SHOWN = 24
PHRASES = 12  # per class


def render_report(record: FlowRecord) -> str:
    """Return the report of a run as HTML."""
    doubts = show_labels(record, lambda row: describe_doubt(row, text=row["text"]), shown=SHOWN)
    examples = Chapter("Examples", (*_draw_slices(record), *_list_phrases(record), *_show_tweets(record), *doubts))
    return render_run(record, training=show_training(record), examples=examples)


def _draw_slices(record: FlowRecord) -> Iterator[Block]:
    folder = record.folder(score_slices)
    if folder is None:
        return
    rows = [
        {"slice": row["slice"], "accuracy": float(row["accuracy"]), "tweets": int(row["examples"])}
        for row in read_rows(folder / "slices.csv")
    ]
    bars = draw_bars(rows, name="slice", value="accuracy", tooltip=("tweets",), scale={"domain": [0, 1]})
    yield Chart("Accuracy by kind of tweet", bars)


def _show_tweets(record: FlowRecord) -> Iterator[Block]:
    folder = record.folder(score_slices)
    if folder is None:
        return
    worst = [
        Exhibit(row["actual"], row["predicted"], f"{float(row['confidence']):.0%}", text=row["text"])
        for row in read_rows(folder / "worst.csv")[:SHOWN]
    ]
    if worst:
        note = "most confident errors; bold: actual class, then predicted class"
        yield Gallery("Worst errors", worst, note=note)


def _list_phrases(record: FlowRecord) -> Iterator[Block]:
    """Yield the n-grams with the largest weights, of the last n-gram model."""
    fits = list(record.find(fit_ngrams))
    if not fits:
        return
    fit, folder = fits[-1]
    classes: dict[str, list[str]] = {}
    for row in read_rows(folder / "heaviest.csv"):
        classes.setdefault(row["category"], []).append(row["ngram"])
    rows = [[name, ", ".join(phrases[:PHRASES])] for name, phrases in classes.items()]
    title = f"Largest weights in {fit.label}"
    yield Table(("class", "words and phrases"), rows, title=title, wide=False)
