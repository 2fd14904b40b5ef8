"""The kinds of sound in the embedded data, made with whole numbers only."""

from collections.abc import Callable

import numpy as np

from tasks.dice import Dice, IntArray

SAMPLE_RATE_HZ = 8000
FULL = 32767
_TABLE_BITS = 12
_TABLE = np.rint(np.sin(2 * np.pi * np.arange(1 << _TABLE_BITS) / (1 << _TABLE_BITS)) * FULL).astype(np.int64)

Voice = Callable[[Dice, int], IntArray]


def sound_clip(voice: Voice, n_samples: int, *, recording: Dice, take: Dice) -> IntArray:
    """Return a clip, 16 bit: one sound of `voice` somewhere in background noise, beside a hum.

    `recording` draws what the takes of one recording share (pitch, length, loudness, the place's noise), `take`
    what differs between them (when, and the noise itself).
    """
    length = recording.draw(2800, 5200)
    loudness, noise, hum = recording.draw(110, 450), recording.draw(50, 280), recording.draw(0, 90)
    hum_hz = recording.draw(50, 3500)
    sound = voice(recording, length)
    start = take.draw(0, n_samples - length)
    mixed = take.draw_noise(n_samples) * noise + make_tone(np.full(n_samples, hum_hz)) * hum
    mixed[start : start + length] += fade(sound) * loudness
    return np.clip(mixed >> 10, -FULL, FULL)


def make_tone(pitch_hz: IntArray) -> IntArray:
    """Return a sine whose pitch at each sample is given, at full scale."""
    phase = np.cumsum(pitch_hz.astype(np.int64) * ((1 << 32) // SAMPLE_RATE_HZ)) & 0xFFFFFFFF
    return _TABLE[phase >> (32 - _TABLE_BITS)]


def fade(sound: IntArray) -> IntArray:
    """Return a sound with its ends faded, so that they do not click."""
    ramp = np.minimum(np.arange(len(sound)), np.arange(len(sound))[::-1])
    return sound * np.minimum(ramp, 256) >> 8


def glide_up(dice: Dice, length: int) -> IntArray:
    """A tone that climbs."""
    low = dice.draw(300, 2000)
    return make_tone(low + np.arange(length) * dice.draw(120, 1500) // length)


def glide_down(dice: Dice, length: int) -> IntArray:
    """A tone that sinks."""
    return glide_up(dice, length)[::-1]


def click(dice: Dice, length: int) -> IntArray:
    """A row of short clicks, each dying away."""
    period, pitch_hz = dice.draw(300, 900), dice.draw(600, 3000)
    age = np.arange(length) % period
    return make_tone(np.full(length, pitch_hz)) * np.maximum(160 - age, 0) // 80


def hiss(dice: Dice, length: int) -> IntArray:
    """A burst of noise, duller or sharper."""
    width = dice.draw(1, 4)
    sums = np.cumsum(dice.draw_noise(length + width))
    return (sums[width:] - sums[:-width]) * 2 // width


def alternate(dice: Dice, length: int) -> IntArray:
    """Two tones in turn."""
    low, step, beat = dice.draw(300, 2000), dice.draw(120, 1500), dice.draw(400, 1200)
    return make_tone(low + step * (np.arange(length) // beat % 2))


VOICES: dict[str, Voice] = {
    "rising_glide": glide_up,
    "falling_glide": glide_down,
    "clicks": click,
    "hiss": hiss,
    "two_tones": alternate,
}
