"""Mixup blends pairs, each with its own share, and targets as inputs."""

import torch

from tasks.learning.mixing import draw_shares, encode_one_hot, mix_up


def test_targets_are_mixed_as_the_inputs_are() -> None:
    targets = encode_one_hot(torch.arange(8), 8)
    inputs, mixed = mix_up(targets.clone(), targets, torch.Generator().manual_seed(0), alpha=0.4)
    torch.testing.assert_close(inputs, mixed)
    torch.testing.assert_close(mixed.sum(1), torch.ones(8))


def test_each_pair_draws_its_own_share_and_its_own_part_is_the_larger() -> None:
    shares = draw_shares(1000, 0.4, torch.Generator().manual_seed(0))
    assert shares.unique().numel() > 900
    assert shares.min() >= 0.5 and shares.max() <= 1


def test_without_mixup_nothing_is_changed_or_drawn() -> None:
    generator = torch.Generator().manual_seed(0)
    before = generator.get_state()
    inputs, targets = torch.randn(4, 2), encode_one_hot(torch.tensor([0, 1, 0, 1]), 2)
    assert mix_up(inputs, targets, generator, alpha=0.0)[0] is inputs
    assert torch.equal(generator.get_state(), before)


def test_the_global_generator_is_left_alone() -> None:
    before = torch.get_rng_state()
    mix_up(torch.randn(4, 2, generator=torch.Generator()), torch.eye(4), torch.Generator().manual_seed(3), alpha=1.0)
    assert torch.equal(torch.get_rng_state(), before)
