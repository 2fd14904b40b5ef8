"""Make a clean table of an archive of sounds; unusable clips are set aside with the reason.

Each shard of the archive is checked by a stage of its own; one stage then makes the table of what they found.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

from pydantic import Field

from tasks.audio.layout import Clip, find_layout
from tasks.audio.sounds import SUFFIXES, Sound, inspect_sounds
from tasks.class_folders import shorten
from tasks.clean_table import Dropped, count_kinds, write_examples, write_summary
from tasks.errors import UserError
from tasks.files import File, choose_shard, list_shard, list_shards
from tasks.report import Report
from tasks.section import Section
from tasks.shard_tables import read_checked, write_checked, write_kept

CLIP_COLUMNS = (
    "example", "file", "fold", "split", "label", "category", "group", "duration_s", "sample_rate_hz", "channels",
)  # fmt: skip


class Clean(Section):
    """The conditions that a usable clip meets, and how its silent ends are cut where it is read."""

    silence_db: float = Field(ge=-200, le=0, description="a clip whose loudest sample is below this is silent, dBFS")
    trim_db: float = Field(
        ge=0, le=200, description="at its ends, what is so much softer than the loudest is cut; 0: nothing"
    )
    only_esc10: bool = Field(description="use only the rows that the column esc10 marks")


@dataclass(frozen=True)
class Row:
    """A clip of the source, with its inspected sound file."""

    clip: Clip
    sound: Sound

    @property
    def file(self) -> File:
        """Its file; a clip that is kept has one."""
        assert self.clip.file is not None
        return self.clip.file


def check_clips(shard: Path, *, out: Path, report: Report) -> None:
    """Write what each sound file of a shard contains: every file is decoded completely."""
    files = [file for file in list_shard(shard) if file.path.suffix.lower() in SUFFIXES]
    write_checked(out, files, inspect_sounds(files, report))


def clean_clips(archive: Path, checked: list[Path], clean: Clean, *, out: Path, report: Report) -> None:
    """Write `examples.csv`, `classes.csv`, `dropped.csv`, `report.json`, `balance.png` and `durations.png`.

    `archive` is the folder of the shards, `checked` what `check_clips` wrote of each. For each shard the names of its
    usable sounds are written too, `kept-N.csv`; the examples stand in their order. Set aside are files that are
    missing, no sound, empty, silent, not finite, duplicates of an earlier file, under two labels, or named twice, and
    rows whose target is no whole number from 0 or contradicts the category. Raises UserError when a column is missing,
    or when no clip, or none of some class, is usable.
    """
    shards = list_shards(archive)
    layout = find_layout(list(chain.from_iterable(shards)), only_esc10=clean.only_esc10)
    for remark in layout.remarks:
        report.say(remark)
    sounds = read_checked(checked, Sound, (clip.file for clip in layout.clips if clip.file))
    rows = [Row(clip, sounds[clip.file.name] if clip.file else Sound()) for clip in layout.clips]
    kept, dropped = _split_usable(rows, clean)
    _check_classes(rows, kept, dropped)
    kept.sort(key=lambda row: choose_shard(row.file.name, len(shards)))
    _write_tables(out, kept, dropped)
    write_kept(out, [row.file for row in kept], len(shards))
    _draw_plots(out, kept)
    cut = sum(row.sound.is_cut for row in kept)
    note = f" {cut} of them are cut: their headers claim more samples." if cut else ""
    report.say(f"{len(kept)} clips kept, {len(dropped)} set aside (dropped.csv says why).{note}")


def _split_usable(rows: Sequence[Row], clean: Clean) -> tuple[list[Row], list[Dropped]]:
    meanings = find_meanings(row.clip for row in rows)
    reasons = [find_fault(row.clip, meanings) or _find_sound_fault(row.sound, clean) for row in rows]
    usable = [number for number, reason in enumerate(reasons) if not reason]
    for number, reason in _find_repeats([rows[number] for number in usable]).items():
        reasons[usable[number]] = reason
    pairs = list(zip(rows, reasons, strict=True))
    return [row for row, reason in pairs if not reason], [Dropped(row.clip.name, why) for row, why in pairs if why]


def _find_repeats(rows: Sequence[Row]) -> dict[int, str]:
    """Return the rows whose samples another row has too, with the reason: all of them, if their classes differ."""
    same = defaultdict(list)
    for number, row in enumerate(rows):
        same[row.sound.digest].append(number)
    reasons = {}
    for numbers in same.values():
        first, *others = (rows[number].clip for number in numbers)
        other = next((clip for clip in others if clip.category != first.category), None)
        for number in numbers if other else numbers[1:]:
            clip = rows[number].clip
            if other:
                twin = other if clip.category == first.category else first
                reasons[number] = f"under two labels: the same samples as {twin.name} ({twin.category})"
            elif clip.name == first.name:
                reasons[number] = "named twice"
            else:
                where = f"{first.category}, fold {first.fold or 'none'}"
                reasons[number] = f"duplicate: the same samples as {first.name} ({where})"
    return reasons


def find_meanings(clips: Iterable[Clip]) -> set[tuple[str, str]]:
    """Return the pairs (target, category) that are each other's most frequent partner."""
    pairs = Counter((clip.target, clip.category) for clip in clips)
    ranked = sorted(pairs, key=lambda pair: (-pairs[pair], pair))
    of_target: dict[str, str] = {}
    of_category: dict[str, str] = {}
    for target, category in ranked:
        of_target.setdefault(target, category)
        of_category.setdefault(category, target)
    return {pair for pair in ranked if of_target[pair[0]] == pair[1] and of_category[pair[1]] == pair[0]}


def find_fault(clip: Clip, meanings: set[tuple[str, str]]) -> str:
    """Return why the source's data about a clip are wrong, or ""."""
    if clip.fault:
        return clip.fault
    if not (clip.target.isascii() and clip.target.isdigit()):
        return f"label outside the classes: target {clip.target!r} is no whole number from 0"
    if (clip.target, clip.category) not in meanings:
        return f"label outside the classes: target {clip.target} and category {clip.category!r} contradict other rows"
    if clip.fold and not (clip.fold.isascii() and clip.fold.isdigit()):
        return f"fold {clip.fold!r} is no whole number"
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
    all_classes = {category for _, category in find_meanings(row.clip for row in rows) if category}
    lost_classes = sorted(all_classes - {row.clip.category for row in kept})
    if lost_classes:
        first = next(
            drop
            for row in rows
            for drop in dropped
            if row.clip.category == lost_classes[0] and drop.file == row.clip.name
        )
        raise UserError(
            f"No clip of class {shorten(lost_classes)} is usable (for example {first.file}: {first.reason}). "
            "Repair those files, or remove the class from the source."
        )


def _write_tables(out: Path, kept: Sequence[Row], dropped: Sequence[Dropped]) -> None:
    targets = sorted({(int(row.clip.target), row.clip.category) for row in kept})
    balance = Counter(row.clip.category for row in kept)
    classes = [{"category": name, "target": target, "examples": balance[name]} for target, name in targets]
    write_examples(out, CLIP_COLUMNS, (_describe_clip(row) for row in kept), classes)
    write_summary(out, classes, dropped, _count(kept))


def _describe_clip(row: Row) -> dict[str, object]:
    return {
        "file": row.file.name,
        "fold": row.clip.fold,
        "split": row.clip.split,
        "category": row.clip.category,
        "group": row.clip.group,
        "duration_s": f"{row.sound.duration_s:.4f}",
        "sample_rate_hz": row.sound.sample_rate_hz,
        "channels": row.sound.channels,
    }


def _count(kept: Sequence[Row]) -> dict[str, object]:
    durations = sorted(row.sound.duration_s for row in kept)
    return {
        "channels": dict(Counter(str(row.sound.channels) for row in kept)),
        "cut": sum(row.sound.is_cut for row in kept),
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

    balance = Counter(row.clip.category for row in kept)
    plot_bars(out / "balance.png", dict(sorted(balance.items())), title="Clips of each class", y_label="clips")
    durations = [row.sound.duration_s for row in kept]
    plot_histogram(out / "durations.png", durations, title="How long the clips are", x_label="seconds")
