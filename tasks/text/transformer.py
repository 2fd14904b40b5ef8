"""A transformer from a local folder. It has its own tokeniser, so it is not part of the exported ensemble."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

from pydantic import field_validator

from tasks.learning.recipe import ClassifierRecipe, Schedule
from tasks.report import Report
from tasks.text.model_folder import find_fault


class Transformer(ClassifierRecipe, Schedule):
    """How a transformer is trained; `weights` is the path of a local Hugging Face folder."""

    lesson: ClassVar[str] = "tasks.text.subword_lesson"

    @field_validator("weights")
    @classmethod
    def _check_folder(cls, folder: str) -> str:
        if fault := find_fault(folder):
            raise ValueError(fault)
        return folder


def tokenise_subwords(tweets: Path, transformer: Transformer, *, out: Path, report: Report) -> None:
    """Write the clean texts in `tweets` as the numbers of the transformer's tokens; see `write_subwords`."""
    from tasks.text.subwords import write_subwords

    write_subwords(tweets / "examples.csv", transformer.weights, out=out, report=report)
