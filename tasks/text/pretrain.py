"""A language model of a round's training texts, whose encoder the classifier starts from."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import ClassVar

from tasks.learning.compute import Compute
from tasks.report import Report
from tasks.text.member import Reader


class Pretrain(Reader):
    """How the language model is trained; embedding, width and layers equal those of the member that starts from it."""

    lesson: ClassVar[str] = "tasks.text.language_lesson"
    removed: ClassVar[Mapping[str, str]] = {
        **Reader.removed,
        "network": "it always trains the encoder of ulmfit",
        "weights": "it starts from scratch",
        "head_epochs": "it has no head",
        "patience": "it has no validation part",
    }


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
    """Train a language model on the training texts of the round that holds out `fold`.

    Writes `encoder.pt` (a state_dict), history and activations, and `language.json`, the perplexity on each part.
    Howard and Ruder 2018, section 3.2.
    """
    from tasks.learning.fit_files import draw_training
    from tasks.learning.train import train_at
    from tasks.text.language import measure_perplexity, save_encoder
    from tasks.text.language_lesson import prepare
    from tasks.text.texts import list_running_texts

    lesson, model = prepare(pretrain, compute, fold, tokens=tokens, folds=folds)
    trained = train_at(model, lesson, lr, report=report, checkpoints=checkpoints)
    model.load_state_dict(trained.weights)
    save_encoder(out, model)
    draw_training(out, trained)
    texts = list_running_texts(tokens, folds, fold)
    perplexity = {part: measure_perplexity(model, examples, lesson) for part, examples in texts}
    (out / "language.json").write_text(json.dumps({"perplexity": perplexity}, indent=2, sort_keys=True) + "\n")
    report.say(", ".join(f"perplexity of the {part} part {figure:.1f}" for part, figure in perplexity.items()))
