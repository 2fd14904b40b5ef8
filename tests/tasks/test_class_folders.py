"""Class folders and splits are found wherever people put them; what has no class is named."""

from pathlib import Path

import pytest

from tasks.class_folders import NO_CLASS, find_layout
from tasks.errors import UserError
from tasks.files import list_folder
from tasks.splits import name_splits

SUFFIXES = {".png"}


def touch(folder: Path, *names: str) -> Path:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).touch()
    return folder


@pytest.mark.parametrize(
    ("names", "splits"),
    [
        (["Training", "Testing"], {"Training": "train", "Testing": "test"}),
        (["train", "dev", "eval"], {"train": "train", "dev": "valid", "eval": "test"}),
        (["train", "test", "eval"], {"train": "train", "test": "test", "eval": "valid"}),
        (["seg_train", "TestSet", "val2017"], {"seg_train": "train", "TestSet": "test", "val2017": "valid"}),
        (["training.1600000.x", "testdata.manual"], {"training.1600000.x": "train", "testdata.manual": "test"}),
        (["trains", "contest", "train_test"], {"trains": "", "contest": "", "train_test": ""}),
    ],
)  # fmt: skip
def test_a_word_in_a_name_says_its_split(names: list[str], splits: dict[str, str]) -> None:
    assert name_splits(names) == splits


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (["Training/ant/1.png", "Testing/ant/1.png"], {("train", "ant"), ("test", "ant")}),
        (["x/x/ant/1.png", "x/x/bee/1.png"], {("", "ant"), ("", "bee")}),
        (["seg_train/seg_train/ant/1.png", "seg_train/seg_train/bee/1.png", "seg_test/seg_test/ant/1.png",
          "seg_test/seg_test/bee/1.png"], {(s, c) for s in ("train", "test") for c in ("ant", "bee")}),
        (["ant/train/1.png", "ant/test/1.png", "bee/train/1.png", "bee/test/1.png"],
         {(s, c) for s in ("train", "test") for c in ("ant", "bee")}),
        (["pictures/ant/1.png", "pictures/bee/1.png", "notes/a.txt"], {("", "ant"), ("", "bee")}),
        (["train/fast/1.png", "bus/slow/1.png", "car/1.png"], {("", "train"), ("", "bus"), ("", "car")}),
        (["train/Ant/1.png", "train/Bee/1.png", "test/ant/1.png", "test/bee/1.png"],
         {(s, c) for s in ("train", "test") for c in ("Ant", "Bee")}),
        (["train/caf\u00e9/1.png", "train/tea/1.png", "test/cafe\u0301/1.png", "test/tea/1.png"],
         {(s, c) for s in ("train", "test") for c in ("caf\u00e9", "tea")}),
        (["cat.0.png", "cat.1.png", "big_dog_12.png", "big_dog_13.png"], {("", "cat"), ("", "big_dog")}),
        (["train/cat.0.png", "train/cat.1.png", "train/dog.0.png", "train/dog.1.png", "test1/1.png"],
         {("train", "cat"), ("train", "dog")}),
    ],
)  # fmt: skip
def test_each_layout_is_found(tmp_path: Path, names: list[str], expected: set[tuple[str, str]]) -> None:
    layout = find_layout(list_folder(touch(tmp_path, *names)), SUFFIXES)
    assert layout.folders == expected
    assert {(entry.split, entry.category) for entry in layout.entries if not entry.fault} == expected


@pytest.mark.parametrize(
    ("more", "fault"),
    [
        ("test/1.png", "unlabelled: the folder test has no classes"),
        ("test/unknown/1.png", "unlabelled: the folder test/unknown has no classes"),
        ("train/1.png", NO_CLASS),
        ("1.png", NO_CLASS),
    ],
)
def test_a_picture_without_a_class_is_named(tmp_path: Path, more: str, fault: str) -> None:
    names = [f"{split}/{name}/1.png" for split in ("train", "val") for name in ("ant", "bee")]
    layout = find_layout(list_folder(touch(tmp_path, *names, more)), SUFFIXES)
    assert {entry.name: entry.fault for entry in layout.entries if entry.fault} == {more: fault}
    assert {name for _, name in layout.folders} == {"ant", "bee"}


def test_the_run_says_which_folders_are_splits_and_which_are_classes(tmp_path: Path) -> None:
    names = [f"{split}/bird{n}/1.png" for split in ("Training", "dev") for n in range(7)]
    assert find_layout(list_folder(touch(tmp_path, *names)), SUFFIXES).describe() == (
        "splits: Training (train), dev (valid); 7 classes (bird0, bird1, bird2, bird3, bird4 and 2 more)"
    )


@pytest.mark.parametrize("names", [["IMG_1.png", "IMG_2.png", "DSC_1.png", "DSC_2.png"], ["train/1.png", "test/2.png"]])
def test_numbers_of_a_camera_and_splits_are_no_classes(tmp_path: Path, names: list[str]) -> None:
    with pytest.raises(UserError, match="No class folders found"):
        find_layout(list_folder(touch(tmp_path, *names)), SUFFIXES)
