"""CutMix pastes a box, each pair its own, and blends the targets by what was pasted."""

import torch

from tasks.learning.cutmix import cut_mix
from tasks.learning.mixing import encode_one_hot

COUNT = 64


def paste(seed: int = 0, **values: float) -> tuple[torch.Tensor, torch.Tensor]:
    """Cut and mix pictures that hold their own number everywhere, each of a class of its own."""
    pictures = torch.arange(float(COUNT)).view(-1, 1, 1, 1).expand(-1, 3, 20, 30).contiguous()
    targets = encode_one_hot(torch.arange(COUNT), COUNT)
    return cut_mix(pictures, targets, torch.Generator().manual_seed(seed), **{"alpha": 1.0, **values})


def test_targets_are_blended_by_the_area_that_was_pasted() -> None:
    pictures, targets = paste()
    areas = torch.stack([(pictures[:, 0] == number).float().mean((1, 2)) for number in range(COUNT)], 1)
    torch.testing.assert_close(areas, targets, atol=1e-6, rtol=0)
    torch.testing.assert_close(targets.sum(1), torch.ones(COUNT))


def test_what_is_pasted_is_one_box_and_no_more_than_half() -> None:
    pictures, _ = paste()
    inside = pictures[:, 0] != torch.arange(COUNT).view(-1, 1, 1)
    assert torch.equal(inside.any(2).sum(1) * inside.any(1).sum(1), inside.sum((1, 2)))
    # A side's share is rounded to whole pixels, half a pixel at most.
    assert inside.float().mean((1, 2)).max() < (0.5**0.5 + 1 / 40) * (0.5**0.5 + 1 / 60)


def test_each_pair_draws_its_own_box() -> None:
    pictures, targets = paste()
    inside = pictures[:, 0] != torch.arange(COUNT).view(-1, 1, 1)
    assert len({box.numpy().tobytes() for box in inside if box.any()}) > 50
    assert targets.max(1).values.unique().numel() > 30


def test_without_cutmix_nothing_is_changed_or_drawn() -> None:
    generator = torch.Generator().manual_seed(0)
    before = generator.get_state()
    inputs, targets = torch.randn(4, 3, 8, 8), encode_one_hot(torch.tensor([0, 1, 0, 1]), 2)
    assert cut_mix(inputs, targets, generator, alpha=0.0) == (inputs, targets)
    assert torch.equal(generator.get_state(), before)


def test_the_inputs_and_the_global_generator_are_left_alone() -> None:
    inputs = torch.randn(8, 8, 9, 3, generator=torch.Generator()).permute(0, 3, 1, 2)
    before, state = inputs.clone(), torch.get_rng_state()
    mixed, _ = cut_mix(inputs, torch.eye(8), torch.Generator().manual_seed(1), alpha=1.0)
    assert torch.equal(inputs, before) and torch.equal(torch.get_rng_state(), state)
    assert mixed.is_contiguous(memory_format=torch.channels_last)
    assert not torch.equal(mixed, inputs)


def test_the_same_seed_gives_the_same_bytes() -> None:
    assert all(torch.equal(*pair) for pair in zip(paste(seed=5), paste(seed=5), strict=True))
