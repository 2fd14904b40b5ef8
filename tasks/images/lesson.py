"""The lesson of a picture network at one size, in one round."""

from pathlib import Path

from torch import nn

from tasks.folds import read_round
from tasks.images.member import Member
from tasks.images.sections import Size
from tasks.images.transforms import choose_wrapper, make_batch_augment, to_pictures
from tasks.learning.compute import Compute
from tasks.learning.device import open_device
from tasks.learning.examples import read_examples
from tasks.learning.lesson import Cycle, Lesson
from tasks.learning.networks import start_network
from tasks.learning.randomness import derive_seed
from tasks.learning.transforms import Transforms
from tasks.learning.weights import load_weights, read_state_dict


def prepare(
    member: Member,
    compute: Compute,
    fold: int,
    *,
    features: list[Path],
    folds: Path,
    size: Size,
    before: Path | None = None,
    done: int = 0,
    epochs: int = 0,
) -> tuple[Lesson, nn.Module]:
    """Return the lesson of one size, and the network, with the weights of the fit `before` if that is given.

    `features` are the folders of the pictures at this size, one for each shard. A fit continues a learning-rate cycle
    of `epochs`, of which `done` were trained before it. A range test needs no cycle.
    """
    lesson = Lesson(
        parts=read_examples(features, folds, read_round(folds, fold)),
        # Only at the first size does the head learn alone: at the next size it is no longer random.
        recipe=member if before is None else member.model_copy(update={"head_epochs": 0}),
        schedule=size,
        transforms=Transforms(
            prepare=to_pictures, augment=make_batch_augment(member, size.strength), wrap=choose_wrapper(member)
        ),
        device=open_device(compute),
        seed=derive_seed(member.seed, fold, size.pixels),
        cycle=Cycle(done, epochs) if epochs else None,
    )
    network = start_network(member, lesson, fold)
    if before is not None:
        weights = read_state_dict(before / "state_dict.pt")
        load_weights(network, weights, source=f"of the size before ({before.name})", head=())
    return lesson, network
