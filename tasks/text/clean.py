"""Raw rows to a clean table of tweets; unusable rows are set aside, with the reason."""

import json
from pathlib import Path

from tasks.clean_table import write_summary
from tasks.report import Report
from tasks.text.layout import find_layout
from tasks.text.sections import CleanTweets, NormaliseText

DROPPED_COLUMNS = ("file", "row", "reason", "text")


def clean_tweets(archive: Path, clean: CleanTweets, *, out: Path, report: Report) -> None:
    """Write `examples.csv`, `classes.csv`, `dropped.csv`, `report.json`, `sample.csv`, `clean.json` and two plots.

    Set aside are lines that are no row, unknown labels, empty texts, repeated texts, texts with two labels, and
    training texts that are also in the hand-labelled file. Texts with the same words, retweets, and a user's texts
    that differ in one word share a group. Dates are UTC. Memory holds a few blocks of text and about 300 bytes per row.
    Raises UserError when there is no table of labelled texts, or fewer than two classes remain.
    """
    from tasks.text.cleaned import drop_repeats, list_dropped, write_examples
    from tasks.text.describe import describe_all, draw_plots
    from tasks.text.gather import gather_rows
    from tasks.text.labels import find_labels

    layout = find_layout(archive, clean)
    for table in layout.tables:
        report.say(f"{table.split}: {table.describe()}")
    for name, reason in layout.ignored.items():
        report.say(f"{name} is not read: {reason}")
    with gather_rows(layout, find_labels(layout, clean), clean, out=out, report=report) as rows:
        cleaned = drop_repeats(rows)
        texts = describe_all(write_examples(cleaned, out))
        dropped = list_dropped(cleaned)
        counts = cleaned.count() | texts.count() | {"lines_encoded": dict(rows.encodings)}
    classes = [{"category": name, "examples": count} for name, count in cleaned.balance.items()]
    write_summary(out, classes, dropped, counts, dropped_columns=DROPPED_COLUMNS)
    draw_plots(out, cleaned.balance, texts)
    settings = {name: getattr(clean, name) for name in NormaliseText.model_fields}
    (out / "clean.json").write_text(json.dumps(settings, indent=2, sort_keys=True) + "\n")
    report.say(f"{len(cleaned.codes)} tweets kept, {len(dropped)} set aside (dropped.csv says why).")
