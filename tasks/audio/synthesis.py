"""The classes of sounds in the embedded data, synthesised with integer arithmetic only."""

from collections.abc import Callable

import numpy as np

from tasks.dice import Dice, IntArray

SAMPLE_RATE_HZ = 8000
FULL_SCALE = 32767
_SINES_BITS = 12
_SINES = np.rint(np.sin(2 * np.pi * np.arange(1 << _SINES_BITS) / (1 << _SINES_BITS)) * FULL_SCALE).astype(np.int64)

Synthesiser = Callable[[Dice, int], IntArray]


def synthesise_clip(synthesise: Synthesiser, n_samples: int, *, recording: Dice, take: Dice) -> IntArray:
    """Return a 16-bit clip: one sound of `synthesise` at a random time, with background noise and a hum.

    `recording` draws the values that all takes of a recording share (pitch, length, loudness, level of the noise),
    `take` those that differ (start time, and the noise itself).
    """
    length = recording.draw(2800, 5200)
    loudness, noise, hum = recording.draw(110, 450), recording.draw(50, 280), recording.draw(0, 90)
    hum_hz = recording.draw(50, 3500)
    sound = synthesise(recording, length)
    start = take.draw(0, n_samples - length)
    mixed = take.draw_noise(n_samples) * noise + make_tone(np.full(n_samples, hum_hz)) * hum
    mixed[start : start + length] += fade(sound) * loudness
    return np.clip(mixed >> 10, -FULL_SCALE, FULL_SCALE)


def make_tone(pitch_hz: IntArray) -> IntArray:
    """Return a full-scale sine with the given pitch at each sample."""
    phase = np.cumsum(pitch_hz.astype(np.int64) * ((1 << 32) // SAMPLE_RATE_HZ)) & 0xFFFFFFFF
    return _SINES[phase >> (32 - _SINES_BITS)]


def fade(sound: IntArray) -> IntArray:
    """Fade a sound in and out, so that its ends do not click."""
    ramp = np.minimum(np.arange(len(sound)), np.arange(len(sound))[::-1])
    return sound * np.minimum(ramp, 256) >> 8


def glide_up(dice: Dice, length: int) -> IntArray:
    """A rising tone."""
    low = dice.draw(300, 2000)
    return make_tone(low + np.arange(length) * dice.draw(120, 1500) // length)


def glide_down(dice: Dice, length: int) -> IntArray:
    """A falling tone."""
    return glide_up(dice, length)[::-1]


def click(dice: Dice, length: int) -> IntArray:
    """A sequence of short clicks, each of which decays."""
    period, pitch_hz = dice.draw(300, 900), dice.draw(600, 3000)
    age = np.arange(length) % period
    return make_tone(np.full(length, pitch_hz)) * np.maximum(160 - age, 0) // 80


def hiss(dice: Dice, length: int) -> IntArray:
    """A burst of noise with a random bandwidth."""
    width = dice.draw(1, 4)
    sums = np.cumsum(dice.draw_noise(length + width))
    return (sums[width:] - sums[:-width]) * 2 // width


def alternate(dice: Dice, length: int) -> IntArray:
    """Two alternating tones."""
    low, step, beat = dice.draw(300, 2000), dice.draw(120, 1500), dice.draw(400, 1200)
    return make_tone(low + step * (np.arange(length) // beat % 2))


SYNTHESISERS: dict[str, Synthesiser] = {
    "rising_glide": glide_up,
    "falling_glide": glide_down,
    "clicks": click,
    "hiss": hiss,
    "two_tones": alternate,
}
