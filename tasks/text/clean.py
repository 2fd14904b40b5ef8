"""Messy rows to a clean table of tweets: what cannot be used is set aside, with the reason."""

import json
from pathlib import Path

from tasks.report import Report
from tasks.text.layout import find_layout
from tasks.text.sections import CleanTweets, Wash

__all__ = ["CleanTweets", "clean_tweets"]


def clean_tweets(archive: Path, clean: CleanTweets, *, out: Path, report: Report) -> None:
    """Write `examples.csv`, `classes.csv`, `dropped.csv`, `report.json`, `sample.csv`, `clean.json` and two plots.

    Set aside: lines that are no row, unknown labels, texts with nothing in them, doubles, texts under two labels,
    training texts that the hand-labelled file has too. Texts of the same words, retweets, and a user's texts that
    differ in one word share a group. Dates are UTC. Memory holds a few blocks of text and about 300 bytes a row.
    Raises UserError when the files are not Sentiment140's, or fewer than two classes remain.
    """
    from tasks.text.cleaned import judge_rows, write_classes, write_dropped, write_examples
    from tasks.text.describe import describe_all, draw_plots
    from tasks.text.gather import gather_rows

    with gather_rows(find_layout(archive), clean, out, report) as rows:
        cleaned = judge_rows(rows)
        told = describe_all(write_examples(cleaned, out))
        write_classes(cleaned, out)
        dropped = write_dropped(cleaned, out)
        counts = cleaned.as_report() | told.as_report()
    draw_plots(out, cleaned.balance, told)
    counts |= {"dropped": dict(dropped), "lines_encoded": dict(rows.encodings)}
    _write_json(out / "report.json", counts)
    _write_json(out / "clean.json", {name: getattr(clean, name) for name in Wash.model_fields})
    report.say(f"{len(cleaned.codes)} tweets kept, {dropped.total()} set aside (dropped.csv says why).")


def _write_json(path: Path, told: dict[str, object]) -> None:
    path.write_text(json.dumps(told, indent=2, sort_keys=True) + "\n")
