"""The lesson of a network for texts in one round."""

from dataclasses import replace
from pathlib import Path

from torch import nn

from tasks.learning.compute import Compute
from tasks.learning.device import open_device
from tasks.learning.lesson import Lesson
from tasks.learning.networks import start_network
from tasks.learning.randomness import derive_seed
from tasks.learning.transforms import Transforms
from tasks.text.augment import Augment
from tasks.text.augment_batches import make_augment
from tasks.text.language import load_encoder
from tasks.text.member import NONE, Measuring, Member
from tasks.text.texts import read_texts
from tasks.text.transforms import augment_with, keep_numbers
from tasks.text.vectors import load_vectors


def prepare(
    member: Member,
    compute: Compute,
    fold: int,
    *,
    tokens: Path,
    folds: Path,
    augment: Augment | None = None,
    language: Path | None = None,
) -> tuple[Lesson, nn.Module]:
    """Return the lesson, with its training texts augmented as `augment` says, and the network.

    `tokens` are the round's word numbers. `language` is its language model: members with weights `pretrained` start
    from its encoder, and synonyms `vectors` come from its word vectors.
    """
    lesson = Lesson(
        parts=read_texts(tokens, folds, fold),
        recipe=member,
        schedule=member,
        transforms=Transforms(
            prepare=keep_numbers,
            augment=augment_with(member, make_augment(augment, tokens, language) if augment else None),
        ),
        device=open_device(compute),
        seed=derive_seed(member.seed, fold),
    )
    network = start_network(member, lesson, fold)
    if isinstance(network, Measuring):
        network.measure(lesson.parts.train)
    if member.weights == "pretrained":
        load_encoder(network, member, language)
    if member.vectors != NONE:
        lesson = replace(lesson, note=load_vectors(network, member, tokens))
    return lesson, network
