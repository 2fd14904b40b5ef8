"""Back-translation: texts to another language and back, by commands that the user supplies."""

from __future__ import annotations

import json
import shlex
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Self

import numpy as np
import pyarrow as pa
from pydantic import Field, model_validator

from tasks.columns import read_columns, write_columns
from tasks.errors import UserError
from tasks.folds import read_round
from tasks.report import Report
from tasks.section import Section
from tasks.text.normalise import normalise_texts, to_array
from tasks.text.sections import NormaliseText
from tasks.text.tokens import COPIES

MAX_CHARS = 15_000  # per call, a usual limit of translation services


class Translate(Section):
    """Back-translation of training texts; the translated copies are added to the training part."""

    translated_share: float = Field(ge=0, le=1, description="share of the training texts with a copy; 0: none")
    there: str = Field(description="command that translates lines of text to another language")
    back: str = Field(description="command that translates them back")
    timeout_s: float = Field(gt=0, le=86_400, description="seconds that a command may take for a batch of texts")
    seed: int = Field(ge=0, le=2**32 - 1, description="draws the texts")

    @model_validator(mode="after")
    def _check_commands(self) -> Self:
        if self.translated_share and not (self.there and self.back):
            raise ValueError(
                f"translated_share {self.translated_share:g} needs two commands, there and back, that read one text a "
                "line and write as many lines; or set it to 0"
            )
        return self


def translate_texts(
    examples: Path, folds: Path, translate: Translate, *, fold: int, out: Path, report: Report, checkpoints: Path
) -> None:
    """Write the clean table's texts, followed by translated copies of a share of the round's training texts.

    `examples.csv` has the text column only; `copies.npy` int64 (copies) is the row that each copy was made from.
    """
    texts = read_columns(examples / "examples.csv", ["text"]).column("text").combine_chunks()
    train = read_round(folds, fold).train
    count = round(translate.translated_share * len(train))
    chosen = np.sort(np.random.default_rng((translate.seed, fold)).choice(train, count, replace=False))
    copies = translate_back(
        texts.take(pa.array(chosen)).to_pylist(),
        translate.there,
        translate.back,
        checkpoints=checkpoints,
        timeout_s=translate.timeout_s,
        report=report,
    )
    rules = NormaliseText.model_validate_json((examples / "clean.json").read_text())
    normalised = normalise_texts(to_array(copies), rules)
    write_columns(out / "examples.csv", {"text": pa.concat_arrays([texts, normalised])})
    np.save(out / COPIES, chosen.astype(np.int64))
    shutil.copyfile(examples / "clean.json", out / "clean.json")
    report.say(f"{count} of {len(train)} training texts translated there and back.")


def translate_back(
    texts: Sequence[str], there: str, back: str, *, checkpoints: Path, timeout_s: float, report: Report
) -> list[str]:
    """Return each text translated by the command `there` and the result translated by `back`.

    A command reads one text a line from its standard input and writes as many lines. Finished translations are
    stored in `checkpoints`, and an interrupted run continues from there. A text whose translation is empty stays as
    it is. Raises UserError when a command fails, takes too long or writes another number of lines.
    """
    path = checkpoints / "translated.jsonl"
    done = _read_done(path)
    waiting = list(dict.fromkeys(text for text in texts if text not in done))
    with path.open("a", encoding="utf-8") as file:
        file.write("\n" if done else "")  # an interrupted run may have left half a line
        for batch in make_batches(waiting):
            foreign = run_translator(there, batch, timeout_s=timeout_s)
            for text, translated in zip(batch, run_translator(back, foreign, timeout_s=timeout_s), strict=True):
                done[text] = translated or text
                file.write(json.dumps([text, done[text]]) + "\n")
            file.flush()
            report.progress(len(done), len(done) + len(waiting), "texts")
    return [done[text] for text in texts]


def make_batches(texts: Sequence[str], max_chars: int = MAX_CHARS) -> Iterator[list[str]]:
    """Yield texts in batches of at most `max_chars`, line ends included; a longer text is a batch by itself."""
    batch: list[str] = []
    size = 0
    for text in texts:
        if batch and size + len(text) + 1 > max_chars:
            yield batch
            batch, size = [], 0
        batch.append(text)
        size += len(text) + 1
    if batch:
        yield batch


def run_translator(command: str, texts: Sequence[str], *, timeout_s: float) -> list[str]:
    """Return the lines that a command writes for texts, one a line; raises UserError as `translate_back` does."""
    lines = "".join(" ".join(text.split()) + "\n" for text in texts)
    try:
        output = subprocess.run(
            shlex.split(command), input=lines, capture_output=True, encoding="utf-8", timeout=timeout_s, check=True
        ).stdout
    except FileNotFoundError as error:
        raise UserError(
            f"The translate command {command!r} was not found: install it, or change translate.there or translate.back."
        ) from error
    except subprocess.TimeoutExpired as error:
        raise UserError(
            f"The translate command {command!r} took more than {timeout_s:g} s for a batch: raise translate.timeout_s."
        ) from error
    except subprocess.CalledProcessError as error:
        raise UserError(
            f"The translate command {command!r} failed with {error.returncode}: {error.stderr[-300:].strip()}. "
            "Fix it and run again; finished translations are kept."
        ) from error
    translated = output.removesuffix("\n").split("\n")
    if len(translated) != len(texts):
        raise UserError(
            f"The translate command {command!r} wrote {len(translated)} lines for {len(texts)} texts; "
            "it must write one line for each line that it reads."
        )
    return [line.strip() for line in translated]


def _read_done(path: Path) -> dict[str, str]:
    """Return the translations of an earlier run, without a last line that is incomplete."""
    done: dict[str, str] = {}
    if path.exists():
        for line in path.read_text(encoding="utf-8").split("\n"):
            try:
                text, translated = json.loads(line)
            except ValueError:
                continue
            done[text] = translated
    return done
