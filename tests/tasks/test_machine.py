"""How many cores a process may use."""

from pathlib import Path

import pytest

from tasks.machine import count_cores, list_quotas

QUOTAS = {
    "none": ("0::/", {"": "max 100000"}, []),
    "a container's own": ("0::/", {"": "150000 100000"}, [1.5]),
    "one of a group around it": ("0::/a/b", {"a/b": "max 100000", "a": "200000 100000"}, [2.0]),
    "both": ("0::/a/b", {"a/b": "100000 100000", "a": "400000 100000"}, [1.0, 4.0]),
    "no group has the file": ("0::/a", {}, []),
    "version 1 alone": ("4:cpu:/a", {"a": "100000 100000"}, []),
}


@pytest.mark.parametrize("case", QUOTAS)
def test_quotas_of_all_groups_count(tmp_path: Path, case: str) -> None:
    memberships, files, expected = QUOTAS[case]
    for group, text in files.items():
        (tmp_path / group).mkdir(parents=True, exist_ok=True)
        (tmp_path / group / "cpu.max").write_text(f"{text}\n")
    assert list_quotas(f"{memberships}\n", tmp_path) == expected


@pytest.mark.parametrize(("quota", "cores"), [("50000", 1), ("max", None), ("100000", 1)])
def test_the_quota_counts_in_whole_cores_and_at_least_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, quota: str, cores: int | None
) -> None:
    monkeypatch.setattr("tasks.machine.CGROUPS", tmp_path)
    without = count_cores()
    (tmp_path / "cpu.max").write_text(f"{quota} 100000\n")
    assert count_cores() == (cores or without)
