"""A table in any usual layout lists the clips; a header that is wrong hides no sample."""

import struct
from pathlib import Path

import numpy as np
import pytest
import soundfile

from tasks.audio.clean import Clean
from tasks.audio.decode import read_mono
from tasks.audio.layout import Clip, find_layout
from tasks.audio.sounds import inspect_sound
from tasks.errors import UserError
from tasks.files import list_folder
from tasks.tables import read_rows
from tests.tasks.audio.sounds import make_noise, write_sound
from tests.tasks.shards import as_file, clean_packed_clips, pack

CLEAN = Clean(silence_db=-60, trim_db=0, only_esc10=False)
NAMES = ["a.wav", "b.wav", "c.wav", "d.wav"]
ESC50 = "filename,fold,target,category,src_file\na.wav,1,0,dog,7\nb.wav,1,1,cat,8\nc.wav,2,0,dog,9\nd.wav,2,1,cat,9\n"
URBAN = "slice_file_name,fsID,start,end,salience,fold,classID,class\n" + "".join(
    f"{name},{source},0,1,1,{fold},{n % 2},{('dog', 'cat')[n % 2]}\n"
    for n, (name, source, fold) in enumerate(zip(NAMES, (7, 8, 9, 9), (1, 1, 2, 2), strict=True))
)


def write_source(folder: Path, table: str, content: bytes, sounds: str = "audio") -> Path:
    """Write a table and an empty file for each clip; `{fold}` in `sounds` is its fold."""
    (folder / table).parent.mkdir(parents=True, exist_ok=True)
    (folder / table).write_bytes(content)
    for n, name in enumerate(NAMES):
        place = folder / sounds.format(fold=1 + n // 2)
        place.mkdir(parents=True, exist_ok=True)
        (place / name).touch()
    return folder


def describe(clip: Clip) -> tuple[str, ...]:
    return (clip.file.path.name if clip.file else "", clip.fold, clip.target, clip.category, clip.group, clip.fault)


EXPECTED = [
    ("a.wav", "1", "0", "dog", "7", ""), ("b.wav", "1", "1", "cat", "8", ""), ("c.wav", "2", "0", "dog", "9", ""),
    ("d.wav", "2", "1", "cat", "9", ""),
]  # fmt: skip


@pytest.mark.parametrize(
    ("table", "content", "sounds"),
    [
        ("ESC/meta/esc50.csv", ESC50.encode(), "ESC/audio"),
        ("esc50.csv", ESC50.encode(), "audio/audio"),
        ("Urban/metadata/UrbanSound8K.csv", URBAN.encode(), "Urban/audio/fold{fold}"),
        ("meta/esc50.csv", ESC50.replace(",", ";").encode(), "audio"),
        ("meta/esc50.csv", ESC50.replace(",", "\t").encode("utf-16"), "audio"),
        ("meta/esc50.csv", ESC50.replace("\n", "\r").encode(), "audio"),
        ("meta/esc50.csv", ESC50.replace(",", ", ").encode("utf-8-sig"), "audio"),
        ("meta/esc50.csv", ESC50.replace(",1,0,", ",0,0.0,").replace(",2,0,", ",1,0.0,").replace(",1,1,", ",0.0,1.0,")
         .replace(",2,1,", ",1.0,1.0,").encode(), "audio"),
        ("clips.csv", ESC50.replace(".wav", "").replace("filename", "ID").encode(), "audio"),
    ],
    ids=["ESC-50", "Kaggle", "UrbanSound8K", "semicolons", "UTF-16", "CR", "blanks", "folds from 0", "no suffix"],
)  # fmt: skip
def test_each_table_is_read(tmp_path: Path, table: str, content: bytes, sounds: str) -> None:
    clips = find_layout(list_folder(write_source(tmp_path, table, content, sounds)), only_esc10=False).clips
    assert [describe(clip) for clip in clips] == EXPECTED


@pytest.mark.parametrize(
    ("name", "fault"),
    [
        ("e.wav", "missing: no such file in the archive"),
        (
            f"sounds/{'e' * 252}.wav",
            "name too long: more than the 255 bytes that a disk allows; shorten it here and in",
        ),
        ("\u00e9" * 126 + ".wav", "name too long"),
        (f"sounds/{'e' * 251}.wav", "missing"),
    ],
)
def test_a_row_without_its_file_says_why(tmp_path: Path, name: str, fault: str) -> None:
    content = ESC50 + f"{name},1,0,dog,7\n"
    clips = find_layout(list_folder(write_source(tmp_path, "esc50.csv", content.encode())), only_esc10=False).clips
    assert [clip.fault.startswith(fault) for clip in clips if clip.fault] == [True]


def test_names_with_commas_that_are_not_quoted_are_told(tmp_path: Path) -> None:
    content = ESC50.replace(".wav,", ", two, three.wav,").encode()
    with pytest.raises(UserError, match=r"esc50\.csv has rows with 2 values more than its header: .* ',' in quotes"):
        find_layout(list_folder(write_source(tmp_path, "esc50.csv", content)), only_esc10=False)


@pytest.mark.parametrize("source", ["", "nan", "None"])
def test_a_clip_without_a_recording_is_one_of_its_own(tmp_path: Path, source: str) -> None:
    rows = [f"{name},0,dog,{source}" for name in NAMES]
    content = "\n".join(["filename,target,category,src_file", *rows]).encode()
    layout = find_layout(list_folder(write_source(tmp_path, "esc50.csv", content)), only_esc10=False)
    assert [clip.group for clip in layout.clips] == NAMES
    assert "4 clips have no src_file: each is taken for a recording of its own" in layout.remarks


def test_a_table_without_recordings_is_reported(tmp_path: Path) -> None:
    content = "\n".join(["filename,category", *(f"{name},dog" for name in NAMES)]).encode()
    layout = find_layout(list_folder(write_source(tmp_path, "meta.csv", content)), only_esc10=False)
    assert any(remark.startswith("the table has no column of recordings") for remark in layout.remarks)


def test_a_copy_in_another_folder_does_not_hide_a_sound(tmp_path: Path) -> None:
    archive = write_source(tmp_path, "esc50.csv", ESC50.encode())
    write_source(tmp_path, "esc50.csv", ESC50.encode(), "audio/16000")
    layout = find_layout(list_folder(archive), only_esc10=False)
    assert {clip.file.path.parent.name for clip in layout.clips} == {"audio"}
    assert "4 sound files are named by no row of the table" in layout.remarks


def test_names_with_decomposed_accents_are_found(tmp_path: Path) -> None:
    archive = write_source(tmp_path, "esc50.csv", ESC50.replace("a.wav", "caf\u00e9.wav").encode())
    (archive / "audio/a.wav").rename(archive / "audio/cafe\u0301.wav")
    assert not any(clip.fault for clip in find_layout(list_folder(archive), only_esc10=False).clips)


def test_class_folders_need_no_table(tmp_path: Path) -> None:
    for seed, name in enumerate(["train/dog/1.wav", "train/cat/1.wav", "test/dog/2.wav", "test/cat/2.wav"]):
        write_sound(tmp_path / "set" / name, make_noise(seed))
    out = tmp_path / "out"
    out.mkdir()
    clean_packed_clips(pack(tmp_path / "set", tmp_path / "shards"), CLEAN, out)
    rows = read_rows(out / "examples.csv")
    assert [(row["file"], row["split"], row["category"]) for row in rows] == [
        ("test/cat/2.wav", "test", "cat"), ("test/dog/2.wav", "test", "dog"), ("train/cat/1.wav", "train", "cat"),
        ("train/dog/1.wav", "train", "dog"),
    ]  # fmt: skip


def test_the_same_sound_under_two_labels_is_set_aside_twice(tmp_path: Path) -> None:
    for seed, name in enumerate(["dog/1.wav", "cat/1.wav", "dog/2.wav", "cat/2.wav"]):
        write_sound(tmp_path / "set" / name, make_noise(seed % 3))
    out = tmp_path / "out"
    out.mkdir()
    clean_packed_clips(pack(tmp_path / "set", tmp_path / "shards"), CLEAN, out)
    assert [(row["file"], row["reason"]) for row in read_rows(out / "dropped.csv")] == [
        ("cat/2.wav", "under two labels: the same samples as dog/1.wav (dog)"),
        ("dog/1.wav", "under two labels: the same samples as cat/2.wav (cat)"),
    ]


SAMPLES = (make_noise(1)[:, 0] * 32767).astype("<i2")
FORMAT = struct.pack("<4sIHHIIHH", b"fmt ", 16, 1, 1, 8000, 16000, 2, 16)


def make_wav(claimed: int, *, before: bytes = b"", lost_bytes: int = 0) -> bytes:
    body = b"WAVE" + FORMAT + before + struct.pack("<4sI", b"data", claimed) + SAMPLES.tobytes()
    return (struct.pack("<4sI", b"RIFF", len(body)) + body)[: None if not lost_bytes else -lost_bytes]


@pytest.mark.parametrize(
    ("content", "n_samples", "is_cut"),
    [
        (make_wav(8000), 4000, False),
        (make_wav(0), 4000, False),
        (make_wav(0xFFFFFFFF), 4000, False),
        (make_wav(0x7FFFF000), 4000, False),
        (make_wav(8000, before=struct.pack("<4sI9s", b"LIST", 9, b"INFO")), 4000, False),
        (make_wav(8000, lost_bytes=3000), 2500, True),
    ],
    ids=["right", "0", "pipe", "sox", "no pad byte", "cut"],
)
def test_a_wrong_header_hides_no_sample(tmp_path: Path, content: bytes, n_samples: int, is_cut: bool) -> None:
    (tmp_path / "a.wav").write_bytes(content)
    sound = inspect_sound(as_file(tmp_path / "a.wav"))
    assert (sound.fault, sound.frames, sound.is_cut) == ("", n_samples, is_cut)
    np.testing.assert_array_equal(read_mono(tmp_path / "a.wav", 8000), SAMPLES[:n_samples] / np.float32(32768))


@pytest.mark.parametrize(
    ("value", "at", "reason"),
    [
        (np.nan, 300_000, "not finite: NaN or infinite at sample 300000"),
        (np.inf, 5, "not finite: NaN or infinite at sample 5"),
        (30_000.0, 5, "too loud: its loudest sample is 30000, and 1 is full scale"),
    ],
)
def test_samples_that_are_no_sound_are_refused(tmp_path: Path, value: float, at: int, reason: str) -> None:
    samples = make_noise(1, 40)[:, 0]
    samples[at] = value
    soundfile.write(tmp_path / "a.wav", samples, 8000, subtype="FLOAT")
    assert inspect_sound(as_file(tmp_path / "a.wav")).fault.startswith(reason)
    with pytest.raises(UserError, match=r"a\.wav holds samples that are not finite, or beyond 64"):
        read_mono(tmp_path / "a.wav", 8000)


@pytest.mark.parametrize(
    ("start", "name"),
    [(b"\0\0\0\x20ftypM4A ", "M4A"), (b"#!AMR\n", "AMR"), (b"0&\xb2u\x8ef\xcf\x11", "WMA"), (b"\x1aE\xdf\xa3", "WebM")],
)
def test_a_format_that_cannot_be_read_is_named(tmp_path: Path, start: bytes, name: str) -> None:
    (tmp_path / "a.wav").write_bytes(start + bytes(100))
    assert inspect_sound(as_file(tmp_path / "a.wav")).fault == (
        f"{name}: cannot be read; convert it to WAV, for example with `ffmpeg -i IN OUT.wav`"
    )


def test_the_low_frequency_channel_is_left_out(tmp_path: Path) -> None:
    samples = make_noise(1, channels=6) / 2
    samples[:, 3] = 1.0
    soundfile.write(tmp_path / "a.wav", samples, 8000, subtype="FLOAT")
    expected = np.delete(samples, 3, axis=1).mean(axis=1)
    np.testing.assert_allclose(read_mono(tmp_path / "a.wav", 8000), expected, atol=1e-6)
