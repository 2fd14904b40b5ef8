"""The lesson of a transformer in one round."""

from pathlib import Path

from torch import nn

from tasks.learning.compute import Compute
from tasks.learning.device import open_device
from tasks.learning.lesson import Lesson
from tasks.learning.randomness import derive_seed, isolate_randomness
from tasks.learning.transforms import Transforms
from tasks.text.subword_network import SubwordNetwork
from tasks.text.texts import read_texts
from tasks.text.transformer import Transformer
from tasks.text.transforms import keep_numbers


def prepare(
    transformer: Transformer, compute: Compute, fold: int, *, tokens: Path, folds: Path
) -> tuple[Lesson, nn.Module]:
    """Return the lesson, and the network of the transformer's folder; `tokens` are the numbers of its own tokens."""
    lesson = Lesson(
        parts=read_texts(tokens, folds, fold),
        recipe=transformer,
        schedule=transformer,
        transforms=Transforms(prepare=keep_numbers),
        device=open_device(compute),
        seed=derive_seed(transformer.seed, fold),
    )
    with isolate_randomness(lesson.device.torch_device, transformer.seed, fold, "weights"):
        return lesson, SubwordNetwork(transformer.weights, lesson.n_classes, dropout=transformer.dropout)
