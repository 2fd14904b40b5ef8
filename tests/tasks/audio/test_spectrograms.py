"""The spectrograms equal librosa's, are stored in order, and are the same as in the exported model."""

from pathlib import Path

import librosa
import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from tasks.audio.bands import measure_bands
from tasks.audio.decode import TRIM_HOP_S, read_clip, read_mono
from tasks.audio.front_end import LogMel, pad_or_trim
from tasks.audio.script import FrontEnds, read_front_ends
from tasks.audio.sections import Spectrogram, Waveform
from tasks.audio.spectrograms import precompute_spectrograms
from tasks.audio.waveforms import precompute_waveforms
from tasks.errors import UserError
from tasks.features import Features, open_features
from tasks.files import name_shard
from tasks.folds import Folds, split_folds
from tasks.report import Silent
from tasks.shard_tables import name_kept
from tasks.tables import read_rows, write_rows
from tests.tasks.audio.sounds import make_noise, write_sound
from tests.tasks.shards import pack

SMALL = Spectrogram(
    sample_rate_hz=8000, clip_s=0.5, n_fft=512, hop_samples=128, n_mels=32, f_min_hz=0, f_max_hz=4000
)  # fmt: skip
REAL = Spectrogram(
    sample_rate_hz=22050, clip_s=2.0, n_fft=1024, hop_samples=512, n_mels=64, f_min_hz=20, f_max_hz=11025
)  # fmt: skip
N_CLIPS = 35  # more than wait in memory at once
WAVE = Waveform(sample_rate_hz=8000, clip_s=0.5)


def write_clips(root: Path, count: int) -> tuple[Path, Path]:
    """Write `count` noises of many lengths, rates, formats and channels, and their clean table in five folds."""
    archive, clips = root / "archive", root / "clips"
    clips.mkdir()
    rows = []
    for n in range(count):
        name, rate_hz = f"audio/{n}.{('wav', 'ogg', 'flac')[n % 3]}", (8000, 16000, 44100)[n % 3]
        write_sound(archive / name, make_noise(n, 0.3 + 0.1 * (n % 4), rate_hz, 1 + n % 2), rate_hz)
        rows.append({"file": name, "label": 0, "group": n, "fold": n % 5 + 1})
    write_rows(clips / "examples.csv", ["file", "label", "group", "fold"], rows)
    return archive, clips


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    return write_clips(tmp_path_factory.mktemp("data"), N_CLIPS)


def compute(data: tuple[Path, Path], out: Path) -> Features:
    out.mkdir()
    precompute_spectrograms(*pack_kept(data, out), SMALL, out=out, report=Silent())
    return open_features([out])


def pack_kept(data: tuple[Path, Path], out: Path) -> tuple[Path, Path]:
    """Return the shard with all sounds, packed beside `out`, and the table of those that are kept: all."""
    packed = pack(data[0], out.with_name(f"{out.name}-shards"))
    rows = read_rows(data[1] / "examples.csv")
    write_rows(packed / name_kept(0), ["file"], [{"file": row["file"]} for row in rows])
    return packed / name_shard(0), packed / name_kept(0)


def compute_by_librosa(samples: NDArray[np.float32], settings: Spectrogram) -> NDArray[np.float32]:
    power = librosa.feature.melspectrogram(
        y=samples, sr=settings.sample_rate_hz, n_fft=settings.n_fft, hop_length=settings.hop_samples,
        n_mels=settings.n_mels, fmin=settings.f_min_hz, fmax=settings.f_max_hz,
    )  # fmt: skip
    return librosa.power_to_db(power, ref=1.0, top_db=None)


def make_sounds(settings: Spectrogram) -> list[NDArray[np.float32]]:
    """Noise, a click in silence, a faint glide, and silence."""
    time_s = np.arange(settings.n_samples) / settings.sample_rate_hz
    click = np.zeros(settings.n_samples)
    click[settings.n_samples // 3] = 1
    noise = np.random.default_rng(1).uniform(-1, 1, settings.n_samples)
    sounds = [noise, click, 0.01 * np.sin(6000 * time_s**2), 0 * click]
    return [sound.astype(np.float32) for sound in sounds]


@pytest.mark.parametrize("settings", [SMALL, REAL], ids=["small", "real"])
def test_the_front_end_is_librosa_s_within_a_hundredth_of_a_decibel(settings: Spectrogram) -> None:
    sounds = make_sounds(settings)
    ours = LogMel(settings)(torch.from_numpy(np.stack(sounds))).numpy()
    assert ours.shape == (4, settings.n_mels, settings.n_frames)
    for spectrogram, sound in zip(ours, sounds, strict=True):
        assert np.abs(spectrogram - compute_by_librosa(sound, settings)).max() < 0.01


@pytest.mark.filterwarnings("ignore:`torch.jit:DeprecationWarning")  # TorchScript is the format asked for
def test_the_front_end_is_the_same_in_torchscript() -> None:
    waveforms = torch.from_numpy(np.stack(make_sounds(SMALL)))
    assert torch.equal(torch.jit.script(LogMel(SMALL))(waveforms), LogMel(SMALL)(waveforms))
    assert torch.jit.script(pad_or_trim)(waveforms, 9000).shape == (4, 9000)


def test_what_is_on_disk_is_each_clip_s_own_spectrogram_in_order(data: tuple[Path, Path], tmp_path: Path) -> None:
    features = compute(data, tmp_path / "out")
    assert features.shape == (N_CLIPS, 32, 32)
    assert features.dtype == np.float16
    for n in (0, 1, 16, N_CLIPS - 1):
        (path,) = (data[0] / "audio").glob(f"{n}.*")
        ours = LogMel(SMALL)(torch.from_numpy(read_clip(path, SMALL))[None])[0].numpy()
        np.testing.assert_allclose(features[n], ours, atol=0.04)  # half a step of float16 below 128 dB


def test_the_settings_are_kept_beside_the_features(data: tuple[Path, Path], tmp_path: Path) -> None:
    compute(data, tmp_path / "out")
    assert read_front_ends([tmp_path / "out"]) == FrontEnds({"spectrogram": SMALL}, trim_db=0.0)


def test_the_features_are_the_same_bytes_each_time(data: tuple[Path, Path], tmp_path: Path) -> None:
    compute(data, tmp_path / "a")
    compute(data, tmp_path / "b")
    assert (tmp_path / "a/features.npy").read_bytes() == (tmp_path / "b/features.npy").read_bytes()


def test_waveforms_are_on_disk_in_order(data: tuple[Path, Path], tmp_path: Path) -> None:
    precompute_waveforms(*pack_kept(data, tmp_path / "a"), WAVE, out=tmp_path, report=Silent())
    features = open_features([tmp_path])
    assert features.shape == (N_CLIPS, 4000)
    (path,) = (data[0] / "audio").glob("16.*")
    np.testing.assert_array_equal(features[16], read_clip(path, WAVE).astype(np.float16))


@pytest.mark.parametrize("rate_hz", [8000, 16000, 22050, 44100, 48000])
@pytest.mark.parametrize("channels", [1, 2])
def test_any_rate_and_channels_become_mono_at_the_rate_asked_for(tmp_path: Path, rate_hz: int, channels: int) -> None:
    time_s = np.arange(rate_hz) / rate_hz
    tone = np.sin(2 * np.pi * 440 * time_s).astype(np.float32) / 2
    write_sound(tmp_path / "tone.wav", np.stack([tone] * channels, axis=1), rate_hz)
    samples = read_mono(tmp_path / "tone.wav", 8000)
    assert len(samples) == 8000
    expected = np.sin(2 * np.pi * 440 * np.arange(8000) / 8000) / 2
    np.testing.assert_allclose(samples[200:-200], expected[200:-200], atol=1e-3)


def test_opposite_channels_cancel(tmp_path: Path) -> None:
    noise = make_noise(1)
    write_sound(tmp_path / "noise.wav", np.concatenate([noise, -noise], axis=1))
    assert np.abs(read_mono(tmp_path / "noise.wav", 8000)).max() < 1e-4


@pytest.mark.parametrize("duration_s", [0.2, 0.5, 0.9, 3.0])
def test_a_clip_is_the_file_s_start_padded_or_trimmed(tmp_path: Path, duration_s: float) -> None:
    write_sound(tmp_path / "noise.flac", make_noise(1, duration_s, 16000), 16000)
    clip, whole = read_clip(tmp_path / "noise.flac", WAVE), read_mono(tmp_path / "noise.flac", 8000)
    assert clip.shape == (4000,)
    kept = min(4000, len(whole))
    np.testing.assert_allclose(clip[:kept], whole[:kept], atol=1e-4)
    assert not clip[kept:].any()


@pytest.mark.parametrize("rate_hz", [8000, 16000])
@pytest.mark.parametrize(
    ("before_s", "after_s", "softer_db", "trim_db", "cut_s"),
    [
        (0.5, 0.5, 200, 40, 0.5),
        (2.0, 0.0, 200, 40, 2.0),  # the sound begins after what is read without trimming
        (0.5, 0.5, 60, 40, 0.5),
        (0.5, 0.5, 30, 40, 0.0),
        (0.5, 0.5, 200, 0, 0.0),
        (0.0, 0.0, 0, 40, 0.0),
    ],
)
def test_the_silent_ends_of_the_whole_file_are_cut_before_it_is_trimmed_to_length(
    tmp_path: Path, rate_hz: int, before_s: float, after_s: float, softer_db: float, trim_db: float, cut_s: float
) -> None:
    sound, rest = make_noise(1, 0.3, rate_hz), 10 ** (-softer_db / 20)
    before, after = (make_noise(2, seconds, rate_hz) * rest for seconds in (before_s, after_s))
    write_sound(tmp_path / "noise.flac", np.concatenate([before, sound, after]), rate_hz)
    trimmed = read_clip(tmp_path / "noise.flac", WAVE, trim_db)
    begins = max(0, round((before_s - cut_s) * 8000))
    loud = np.flatnonzero(np.abs(trimmed) > 0.1)
    expected = [begins, min(begins + 2400, 4000)] if begins < 4000 else []
    found = [loud[0], loud[-1]] if len(loud) else []
    assert found == pytest.approx(expected, abs=4 * TRIM_HOP_S * 8000)


def test_a_silent_or_empty_file_is_not_cut(tmp_path: Path) -> None:
    for seconds in (0.0, 0.3):
        write_sound(tmp_path / "silence.wav", 0 * make_noise(1, seconds))
        assert not read_clip(tmp_path / "silence.wav", WAVE, 40.0).any()


def test_pad_or_trim_keeps_the_start() -> None:
    waveforms = torch.arange(1, 7).float().view(2, 3)
    assert pad_or_trim(waveforms, 4).tolist() == [[1, 2, 3, 0], [4, 5, 6, 0]]
    assert pad_or_trim(waveforms, 2).tolist() == [[1, 2], [4, 5]]


@pytest.mark.parametrize("content", [b"", b"no sound at all", None])
def test_a_file_that_is_no_sound_is_named(tmp_path: Path, content: bytes | None) -> None:
    if content is not None:
        (tmp_path / "x.wav").write_bytes(content)
    with pytest.raises(UserError, match=r"x\.wav cannot be read as a sound"):
        read_mono(tmp_path / "x.wav", 8000)


def test_bands_know_the_training_clips_only(data: tuple[Path, Path], tmp_path: Path) -> None:
    folds, bands, waves = (tmp_path / name for name in ("folds", "bands", "waves"))
    for folder in (folds, bands, waves):
        folder.mkdir()
    section = Folds(mode="cross_validation", n_folds=5, valid=4, test=5, seed=1)
    split_folds(data[1], section, out=folds)
    features = compute(data, tmp_path / "features")
    measure_bands([tmp_path / "features"], folds, fold=2, out=bands)
    train = features[np.arange(len(features)) % 5 != 1].astype(np.float64)
    measured = np.load(bands / "bands.npy")
    assert measured.dtype == np.float32
    np.testing.assert_allclose(measured, [train.mean(axis=(0, 2)), train.std(axis=(0, 2))], rtol=1e-4)
    precompute_waveforms(*pack_kept(data, waves), WAVE, out=waves, report=Silent())
    (tmp_path / "wave_bands").mkdir()
    measure_bands([waves], folds, fold=2, out=tmp_path / "wave_bands")
    assert np.load(tmp_path / "wave_bands/bands.npy").shape == (2, 1)
