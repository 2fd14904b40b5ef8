"""A full disk gives a clear error, and no incomplete file is used."""

import shutil
from pathlib import Path

import numpy as np
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


def test_features_are_read_back_through_a_memory_map(tmp_path: Path) -> None:
    blocks = [np.full((3, 2, 5), n, np.float32) for n in range(4)]
    write_features(tmp_path, iter(blocks), shape=(12, 2, 5), dtype=np.float16)
    features = open_features(tmp_path)
    assert isinstance(features, np.memmap)
    assert features.dtype == np.float16
    np.testing.assert_array_equal(features, np.concatenate(blocks))
