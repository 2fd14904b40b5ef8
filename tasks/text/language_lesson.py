"""What a language model learns in one round: the next word of the training texts."""

from pathlib import Path

from tasks.learning.compute import Compute
from tasks.learning.device import open_device
from tasks.learning.examples import Parts
from tasks.learning.lesson import Lesson
from tasks.learning.randomness import derive_seed, isolate_randomness
from tasks.learning.transforms import Transforms
from tasks.text.language import LanguageModel, list_next_words, load_language
from tasks.text.pretrain import Pretrain
from tasks.text.texts import list_running_texts
from tasks.text.tokens import read_vocabulary
from tasks.text.transforms import augment_with, keep_numbers


def prepare(
    pretrain: Pretrain, compute: Compute, fold: int, *, tokens: Path, folds: Path
) -> tuple[Lesson, LanguageModel]:
    """Return the lesson and the language model; there is no valid part, because nothing is chosen.

    The model starts from the general language model that `pretrain` names, if there is one.
    """
    parts = dict(list_running_texts(tokens, folds, fold))
    lesson = Lesson(
        parts=Parts(parts["train"], None, parts["test"]),
        recipe=pretrain,
        schedule=pretrain,
        transforms=Transforms(prepare=keep_numbers, make_targets=list_next_words, augment=augment_with(pretrain)),
        device=open_device(compute),
        seed=derive_seed(pretrain.seed, fold, "language"),
        n_words=len(read_vocabulary(tokens)),
    )
    with isolate_randomness(lesson.device.torch_device, pretrain.seed, fold, "language"):
        model = LanguageModel(pretrain, lesson.input_shape[0])
    if not pretrain.is_from_scratch():
        load_language(model, Path(pretrain.weights), read_vocabulary(tokens))
    return lesson, model
