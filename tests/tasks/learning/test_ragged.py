"""Texts of many lengths come in batches that hold little padding, each text once, in an order that repeats."""

from pathlib import Path

import numpy as np
import pytest
import torch

from tasks.errors import UserError
from tasks.learning.examples import Examples
from tasks.learning.ragged import PAD, Ragged, open_ragged


def make_ragged(lengths: list[int]) -> Ragged:
    """Return rows of given lengths, whose numbers count on from 2 over all rows."""
    offsets = torch.tensor([0, *np.cumsum(lengths)])
    return Ragged(torch.arange(2, 2 + int(offsets[-1]), dtype=torch.int32), offsets, 2 + int(offsets[-1]))


def make_part(count: int, seed: int = 0) -> Examples:
    """Return a part as long as tweets are: 14 words on average, 1 to 40."""
    lengths = np.random.default_rng(seed).normal(14, 7, count).round().clip(1, 40).astype(int)
    return Examples(make_ragged(lengths.tolist()), torch.arange(count) % 2, torch.arange(count))


def draw(part: Examples, batch_size: int, seed: int = 1) -> list[tuple[torch.Tensor, torch.Tensor]]:
    return list(part.shuffled(batch_size, torch.Generator().manual_seed(seed)))


def test_rows_are_padded_at_the_end_to_the_longest() -> None:
    rows = make_ragged([2, 0, 3])[torch.tensor([2, 0, 1])]
    assert rows.dtype == torch.int64
    assert rows.tolist() == [[4, 5, 6], [2, 3, PAD], [PAD, PAD, PAD]]
    assert make_ragged([2, 0, 3])[torch.tensor([1])].tolist() == [[PAD]]


@pytest.mark.parametrize(("count", "batch_size"), [(4000, 32), (16_000, 128), (500, 16)])
def test_padding_is_under_a_tenth_of_an_epoch(count: int, batch_size: int) -> None:
    batches = draw(make_part(count), batch_size)
    padding = sum(int((words == PAD).sum()) for words, _ in batches)
    assert padding < 0.1 * sum(words.numel() for words, _ in batches)
    heavy = [(words == PAD).float().mean() for words, _ in batches]
    assert sum(share > 0.1 for share in heavy) < 0.1 * len(batches), "only the ends of a pool may hold more"


@pytest.mark.parametrize(("count", "batch_size"), [(333, 16), (5, 5), (7, 3), (21, 2), (20_000, 32)])
def test_every_text_comes_once_in_batches_of_nearly_one_size(count: int, batch_size: int) -> None:
    part = make_part(count)
    batches = draw(part, batch_size)
    assert len(batches) == part.count_batches(batch_size)
    sizes = [len(words) for words, _ in batches]
    assert max(sizes) - min(sizes) <= 1 and max(sizes) <= max(batch_size, 3)
    assert min(sizes) > 1, "batch normalisation needs two"
    seen = torch.cat([words[words != PAD] for words, _ in batches])
    assert torch.equal(seen.sort().values, part.features.flat.long())


def test_the_order_is_the_generator_s_alone_and_batches_are_no_ladder_of_lengths() -> None:
    part = make_part(1000)
    first, again, other = (draw(part, 16, seed) for seed in (1, 1, 2))
    assert all(torch.equal(one, same) for (one, _), (same, _) in zip(first, again, strict=True))
    assert [words.shape for words, _ in first] != [words.shape for words, _ in other]
    widths = [words.shape[1] for words, _ in first]
    assert widths not in (sorted(widths), sorted(widths, reverse=True))


def test_what_is_judged_comes_by_length_and_is_named() -> None:
    part = make_part(1000)
    batches = part.list_batches(16)
    assert torch.equal(torch.cat(batches).sort().values, torch.arange(1000))
    padding = sum(int((part.fetch(batch)[0] == PAD).sum()) for batch in batches)
    assert padding < 0.1 * len(part.features.flat)


def test_dense_examples_are_judged_in_order() -> None:
    part = Examples(torch.rand(10, 3), torch.zeros(10), torch.arange(10))
    assert [batch.tolist() for batch in part.list_batches(4)] == [[0, 1, 2, 3], [4, 5, 6, 7], [8, 9]]


def test_numbers_stay_on_disk(tmp_path: Path) -> None:
    np.save(tmp_path / "tokens.npy", np.arange(9, dtype=np.int32))
    np.save(tmp_path / "offsets.npy", np.array([0, 4, 9]))
    opened = open_ragged(tmp_path, n_values=9)
    assert not opened.flat.numpy().flags.owndata
    assert opened.shape == (2, 9) and opened[torch.tensor([1])].tolist() == [[4, 5, 6, 7, 8]]


@pytest.mark.parametrize(("numbers", "ends"), [(0, [0, 0]), (5, [0, 4])])
def test_numbers_that_do_not_fit_are_told(tmp_path: Path, numbers: int, ends: list[int]) -> None:
    np.save(tmp_path / "tokens.npy", np.zeros(numbers, np.int32))
    np.save(tmp_path / "offsets.npy", np.array(ends))
    with pytest.raises(UserError, match=f"holds {numbers} numbers and offsets.npy ends at {ends[-1]}"):
        open_ragged(tmp_path, n_values=3)
