"""What spoke for a class is found where it is, and its shares add up."""

from __future__ import annotations

import numpy as np
import torch

from tasks.learning.attribution import attribute, make_map, overlay_map


def test_shares_add_up_to_the_rise_of_the_probability() -> None:
    torch.manual_seed(0)
    network = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(48, 16), torch.nn.Tanh(), torch.nn.Linear(16, 3))

    def ask(batch: torch.Tensor) -> torch.Tensor:
        return network(batch).softmax(1)

    shown, hidden = torch.randn(3, 4, 4), torch.zeros(3, 4, 4)
    shares = attribute(ask, shown, hidden, steps=64)
    with torch.no_grad():
        probabilities = ask(torch.stack([shown, hidden]))
    chosen = probabilities[0].argmax()
    assert shares.shape == shown.shape
    torch.testing.assert_close(shares.sum(), probabilities[0, chosen] - probabilities[1, chosen], atol=1e-3, rtol=0)


def test_a_map_is_hot_where_the_model_looks_and_nowhere_else() -> None:
    def ask(batch: torch.Tensor) -> torch.Tensor:
        corner = batch[:, :, 4:8, 4:8].mean((1, 2, 3))
        return torch.stack([corner, -corner], 1).softmax(1)

    heat = make_map(attribute(ask, torch.ones(3, 48, 32), torch.zeros(3, 48, 32)).sum(0))
    assert heat.shape == (48, 32)
    assert heat.max() == 1
    row, column = np.unravel_index(heat.argmax(), heat.shape)
    assert 4 <= row < 8 and 4 <= column < 8
    assert heat[16:].max() == heat[:, 16:].max() == 0


def test_a_picture_without_heat_stays_recognisable_and_heat_is_red() -> None:
    picture = np.full((2, 2, 3), 100, np.uint8)
    laid = overlay_map(picture, np.array([[0, 0], [0, 1]], np.float32)).astype(int)
    assert (laid[0] == 100).all()
    assert laid[1, 1, 0] > laid[1, 1, 2] + 100
