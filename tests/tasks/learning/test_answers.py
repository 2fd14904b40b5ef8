"""A command line names files one by one or by their folder; what is no picture, or no sound, is counted."""

from pathlib import Path
from types import ModuleType

import pytest

from tasks.audio import predict as audio
from tasks.errors import UserError
from tasks.images import predict as images
from tasks.report import Silent
from tests.tasks.images.pictures import write_picture


class Listener(Silent):
    def __init__(self) -> None:
        self.said: list[str] = []

    def say(self, text: str) -> None:
        self.said.append(text)


@pytest.mark.parametrize(
    ("domain", "listed", "left_out"),
    [
        (images, ["a[b].png", "deep/no suffix"], "4 files are left out, because they are no picture (jpeg, png, "
         "webp, ...): 1 .db, 1 .mov, 1 .png, 1 .wav"),
        (audio, ["c.WAV"], "5 files are left out, because they are no sound (wav, ogg, flac, mp3): 1 .db, 1 .mov, "
         "2 .png, 1 without suffix"),
    ],
)  # fmt: skip
def test_of_a_folder_the_files_of_the_domain_are_read_and_the_others_counted(
    tmp_path: Path, domain: ModuleType, listed: list[str], left_out: str
) -> None:
    folder = tmp_path / "holiday"
    for seed, name in enumerate(("a[b].png", "deep/no suffix.png")):
        write_picture(folder / name, seed)
    (folder / "deep/no suffix.png").rename(folder / "deep/no suffix")
    for name in ("broken.png", "clip.mov", "Thumbs.db", "c.WAV", ".hidden.png"):
        (folder / name).write_text("neither")
    (tmp_path / "other.txt").touch()
    listener = Listener()
    files = domain.read_given(["holiday", "other.txt"], tmp_path, listener)
    assert files == [*(folder / name for name in listed), tmp_path / "other.txt"]
    assert listener.said == [f"holiday: {left_out}"]


@pytest.mark.parametrize("domain", [images, audio])
def test_a_folder_without_such_files_is_refused(tmp_path: Path, domain: ModuleType) -> None:
    (tmp_path / "notes.txt").touch()
    with pytest.raises(UserError, match=r"^\. holds no (picture|sound) .*: give a file, or a folder"):
        domain.read_given(["."], tmp_path, Silent())


@pytest.mark.parametrize("domain", [images, audio])
def test_a_path_that_does_not_exist_is_named(tmp_path: Path, domain: ModuleType) -> None:
    with pytest.raises(UserError, match=r"gone\.wav does not exist: give the path"):
        domain.read_given(["gone.wav"], tmp_path, Silent())
