"""The explanation draws the attribution over the picture, at the right position."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from PIL import Image

from tasks.images.explain import SHOWN_PX, open_explainer


class Corner(torch.nn.Module):
    """Looks at the upper left quarter alone."""

    def __init__(self) -> None:
        super().__init__()
        self.labels = ["bright", "dark"]

    def forward(self, pictures: torch.Tensor) -> torch.Tensor:
        """Return probabilities (batch, 2)."""
        light = pictures.float()[:, :, : pictures.size(2) // 2, : pictures.size(3) // 2].mean((1, 2, 3)) / 255
        return torch.stack([light, -light], 1).softmax(1)


def test_the_map_lies_where_the_model_looks_and_the_picture_keeps_its_shape(tmp_path: Path) -> None:
    torch.jit.script(Corner()).save(tmp_path / "model.pt")
    pixels = np.zeros((600, 800, 3), np.uint8)
    pixels[100:200, 100:200] = pixels[400:500, 500:600] = 255
    Image.fromarray(pixels).save(tmp_path / "two squares.png")
    picture = open_explainer(tmp_path / "model.pt")(tmp_path / "two squares.png")
    assert picture is not None
    assert picture.shape == (SHOWN_PX * 3 // 4, SHOWN_PX, 3)
    red = picture[..., 0].astype(int) - picture[..., 2]
    seen, unseen = red[: len(red) // 2, : SHOWN_PX // 2], red[len(red) // 2 :]
    assert seen.max() > 100
    assert unseen.max() < 5
