"""The kinds of picture in the embedded data, drawn with whole numbers only."""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from tasks.dice import Dice, IntArray
from tasks.images.png import Pixels

SIDE_PX = 96
ONE = 1024  # an object's radius, in the units of its own coordinates
_SINES = np.rint(np.sin(2 * np.pi * np.arange(256) / 256) * ONE).astype(np.int64)
_ROWS, _COLUMNS = np.mgrid[:SIDE_PX, :SIDE_PX].astype(np.int64)

Mask = NDArray[np.bool_]
Shape = Callable[[IntArray, IntArray], Mask]


def draw_picture(shape: Shape, dice: Dice) -> Pixels:
    """Return a picture (96, 96, 3): one object of `shape`, somewhere, in some colours, among specks and noise."""
    ground, ink = _draw_colours(dice)
    canvas = _draw_ground(dice, ground)
    _strew(canvas, dice, dice.draw(2, 7))
    u, v = _find_coordinates(dice, radius=dice.draw(22, 36))
    canvas[shape(u, v)] = ink
    _strew(canvas, dice, dice.draw(1, 3))
    noise = dice.draw_noise(canvas.size).reshape(canvas.shape) * dice.draw(4, 18)
    return np.clip(canvas + (noise >> 13), 0, 255).astype(np.uint8)


def draw_ring(u: IntArray, v: IntArray) -> Mask:
    """A thick circle."""
    distance = u * u + v * v
    return (distance < ONE**2) & (distance > 560**2)


def draw_cross(u: IntArray, v: IntArray) -> Mask:
    """Two bars across each other."""
    return (np.minimum(abs(u), abs(v)) < 230) & (np.maximum(abs(u), abs(v)) < ONE)


def draw_triangle(u: IntArray, v: IntArray) -> Mask:
    """A triangle of equal sides."""
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
    """Return two colours, of the ground and of the object, that differ clearly in at least one channel."""
    ground = np.array([dice.draw(30, 225) for _ in range(3)])
    while True:
        ink = np.array([dice.draw(0, 255) for _ in range(3)])
        if abs(ink - ground).sum() > 200:
            return ground, ink


def _draw_ground(dice: Dice, colour: IntArray) -> IntArray:
    """Return a ground that grows lighter or darker in some direction: (96, 96, 3)."""
    across, down = dice.draw(-60, 60), dice.draw(-60, 60)
    light = (across * (_COLUMNS - SIDE_PX // 2) + down * (_ROWS - SIDE_PX // 2)) // SIDE_PX
    return colour + light[:, :, None]


def _find_coordinates(dice: Dice, radius: int) -> tuple[IntArray, IntArray]:
    """Return each pixel's place in the coordinates of an object that lies wholly within the picture, turned."""
    column, row = (dice.draw(radius, SIDE_PX - 1 - radius) for _ in range(2))
    angle = dice.draw(0, 255)
    sine, cosine = _SINES[angle], _SINES[(angle + 64) % 256]
    x, y = _COLUMNS - column, _ROWS - row
    return (x * cosine + y * sine) // radius, (y * cosine - x * sine) // radius


def _strew(canvas: IntArray, dice: Dice, count: int) -> None:
    """Draw small specks of any colour anywhere."""
    for _ in range(count):
        row, column = dice.draw(0, SIDE_PX - 1), dice.draw(0, SIDE_PX - 1)
        height, width = dice.draw(3, 10), dice.draw(3, 10)
        canvas[row : row + height, column : column + width] = [dice.draw(0, 255) for _ in range(3)]
