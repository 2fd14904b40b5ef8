"""Make a clean table of the archive's list of clips; unusable clips are set aside with the reason."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from pydantic import Field

from tasks.audio.sounds import Sound, inspect_sounds
from tasks.clean_table import Dropped, count_kinds, write_examples, write_summary
from tasks.errors import UserError
from tasks.report import Report
from tasks.section import Section
from tasks.tables import read_rows

REQUIRED = ("filename", "target", "category", "src_file")
CLIP_COLUMNS = (
    "example", "file", "fold", "label", "category", "group", "duration_s", "sample_rate_hz", "channels",
)  # fmt: skip


class Clean(Section):
    """The conditions that a usable clip meets."""

    silence_db: float = Field(ge=-200, le=0, description="a clip whose loudest sample is below this is silent, dBFS")
    only_esc10: bool = Field(description="use only the rows that the column esc10 marks")


@dataclass(frozen=True)
class Row:
    """One row of the archive's table, with its inspected sound file."""

    name: str
    fold: str
    target: str
    category: str
    group: str
    sound: Sound


def clean_clips(archive: Path, clean: Clean, *, out: Path, report: Report) -> None:
    """Write `examples.csv`, `classes.csv`, `dropped.csv`, `report.json`, `balance.png` and `durations.png`.

    Every file is decoded completely. Set aside are files that are missing, no sound, empty, silent, duplicates of an
    earlier file, or named twice, and rows whose target is no whole number from 0 or contradicts the category. Raises
    UserError when a column is missing, or when no clip, or none of some class, is usable.
    """
    root = find_root(archive)
    listed = read_rows(root / "meta" / "esc50.csv", (*REQUIRED, *(["esc10"] if clean.only_esc10 else [])))
    if clean.only_esc10:
        listed = [row for row in listed if row["esc10"].strip().lower() in ("true", "1")]
    names = [row["filename"] for row in listed]
    sounds = inspect_sounds([root / "audio" / name for name in names], report)
    rows = [_make_row(row, sound) for row, sound in zip(listed, sounds, strict=True)]
    kept, dropped = _split_usable(rows, clean)
    _check_classes(rows, kept, dropped)
    _write_tables(out, root.relative_to(archive) / "audio", kept, dropped)
    _draw_plots(out, kept)
    report.say(f"{len(kept)} clips kept, {len(dropped)} set aside (dropped.csv says why).")


def find_root(archive: Path) -> Path:
    """Return the folder of an unpacked archive that holds `meta/esc50.csv`; raises UserError unless there is one."""
    roots = sorted(path.parent.parent for path in archive.rglob("meta/esc50.csv"))
    if len(roots) != 1:
        contents = ", ".join(sorted(path.name for path in archive.iterdir())[:5]) or "nothing"
        raise UserError(
            f"The archive holds {len(roots)} files meta/esc50.csv (at its top: {contents}). It must hold exactly one, "
            "beside a folder audio/. Set source.archive to an archive in ESC-50's layout."
        )
    return roots[0]


def _make_row(row: dict[str, str], sound: Sound) -> Row:
    fold = row.get("fold", "").strip()
    return Row(row["filename"], fold, row["target"].strip(), row["category"], row["src_file"], sound)


def _split_usable(rows: Sequence[Row], clean: Clean) -> tuple[list[Row], list[Dropped]]:
    kept: list[Row] = []
    dropped: list[Dropped] = []
    names: set[str] = set()
    samples: dict[str, Row] = {}
    meanings = _find_meanings(rows)
    for row in rows:
        reason = (
            "named twice"
            if row.name in names
            else _find_row_fault(row, meanings) or _find_sound_fault(row.sound, clean)
        )
        names.add(row.name)
        original = samples.setdefault(row.sound.digest, row) if not reason else row
        if original is not row:
            reason = (
                f"duplicate: the same samples as {original.name} ({original.category}, fold {original.fold or 'none'})"
            )
        if reason:
            dropped.append(Dropped(row.name, reason))
        else:
            kept.append(row)
    return kept, dropped


def _find_meanings(rows: Sequence[Row]) -> set[tuple[str, str]]:
    """Return the pairs (target, category) that are each other's most frequent partner."""
    pairs = Counter((row.target, row.category) for row in rows)
    ranked = sorted(pairs, key=lambda pair: (-pairs[pair], pair))
    of_target: dict[str, str] = {}
    of_category: dict[str, str] = {}
    for target, category in ranked:
        of_target.setdefault(target, category)
        of_category.setdefault(category, target)
    return {pair for pair in ranked if of_target[pair[0]] == pair[1] and of_category[pair[1]] == pair[0]}


def _find_row_fault(row: Row, meanings: set[tuple[str, str]]) -> str:
    if not (row.target.isascii() and row.target.isdigit()):
        return f"label outside the classes: target {row.target!r} is no whole number from 0"
    if (row.target, row.category) not in meanings:
        return f"label outside the classes: target {row.target} and category {row.category!r} contradict other rows"
    if row.fold and not (row.fold.isascii() and row.fold.isdigit()):
        return f"fold {row.fold!r} is no whole number"
    if "/" in row.name or "\\" in row.name or not row.name:
        return "missing: the name is no file of the folder audio/"
    return ""


def _find_sound_fault(sound: Sound, clean: Clean) -> str:
    if sound.fault:
        return sound.fault
    if sound.frames == 0:
        return "empty: no samples"
    if sound.peak_db < clean.silence_db:
        return f"silent: its loudest sample is {sound.peak_db:.1f} dB, below silence_db {clean.silence_db:g}"
    return ""


def _check_classes(rows: Sequence[Row], kept: Sequence[Row], dropped: Sequence[Dropped]) -> None:
    if not kept:
        kinds = count_kinds(dropped).most_common()
        counts = ", ".join(f"{count} {kind}" for kind, count in kinds) or "the table has no rows"
        example = f"; for example {dropped[0].file}: {dropped[0].reason}" if dropped else ""
        raise UserError(
            f"None of the {len(rows)} clips is usable ({counts}{example}). "
            "Repair the archive, or lower clean.silence_db."
        )
    all_classes = {row.category for row in rows if (row.target, row.category) in _find_meanings(rows)}
    lost_classes = sorted(all_classes - {row.category for row in kept})
    if lost_classes:
        first = next(
            drop for row in rows for drop in dropped if row.category == lost_classes[0] and drop.file == row.name
        )
        raise UserError(
            f"No clip of class {', '.join(lost_classes)} is usable (for example {first.file}: {first.reason}). "
            "Repair those files, or remove the class from meta/esc50.csv."
        )


def _write_tables(out: Path, folder: Path, kept: Sequence[Row], dropped: Sequence[Dropped]) -> None:
    targets = sorted({(int(row.target), row.category) for row in kept})
    balance = Counter(row.category for row in kept)
    classes = [{"category": name, "target": target, "examples": balance[name]} for target, name in targets]
    write_examples(out, CLIP_COLUMNS, (_describe_clip(row, folder) for row in kept), classes)
    write_summary(out, classes, dropped, _count(kept))


def _describe_clip(row: Row, folder: Path) -> dict[str, object]:
    return {
        "file": (folder / row.name).as_posix(),
        "fold": row.fold,
        "category": row.category,
        "group": row.group,
        "duration_s": f"{row.sound.duration_s:.4f}",
        "sample_rate_hz": row.sound.sample_rate_hz,
        "channels": row.sound.channels,
    }


def _count(kept: Sequence[Row]) -> dict[str, object]:
    durations = sorted(row.sound.duration_s for row in kept)
    return {
        "channels": dict(Counter(str(row.sound.channels) for row in kept)),
        "sample_rate_hz": dict(Counter(str(row.sound.sample_rate_hz) for row in kept)),
        "duration_s": {
            "shortest": round(durations[0], 4),
            "median": round(durations[len(durations) // 2], 4),
            "longest": round(durations[-1], 4),
            "all": round(sum(durations), 2),
        },
    }


def _draw_plots(out: Path, kept: Sequence[Row]) -> None:
    from tasks.plots import plot_bars, plot_histogram

    balance = Counter(row.category for row in kept)
    plot_bars(out / "balance.png", dict(sorted(balance.items())), title="Clips of each class", y_label="clips")
    durations = [row.sound.duration_s for row in kept]
    plot_histogram(out / "durations.png", durations, title="How long the clips are", x_label="seconds")
