"""A language model of a round's training texts, whose encoder the classifier starts from.

Howard and Ruder 2018, "Universal Language Model Fine-tuning for Text Classification" (ULMFiT).
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import ClassVar

from pydantic import Field, field_validator

from tasks.learning.compute import Compute
from tasks.report import Report
from tasks.text.member import Reader
from tasks.text.tokens import VOCABULARY, read_vocabulary

LANGUAGE = "language.pt"
FILES = (LANGUAGE, VOCABULARY)  # of a general language model


class Pretrain(Reader):
    """How the language model is trained; embedding, width and layers equal those of the member that starts from it."""

    lesson: ClassVar[str] = "tasks.text.language_lesson"
    removed: ClassVar[Mapping[str, str]] = {
        **Reader.removed,
        "network": "it always trains the encoder of ulmfit",
        "head_epochs": "it has no head",
        "patience": "it has no validation part",
    }

    weights: str = Field(min_length=1, description="none, or the folder of a general language model to start from")

    @field_validator("weights")
    @classmethod
    def _check_folder(cls, folder: str) -> str:
        lacking = [name for name in FILES if not (Path(folder) / name).is_file()]
        if folder != "none" and lacking:
            raise ValueError(
                f"{folder} lacks {' and '.join(lacking)}: set weights of pretrain to none, or to a copy of the output "
                "of a stage that trained a language model, such as data/text/lm-fold10"
            )
        return folder

    def is_from_scratch(self) -> bool:
        """Return whether no general language model is given."""
        return self.weights == "none"

    def files(self) -> tuple[str, ...]:
        """Return the folder of the general language model, if there is one."""
        return () if self.is_from_scratch() else (self.weights,)


def pretrain_encoder(
    pretrain: Pretrain,
    compute: Compute,
    lr: Path | None = None,
    *,
    tokens: Path,
    folds: Path,
    fold: int,
    out: Path,
    report: Report,
    checkpoints: Path,
) -> None:
    """Train a language model on the training texts of the round that holds out `fold`; labels are not used.

    It starts from the general language model that `pretrain` names, if there is one. Writes `language.pt` (its
    state_dict) and `vocabulary.json` (its words by id), which make the folder a general language model for other texts,
    history and activations, and `language.json`, the perplexity on each part.
    """
    from tasks.learning.fit_files import draw_training
    from tasks.learning.train import train_at
    from tasks.text.language import match_words, measure_perplexity, save_language
    from tasks.text.language_lesson import prepare
    from tasks.text.texts import list_running_texts

    if not pretrain.is_from_scratch():
        numbers = match_words(Path(pretrain.weights), read_vocabulary(tokens))
        report.say(f"{int((numbers >= 0).sum())} of {len(numbers)} words are known to the general language model")
    lesson, model, trained = train_at(
        partial(prepare, pretrain, compute, fold, tokens=tokens, folds=folds),
        lr,
        report=report,
        checkpoints=checkpoints,
    )
    model.load_state_dict(trained.weights)
    save_language(out, model)
    shutil.copyfile(tokens / VOCABULARY, out / VOCABULARY)
    draw_training(out, trained)
    texts = list_running_texts(tokens, folds, fold)
    perplexity = {part: measure_perplexity(model, examples, lesson) for part, examples in texts}
    (out / "language.json").write_text(json.dumps({"perplexity": perplexity}, indent=2, sort_keys=True) + "\n")
    report.say(", ".join(f"perplexity of the {part} part {figure:.1f}" for part, figure in perplexity.items()))
