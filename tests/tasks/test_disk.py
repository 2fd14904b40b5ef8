"""A full disk gives a clear error, and no incomplete file is used."""

import shutil
from pathlib import Path

import numpy as np
import psutil
import pytest

from tasks.disk import check_free, name_disk_faults
from tasks.errors import UserError
from tasks.features import FILE_NAME, open_features, write_features


def test_a_disk_with_too_little_room_is_refused_beforehand(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"is full: \d+ MB are free and \d+ MB are needed.*`python -m flows gc`"):
        check_free(tmp_path, shutil.disk_usage(tmp_path).total * 2)


def test_a_disk_that_fills_while_writing_is_named(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="2 MB are needed"), name_disk_faults(tmp_path, 2_000_000):
        Path("/dev/full").write_bytes(b"x")


def test_features_on_a_disk_that_fills_are_a_clear_error(tmp_path: Path) -> None:
    (tmp_path / FILE_NAME).symlink_to("/dev/full")
    with pytest.raises(UserError, match="is full"):
        write_features(tmp_path, [np.zeros((4, 9))], shape=(4, 9), dtype=np.float16)


@pytest.mark.parametrize("lengths", [(12,), (5, 0, 7), (0, 12)])
def test_features_of_all_shards_are_read_as_one_array(tmp_path: Path, lengths: tuple[int, ...]) -> None:
    expected = np.arange(120).reshape(12, 2, 5)
    folders, begin = [], 0
    for number, length in enumerate(lengths):
        folders.append(tmp_path / str(number))
        folders[-1].mkdir()
        part = expected[begin : begin + length]
        write_features(folders[-1], iter([part[:2], part[2:]]), shape=part.shape, dtype=np.float16)
        begin += length
    features = open_features(folders)
    assert features.shape == (12, 2, 5) and len(features) == 12 and features.dtype == np.float16
    rows = np.array([11, 0, 5, 4, 5])
    np.testing.assert_array_equal(features[rows], expected[rows])
    np.testing.assert_array_equal(features[7], expected[7])
    assert features[np.array([], dtype=np.int64)].shape == (0, 2, 5)


def test_features_are_not_read_before_they_are_asked_for(tmp_path: Path) -> None:
    write_features(tmp_path, [np.zeros((1000, 100_000), np.float16)], shape=(1000, 100_000), dtype=np.float16)
    before_bytes = psutil.Process().memory_info().rss
    features = open_features([tmp_path])
    features[np.arange(2)]
    assert psutil.Process().memory_info().rss - before_bytes < 20_000_000
