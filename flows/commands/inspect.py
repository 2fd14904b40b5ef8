"""What trifold sees in a file or folder before anything runs, and the command that runs a flow on it."""

from __future__ import annotations

import importlib
import json
import re
import shlex
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML, YAMLError

from flows.commands.tables import format_size
from flows.engine.errors import EngineError
from flows.engine.graph.overrides import read_changed
from flows.engine.graph.params import Params, dig
from flows.engine.project import ROOT
from tasks.archives import unpack_archive
from tasks.audio.sounds import SUFFIXES as SOUNDS
from tasks.class_folders import shorten
from tasks.errors import UserError
from tasks.images.addresses import COLUMNS as ADDRESSES
from tasks.images.pictures import SUFFIXES as PICTURES
from tasks.report import Report, Silent
from tasks.source_tables import list_tables, read_header, read_source_table
from tasks.survey import Survey, list_examples

MAX_BYTES = 1 << 40
MAX_CLASSES = 20  # that are listed one by one
LEAST_EXAMPLES = 3  # of a class: one each for training, validation and test


@dataclass(frozen=True)
class Domain:
    """A flow for one kind of data: the preset for data of this size, and the function that surveys a folder of it."""

    flow: str
    preset: str
    survey: str

    def load(self) -> Callable[[Path, Any], Survey]:
        """Import the function that surveys a folder."""
        module, name = self.survey.rsplit(".", 1)
        found: Callable[[Path, Any], Survey] = getattr(importlib.import_module(module), name)
        return found

    def find_preset(self) -> str:
        """Return the preset if the project has it, else ""."""
        return self.preset if (ROOT / f"params/presets/{self.flow}-{self.preset}.yaml").is_file() else ""


IMAGES = Domain("images", "photos", "tasks.images.survey.survey_pictures")
AUDIO = Domain("audio", "esc50", "tasks.audio.survey.survey_sounds")
TEXT = Domain("text", "sentiment140", "tasks.text.survey.survey_texts")


def inspect_path(path: Path) -> list[str]:
    """Return lines that say what a file or folder holds, what a run would set aside, and the command of the run.

    An archive is unpacked into a temporary folder. Raises EngineError or UserError when nothing is recognised.
    """
    if not path.exists():
        raise EngineError(f"{path} does not exist: give the path of a folder, an archive or a table")
    wanted: dict[str, object] = {"source.archive": str(path), "source.digest": ""}
    opening = _Opening()
    with _open(path, opening) as folder:
        files = [each for each in folder.rglob("*") if each.is_file() and not each.name.startswith(".")]
        size_mb = sum(each.stat().st_size for each in files) / 1e6
        head = _describe_size(path, files)
        if table := _find_addresses(folder, files):
            return [head, *_describe_addresses(path if path.is_file() else path / table)]
        domain = _choose_domain(folder, files, path)
        kinds = _describe_kinds(files, domain)
        preset = domain.find_preset()
        params: Any = read_changed(domain.flow, preset=preset, overrides=[])
        try:
            survey = domain.load()(folder, params.clean)
        except UserError as error:
            lacking = "".join(f" {words}" for words in re.findall(r"--set \S+=NAME", str(error)))
            command = f". To run, with the names filled in:\n{_make_command(domain, wanted, params)}{lacking}"
            raise UserError(f"{head}; {kinds}domain {domain.flow}. {error}{command if lacking else ''}") from error
    wanted |= {**survey.settings, **_choose_folds(survey, params.folds)}
    if path.is_file() and size_mb > params.source.max_unpacked_mb:
        wanted["source.max_unpacked_mb"] = round(1.2 * size_mb) + 1
    lacks = _list_lacks(survey)
    lines = [head, *opening.remarks, f"{kinds}domain: {domain.flow}", *_describe(survey), *lacks]
    return [*lines, "to run, when the data has them:" if lacks else "to run:", _make_command(domain, wanted, params)]


def _describe_size(path: Path, files: list[Path]) -> str:
    size = format_size(sum(each.stat().st_size for each in files))
    if path.is_file() and [each.name for each in files] == [path.name]:
        return f"{path}: a file, {size}"
    return f"{path}: {'a folder' if path.is_dir() else 'an archive'} with {_count(len(files), 'files')}, {size}"


def _count(number: int, units: str) -> str:
    """Return a number with its unit, which ends in s or es, in the singular or plural."""
    singular = units.removesuffix("es") if units.endswith("sses") else units.removesuffix("s")
    return f"{number} {singular if number == 1 else units}"


class _Opening(Silent):
    """A report that keeps what is said while an archive is unpacked, such as which names are set aside."""

    def __init__(self) -> None:
        self.remarks: list[str] = []

    def say(self, text: str) -> None:
        self.remarks.append(text)


@contextmanager
def _open(path: Path, report: Report) -> Iterator[Path]:
    """Yield a folder with the files of a folder, an archive, or a lone file."""
    if path.is_dir():
        yield path
        return
    with tempfile.TemporaryDirectory(prefix="trifold-inspect-") as folder:
        unpack_archive(path, Path(folder), max_bytes=MAX_BYTES, report=report)
        yield Path(folder)


def _describe_kinds(files: list[Path], domain: Domain) -> str:
    """Return which of pictures and sounds is left out, if there are both."""
    counts = {
        AUDIO: _count(sum(file.suffix.lower() in SOUNDS for file in files), "sounds"),
        IMAGES: _count(sum(file.suffix.lower() in PICTURES for file in files), "pictures"),
    }
    if domain not in counts or any(count.startswith("0 ") for count in counts.values()):
        return ""
    left = counts[AUDIO if domain is IMAGES else IMAGES]
    return f"it holds both {counts[domain]} and {left}, which are left out (give the folder of one kind to choose); "


def _choose_domain(folder: Path, files: list[Path], path: Path) -> Domain:
    suffixes = Counter(file.suffix.lower() for file in files)
    pictures, sounds = (sum(suffixes[suffix] for suffix in known) for known in (PICTURES, SOUNDS))
    if pictures or sounds:
        return IMAGES if pictures >= sounds else AUDIO
    if list_tables(folder):
        return TEXT
    most = sorted(suffixes.items(), key=lambda pair: (-pair[1], pair[0]))
    kinds = [f"{count} {suffix or 'without suffix'}" for suffix, count in most]
    raise EngineError(
        f"{path} holds {len(files)} files ({shorten(kinds) or 'none'}), and trifold recognises none of them. It reads "
        "pictures (.jpg, .png, .webp ...) and sounds (.wav, .ogg, .flac ...) in folders named after their classes or "
        "with a table, and texts in tables (.csv, .tsv, .txt), also in a zip or tar. docs/own-data.md shows each"
    )


def _find_addresses(folder: Path, files: list[Path]) -> Path | None:
    """Return the table of a list of addresses, relative to `folder`, if there is nothing else."""
    tables = [table for table in list_tables(folder) if set(ADDRESSES) <= set(read_header(table))]
    return tables[0].relative_to(folder) if len(tables) == len(files) == 1 else None


def _describe_addresses(table: Path) -> list[str]:
    rows = read_source_table(table)
    counts = Counter(f"{kind or 'none'} {name}" for name, kind in zip(rows["class"], rows["type"], strict=True))
    listed = ", ".join(f"{count} {name}" for name, count in sorted(counts.items())[:MAX_CLASSES])
    settings = " ".join(f"--set {name}={quote_value(value)}" for name, value in
                        {"source.archive": "addresses", "addresses.file": str(table)}.items())  # fmt: skip
    return ["domain: images", f"layout: a table of {len(rows)} addresses of pictures ({listed})", "to run:",
            f"  python -m flows run images {settings}"]  # fmt: skip


def _describe(survey: Survey) -> list[str]:
    lines = [f"layout: {text}" for text in survey.layout]
    if survey.n_folds:
        lines.append(f"folds: {survey.n_folds}, the source's own")
    lines += _tabulate(survey)
    lines.append(f"set aside: {len(survey.dropped)}" if survey.dropped else "set aside: nothing")
    lines += [f"  {count}: {first.reason} (such as {first.file})" for count, first in list_examples(survey.dropped)]
    return lines + survey.remarks


def _tabulate(survey: Survey) -> list[str]:
    """Return the number of usable examples of each class, by split."""
    classes = sorted(survey.classes)
    total = f"usable: {_count(survey.counts.total(), survey.unit)} of {_count(len(classes), 'classes')}"
    if len(classes) > MAX_CLASSES:
        sizes = survey.classes.values()
        return [f"{total}, {min(sizes)} to {max(sizes)} of each ({shorten(classes)})"]
    columns = survey.splits or [""]
    width = max((len(name) for name in classes), default=0)
    header = [["", *columns]] if survey.splits else []
    rows = header + [[name, *(str(survey.counts[split, name]) for split in columns)] for name in classes]
    return [total, *(f"  {name:<{width}}" + "".join(f"{value:>8}" for value in values) for name, *values in rows)]


def _list_lacks(survey: Survey) -> list[str]:
    """Return what the data lacks for a run, in one sentence; [] if it has enough."""
    if len(survey.classes) < 2:
        return [f"A run needs two classes or more, with {LEAST_EXAMPLES} examples of each."]
    if survey.n_folds == 1:
        return ["Only one fold is usable; a run needs two or more."]
    few = [name for name, count in sorted(survey.classes.items()) if count < LEAST_EXAMPLES]
    return [f"Too few examples for a run, which needs {LEAST_EXAMPLES} of each class: {shorten(few)}."] if few else []


def _choose_folds(survey: Survey, folds: Any) -> dict[str, object]:
    """Return the settings of the folds: the source's own parts or folds, else as many as the smallest class allows."""
    if "train" in survey.splits and len(survey.splits) > 1:
        return {"folds.mode": "own"}
    if survey.n_folds > 1:
        return {"folds.mode": "cross_validation", "folds.n_folds": survey.n_folds}
    mode = "cross_validation" if folds.mode == "cross_validation" else "holdout"
    fewest = max(LEAST_EXAMPLES, min(survey.classes.values(), default=0))
    if fewest >= max(folds.n_folds, LEAST_EXAMPLES + 1) and (mode != "holdout" or folds.n_folds >= LEAST_EXAMPLES):
        return {"folds.mode": mode}
    n_folds = min(fewest, 5)
    return {"folds.mode": mode, "folds.n_folds": n_folds, "folds.valid": n_folds - 1, "folds.test": n_folds}


def _make_command(domain: Domain, wanted: Mapping[str, object], params: Params) -> str:
    """Return the command of a run; settings that the params have already are left out."""
    content = params.model_dump()
    changed = {name: value for name, value in wanted.items() if dig(content, name) != value}
    preset = domain.find_preset()
    words = [f"python -m flows run {domain.flow}", *([f"--preset {preset}"] if preset else [])]
    return "  " + " ".join([*words, *(f"--set {name}={quote_value(value)}" for name, value in changed.items())])


def quote_value(value: object) -> str:
    """Return a value as it is written after `--set NAME=` in a shell."""
    if not isinstance(value, str) or not value:
        return str(value)
    try:
        is_plain = YAML(typ="safe", pure=True).load(value) == value
    except YAMLError:
        is_plain = False
    return shlex.quote(value if is_plain else json.dumps(value, ensure_ascii=False))
