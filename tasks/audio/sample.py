"""The embedded data: a small archive of synthetic sounds in ESC-50's layout, the same bytes on every machine."""

import io
import wave
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from pydantic import Field

from tasks.audio.synthesis import SAMPLE_RATE_HZ, SYNTHESISERS, synthesise_clip
from tasks.dice import Dice, IntArray
from tasks.report import Report
from tasks.sample_archive import write_archive
from tasks.section import Section

ROOT = "ESC-50-sample"
N_FOLDS = 5
N_ESC10 = 3  # classes that the column esc10 marks
UNUSABLE = 900  # recording number of the unusable clips


@dataclass(frozen=True)
class _Shape:
    n_samples: int = SAMPLE_RATE_HZ
    stereo: bool = False


NOMINAL = _Shape()
ODD_CLIPS = {(1, 2): _Shape(5600), (2, 3): _Shape(11_200), (4, 5): _Shape(stereo=True)}  # (target, fold), first clip


class SampleSection(Section):
    """The size and the seed of the embedded data."""

    clips_per_fold: int = Field(ge=2, le=100, description="clips of each class in each of the five folds")
    seed: int = Field(ge=0, le=2**32 - 1, description="draws the sounds")


@dataclass(frozen=True)
class _File:
    fold: int
    target: int
    category: str
    source: int
    take: str
    content: bytes

    @property
    def name(self) -> str:
        return f"{self.fold}-{self.source}-{self.take}-{self.target}.wav"


def make_sample(sample: SampleSection, *, out: Path, report: Report) -> None:
    """Write `archive.zip`, in the layout of ESC-50's archive, and `archive.sha256`, its digest.

    It holds mono clips of one second at 8 kHz and, as real data does, clips that are shorter, longer, or stereo at
    another rate, and three that are unusable (silent, a duplicate, an empty file).
    """
    files = sorted(_make_files(sample), key=lambda file: file.name)
    members = [(f"{ROOT}/audio/{file.name}", file.content) for file in files]
    members.append((f"{ROOT}/meta/esc50.csv", _list_files(files).encode()))
    write_archive(out, members, unit="files", report=report)


def _make_files(sample: SampleSection) -> Iterator[_File]:
    for target in range(len(SYNTHESISERS)):
        for fold in range(1, N_FOLDS + 1):
            yield from _make_fold(sample, fold, target)
    duplicate = next(_make_fold(sample, 3, 0)).content
    yield _name_file(2, 3, UNUSABLE, "A", _encode(np.zeros(SAMPLE_RATE_HZ, np.int64)))
    yield _name_file(3, 0, UNUSABLE, "A", duplicate)
    yield _name_file(4, 1, UNUSABLE, "A", b"")


def _make_fold(sample: SampleSection, fold: int, target: int) -> Iterator[_File]:
    """Make the clips of one class in one fold; two of every three clips come from the same recording."""
    synthesise = list(SYNTHESISERS.values())[target]
    for number in range(sample.clips_per_fold):
        recording, take = number * 2 // 3, "AB"[number % 3 == 1]
        place = (sample.seed, target, fold, recording)
        dice, take_dice = Dice(*place), Dice(*place, ord(take))
        odd = ODD_CLIPS.get((target, fold), NOMINAL) if number == 0 else NOMINAL
        clip = synthesise_clip(synthesise, odd.n_samples, recording=dice, take=take_dice)
        yield _name_file(fold, target, recording, take, _encode(clip, stereo=odd.stereo))


def _name_file(fold: int, target: int, recording: int, take: str, content: bytes) -> _File:
    source = 100_000 + (target * N_FOLDS + fold) * 1000 + recording
    return _File(fold, target, list(SYNTHESISERS)[target], source, take, content)


def _encode(clip: IntArray, *, stereo: bool = False) -> bytes:
    """Return a clip as a 16-bit wav file: mono, or stereo at twice the rate."""
    if stereo:
        between = (clip + np.roll(clip, -1)) >> 1
        twice = np.stack([clip, between], axis=1).ravel()
        clip = np.stack([twice, twice * 3 >> 2], axis=1)
    file = io.BytesIO()
    with wave.open(file, "wb") as sound:
        sound.setparams((1 + stereo, 2, SAMPLE_RATE_HZ * (1 + stereo), len(clip), "NONE", ""))
        sound.writeframes(clip.astype("<i2").tobytes())
    return file.getvalue()


def _list_files(files: list[_File]) -> str:
    lines = ["filename,fold,target,category,esc10,src_file,take"]
    lines += [
        f"{file.name},{file.fold},{file.target},{file.category},{file.target < N_ESC10},{file.source},{file.take}"
        for file in files
    ]
    return "\n".join(lines) + "\n"
