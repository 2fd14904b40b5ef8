"""The classes of pictures in the embedded data, drawn with integer arithmetic only."""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from tasks.dice import Dice, IntArray
from tasks.images.png import Pixels

SIDE_PX = 256
GRAIN_PX = 4  # side of a grain of noise, so that small copies of a picture are noisy too
ONE = 1024  # an object's radius, in the units of its own coordinates
_SINES = np.rint(np.sin(2 * np.pi * np.arange(256) / 256) * ONE).astype(np.int64)
_ROWS, _COLUMNS = np.mgrid[:SIDE_PX, :SIDE_PX].astype(np.int64)

Mask = NDArray[np.bool_]
Shape = Callable[[IntArray, IntArray], Mask]


def draw_picture(shape: Shape, dice: Dice) -> Pixels:
    """Return a picture (256, 256, 3): an object of `shape`, random position and colours, with specks and noise."""
    background, foreground = _draw_colours(dice)
    canvas = _draw_background(dice, background)
    _add_specks(canvas, dice, dice.draw(2, 7))
    u, v = _compute_coordinates(dice, radius=dice.draw(58, 96))
    canvas[shape(u, v)] = foreground
    _add_specks(canvas, dice, dice.draw(1, 3))
    return np.clip(canvas + _draw_noise(dice, strength=dice.draw(4, 18)), 0, 255).astype(np.uint8)


def draw_ring(u: IntArray, v: IntArray) -> Mask:
    """A thick circle."""
    distance = u * u + v * v
    return (distance < ONE**2) & (distance > 560**2)


def draw_cross(u: IntArray, v: IntArray) -> Mask:
    """Two crossed bars."""
    return (np.minimum(abs(u), abs(v)) < 230) & (np.maximum(abs(u), abs(v)) < ONE)


def draw_triangle(u: IntArray, v: IntArray) -> Mask:
    """An equilateral triangle."""
    return (v > -ONE // 2) & (1000 * v + 1732 * abs(u) < 1000 * ONE)


def draw_stripes(u: IntArray, v: IntArray) -> Mask:
    """A disc of parallel stripes."""
    return (u * u + v * v < ONE**2) & ((u + 160) // 320 % 2 == 0)


def draw_dots(u: IntArray, v: IntArray) -> Mask:
    """Nine small discs in a square."""
    x, y = (u + 840) % 560 - 280, (v + 840) % 560 - 280
    return (np.maximum(abs(u), abs(v)) < 840) & (x * x + y * y < 200**2)


SHAPES: dict[str, Shape] = {
    "cross": draw_cross,
    "dots": draw_dots,
    "ring": draw_ring,
    "stripes": draw_stripes,
    "triangle": draw_triangle,
}


def _draw_colours(dice: Dice) -> tuple[IntArray, IntArray]:
    """Return the colours of the background and of the object, which differ by more than 200 over the channels."""
    background = np.array([dice.draw(30, 225) for _ in range(3)])
    while True:
        foreground = np.array([dice.draw(0, 255) for _ in range(3)])
        if abs(foreground - background).sum() > 200:
            return background, foreground


def _draw_background(dice: Dice, colour: IntArray) -> IntArray:
    """Return a background with a gradient in a random direction: (256, 256, 3)."""
    across, down = dice.draw(-60, 60), dice.draw(-60, 60)
    light = (across * (_COLUMNS - SIDE_PX // 2) + down * (_ROWS - SIDE_PX // 2)) // SIDE_PX
    return colour + light[:, :, None]


def _draw_noise(dice: Dice, strength: int) -> IntArray:
    """Return grains of noise of up to 4 times `strength` either way: (256, 256, 3)."""
    side = SIDE_PX // GRAIN_PX
    grains = dice.draw_noise(side * side * 3).reshape(side, side, 3) * strength >> 13
    return grains.repeat(GRAIN_PX, axis=0).repeat(GRAIN_PX, axis=1)


def _compute_coordinates(dice: Dice, radius: int) -> tuple[IntArray, IntArray]:
    """Return each pixel's position in the coordinates of a rotated object that lies completely within the picture."""
    column, row = (dice.draw(radius, SIDE_PX - 1 - radius) for _ in range(2))
    angle = dice.draw(0, 255)
    sine, cosine = _SINES[angle], _SINES[(angle + 64) % 256]
    x, y = _COLUMNS - column, _ROWS - row
    return (x * cosine + y * sine) // radius, (y * cosine - x * sine) // radius


def _add_specks(canvas: IntArray, dice: Dice, count: int) -> None:
    """Draw small specks at random positions, in random colours."""
    for _ in range(count):
        row, column = dice.draw(0, SIDE_PX - 1), dice.draw(0, SIDE_PX - 1)
        height, width = dice.draw(8, 27), dice.draw(8, 27)
        canvas[row : row + height, column : column + width] = [dice.draw(0, 255) for _ in range(3)]
