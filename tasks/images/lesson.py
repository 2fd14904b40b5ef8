"""What a network of pictures learns at one size, in one round."""

from pathlib import Path

from torch import nn

from tasks.folds import read_round
from tasks.images.member import Member
from tasks.images.sections import Size
from tasks.images.views import alter_with, judge_with, to_pictures
from tasks.learning.compute import Compute
from tasks.learning.device import open_device
from tasks.learning.examples import read_examples
from tasks.learning.lesson import Cycle, Lesson
from tasks.learning.networks import start_network
from tasks.learning.randomness import derive_seed
from tasks.learning.views import Views
from tasks.learning.weights import load_weights, read_state_dict


def prepare(
    member: Member,
    compute: Compute,
    fold: int,
    *,
    features: Path,
    folds: Path,
    size: Size,
    before: Path | None = None,
    done: int = 0,
    epochs: int = 0,
) -> tuple[Lesson, nn.Module]:
    """Return the lesson of one size, and the network with the weights of the fit `before`, if there is one.

    `features` are the pictures at this size. A fit is part of a learning-rate cycle of so many `epochs`, of which so
    many are `done`; a range test needs no cycle.
    """
    lesson = Lesson(
        parts=read_examples(features, folds, read_round(folds, fold)),
        # The head alone learns before the first size only: at the next one it is no longer new.
        recipe=member if before is None else member.model_copy(update={"head_epochs": 0}),
        schedule=size,
        views=Views(prepare=to_pictures, alter=alter_with(member, size.strength), judge=judge_with(member)),
        device=open_device(compute),
        seed=derive_seed(member.seed, fold, size.pixels),
        cycle=Cycle(done, epochs) if epochs else None,
    )
    network = start_network(member, lesson, fold)
    if before is not None:
        weights = read_state_dict(before / "state_dict.pt")
        load_weights(network, weights, source=f"of the size before ({before.name})", head=())
    return lesson, network
