"""Log-mel spectrograms: clips per second compared with a librosa loop, and reading compared with computing."""

from __future__ import annotations

import shutil
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory

import librosa
import numpy as np
import soundfile

from benchmarks.table import Figure
from tasks.audio.sections import Spectrogram
from tasks.audio.spectrograms import precompute_spectrograms
from tasks.files import name_shard, pack_folder
from tasks.report import Silent
from tasks.shard_tables import name_kept
from tasks.tables import write_rows

N_CLIPS = 400  # as many as ESC-10 has
N_ROUNDS = 5
N_READS = 200
# ESC-50's clips are five seconds at 44.1 kHz.
RATE_HZ = 44_100
SECTION = Spectrogram(
    sample_rate_hz=22_050, clip_s=5.0, n_fft=1024, hop_samples=512, n_mels=64, f_min_hz=0, f_max_hz=11_025
)


def measure() -> list[Figure]:
    """Compare on synthetic clips, decoding included; both sides alternate."""
    with TemporaryDirectory() as place:
        folder = Path(place)
        paths = make_clips(folder, N_CLIPS)
        # A first call of each side imports and compiles what it needs.
        compute_by_librosa(paths[:1]), compute_ours(folder)
        pairs = [
            (time_call(lambda: compute_by_librosa(paths)), time_call(lambda: compute_ours(folder)))
            for _ in range(N_ROUNDS)
        ]
        peer_s, ours_s = (statistics.median(side) for side in zip(*pairs, strict=True))
        single_s = statistics.median(time_call(lambda: compute_by_librosa(paths[:1])) for _ in range(10))
        array = np.load(folder / "features" / "features.npy", mmap_mode="r")
        read_s = time_call(lambda: [np.array(array[n % N_CLIPS]) for n in range(N_READS)]) / N_READS
    speed, reading = peer_s / ours_s, single_s / read_s
    return [
        Figure(
            "clips/s, decoding included",
            f"librosa loop {N_CLIPS / peer_s:.0f}",
            f"{N_CLIPS / ours_s:.0f}",
            f"{speed:.1f}",
            "3",
            speed >= 3,
        ),
        Figure(
            "one spectrogram, ms",
            f"computed {single_s * 1e3:.2f}",
            f"read {read_s * 1e3:.4f}",
            f"{reading:.0f}",
            "100",
            reading >= 100,
        ),
    ]


def make_clips(folder: Path, n_clips: int) -> list[Path]:
    """Write clips of noise in `folder`/archive, and in `folder` their shard and the table of those that are kept."""
    (folder / "archive").mkdir()
    generator = np.random.default_rng(1)
    paths = [folder / "archive" / f"{n}.wav" for n in range(n_clips)]
    for path in paths:
        soundfile.write(path, generator.normal(0, 0.1, 5 * RATE_HZ).astype(np.float32), RATE_HZ, "PCM_16")
    shutil.copytree(folder / "archive", folder / "unpacked")
    pack_folder(folder / "unpacked", folder, 1)
    write_rows(folder / name_kept(0), ["file"], [{"file": path.name} for path in paths])
    return paths


def compute_by_librosa(paths: list[Path]) -> None:
    """Compute spectrograms as a careful loop does: load and resample, mel spectrogram, decibels."""
    for path in paths:
        samples, _ = librosa.load(path, sr=SECTION.sample_rate_hz)
        power = librosa.feature.melspectrogram(
            y=samples, sr=SECTION.sample_rate_hz, n_fft=1024, hop_length=512, n_mels=SECTION.n_mels
        )
        librosa.power_to_db(power)


def compute_ours(folder: Path) -> None:
    """Call the task."""
    out = folder / "features"
    out.mkdir(exist_ok=True)
    precompute_spectrograms(folder / name_shard(0), folder / name_kept(0), SECTION, out=out, report=Silent())


def time_call(call: Callable[[], object]) -> float:
    """Return the seconds that a call takes."""
    started_s = time.perf_counter()
    call()
    return time.perf_counter() - started_s
