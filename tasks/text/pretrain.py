"""A language model of a round's training texts, whose encoder the classifier starts from."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from tasks.learning.compute import Compute
from tasks.report import Report
from tasks.text.member import Reader

if TYPE_CHECKING:
    from tasks.learning.lesson import Lesson
    from tasks.text.language import LanguageModel

__all__ = ["Compute", "Pretrain", "find_language_lr", "pretrain_encoder"]


class Pretrain(Reader):
    """How the language model learns; its embedding, width and layers are those of the member that starts from it."""


def find_language_lr(
    tokens: Path, folds: Path, pretrain: Pretrain, compute: Compute, *, fold: int, out: Path, report: Report
) -> None:
    """Write `lr.json` (lr), and the range test's `curve.csv` and `curve.png`."""
    from tasks.learning.train import write_lr

    lesson = _read_lesson(tokens, folds, pretrain, compute, fold)
    write_lr(_make_model(lesson, pretrain, fold), lesson, out=out, report=report)


def pretrain_encoder(
    tokens: Path,
    folds: Path,
    lr: Path,
    pretrain: Pretrain,
    compute: Compute,
    *,
    fold: int,
    out: Path,
    report: Report,
    checkpoints: Path,
) -> None:
    """Learn to tell the next word of the training texts of the round that holds out `fold`.

    Writes `encoder.pt`, a state_dict, history and activations, and `language.json`, the perplexity on each part, of
    which it learns from the first alone. Howard and Ruder 2018, section 3.2.
    """
    import json

    from tasks.learning.outcome import draw_training
    from tasks.learning.train import train_at
    from tasks.text.language import measure_perplexity, save_encoder
    from tasks.text.texts import list_running_texts

    lesson = _read_lesson(tokens, folds, pretrain, compute, fold)
    model = _make_model(lesson, pretrain, fold)
    trained = train_at(model, lesson, lr, report=report, checkpoints=checkpoints)
    model.load_state_dict(trained.weights)
    save_encoder(out, model)
    draw_training(out, trained)
    told = {name: measure_perplexity(model, texts, lesson) for name, texts in list_running_texts(tokens, folds, fold)}
    (out / "language.json").write_text(json.dumps({"perplexity": told}, indent=2, sort_keys=True) + "\n")
    report.say(", ".join(f"perplexity of the {part} part {figure:.1f}" for part, figure in told.items()))


def _read_lesson(tokens: Path, folds: Path, pretrain: Pretrain, compute: Compute, fold: int) -> Lesson:
    """Return the training texts to learn from; there is no validation, since nothing is chosen."""
    from tasks.learning.device import open_device
    from tasks.learning.examples import Parts
    from tasks.learning.lesson import Lesson
    from tasks.learning.randomness import derive_seed
    from tasks.learning.views import Views
    from tasks.text.language import aim_at_next
    from tasks.text.texts import list_running_texts
    from tasks.text.views import alter_with, keep_numbers

    parts = dict(list_running_texts(tokens, folds, fold))
    return Lesson(
        parts=Parts(parts["train"], None, parts["test"]),
        recipe=pretrain,
        schedule=pretrain,
        views=Views(prepare=keep_numbers, aim=aim_at_next, alter=alter_with(pretrain)),
        device=open_device(compute),
        seed=derive_seed(pretrain.seed, fold, "language"),
    )


def _make_model(lesson: Lesson, pretrain: Pretrain, fold: int) -> LanguageModel:
    from tasks.learning.randomness import isolate_randomness
    from tasks.text.language import LanguageModel

    with isolate_randomness(lesson.device.torch_device, pretrain.seed, fold, "language"):
        return LanguageModel(pretrain, lesson.input_shape[0])
