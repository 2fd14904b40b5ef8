"""What DVC cannot read or do gives a one-line message with the fix, before any work, and never a traceback."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from tests.engine.tiny_project import TinyProject


@pytest.fixture
def tiny(tiny_base: TinyProject, tmp_path: Path) -> TinyProject:
    """A computed project whose last stage is to run again."""
    project = tiny_base.copy(tmp_path / "tiny")
    project.edit("params/tiny.yaml", '" / "', '" + "')
    project.computed()
    return project


def write(name: str, content: bytes) -> Callable[[Path], None]:
    return lambda root: (root / name).write_bytes(content) and None


def add_conflict(name: str) -> Callable[[Path], None]:
    def damage(root: Path) -> None:
        lines = (root / name).read_text().splitlines()
        lines[2:2] = ["<<<<<<< HEAD", "=======", ">>>>>>> other"]
        (root / name).write_text("\n".join(lines))

    return damage


def link_elsewhere(name: str) -> Callable[[Path], None]:
    def damage(root: Path) -> None:
        elsewhere = root.with_name("large-disk")
        shutil.move(root / name, elsewhere)
        (root / name).symlink_to(elsewhere)

    return damage


def unmount_cache(root: Path) -> None:
    shutil.rmtree(root / ".dvc/cache")
    (root / ".dvc/cache").symlink_to("/nowhere/cache")


FAULTS: dict[str, tuple[Callable[[Path], None], str]] = {
    "no git": (write(".dvc/config", b""), "is not a git repository, and DVC needs one: `git init && git add --all"),
    "no .dvc": (lambda root: shutil.rmtree(root / ".dvc"), "is not a DVC repository: run `dvc init`"),
    "a conflict in dvc.lock": (add_conflict("dvc.lock"), "dvc.lock contains merge conflict markers: `git checkout"),
    "a conflict in dvc.yaml": (add_conflict("dvc.yaml"), "`python -m flows graph --write` writes it again"),
    "an empty dvc.lock": (write("dvc.lock", b""), "`git restore dvc.lock`, or `rm dvc.lock`"),
    "a dvc.lock of a later DVC": (write("dvc.lock", b"schema: '9.0'\nstages: {}\n"), "`git restore dvc.lock`, or"),
    "a dvc.lock that is no text": (write("dvc.lock", b"\xff\xfe\0"), "`git restore dvc.lock`, or `rm dvc.lock`"),
    "a config that is none": (write(".dvc/config", b"[core\nno_scm"), "`git restore .dvc/config`"),
    "a conflict in the config": (add_conflict(".dvc/config"), "`git restore .dvc/config`"),
    "data/ is a link": (link_elsewhere("data"), "error: data is a symbolic link, behind which DVC tracks no data"),
    "a folder in data/ is a link": (link_elsewhere("data/tiny"), "error: data/tiny is a symbolic link"),
    "an output is a link": (link_elsewhere("data/tiny/join"), "error: data/tiny/join is a symbolic link"),
    "a cache on a disk that is away": (unmount_cache, "links to /nowhere/cache, which is missing: mount that disk"),
    "a lock of DVC's other kind": (
        write(".dvc/config.local", b"[core]\nhardlink_lock = true\n"),
        "core.hardlink_lock is set, but .dvc/tmp/lock was made without it: end all DVC commands, then `rm .dvc/tmp/l",
    ),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_what_ails_dvc_is_told_with_the_command_before_any_work(tiny: TinyProject, fault: str) -> None:
    damage, told = FAULTS[fault]
    damage(tiny.root)
    done = tiny.call("python", "-m", "flows", "stage", "tiny-join")
    assert done.code == 1
    assert done.output.splitlines()[-1].startswith("error: ")
    assert told in done.output
    assert "Traceback" not in done.output
    assert tiny.computed() == []


def test_a_list_of_locks_that_a_kill_tore_is_mended_by_any_command(tiny: TinyProject) -> None:
    (tiny.root / ".dvc/tmp/rwlock").write_text('{"/data": ')
    assert "Unable to read RWLock-file" in tiny.start_driver("dvc").finish().output
    tiny.call("python", "-m", "flows", "status").check()
    tiny.drive("dvc").check()
    assert tiny.computed() == ["join"]


def test_data_behind_a_link_is_refused_by_repro_too_before_any_work(tiny: TinyProject) -> None:
    link_elsewhere("data")(tiny.root)
    done = tiny.start_driver("dvc").finish()
    assert done.code != 0
    assert "error: data is a symbolic link" in done.output
    assert tiny.computed() == []


def damage_folder(root: Path, md5: str) -> None:
    overwrite(root, md5, '[{"md5": "')


def damage_file(root: Path, md5: str) -> None:
    overwrite(root, str(YAML(typ="safe").load(find_cached(root, md5).read_text())[0]["md5"]), "other bytes")


def lose_folder(root: Path, md5: str) -> None:
    find_cached(root, md5).unlink()


def find_cached(root: Path, md5: str) -> Path:
    return root / ".dvc/cache/files/md5" / md5[:2] / md5[2:]


def overwrite(root: Path, md5: str, text: str) -> None:
    path = find_cached(root, md5)
    path.chmod(0o644)
    path.write_text(text)


@pytest.mark.parametrize("damage", [damage_folder, damage_file, lose_folder])
def test_what_the_cache_holds_damaged_is_computed_again(
    tiny_base: TinyProject, tmp_path: Path, damage: Callable[[Path, str], None]
) -> None:
    tiny = tiny_base.copy(tmp_path / "tiny")
    before = tiny.outputs()
    lock = YAML(typ="safe").load((tiny.root / "dvc.lock").read_text())
    damage(tiny.root, lock["stages"]["tiny-join"]["outs"][0]["md5"])
    shutil.rmtree(tiny.root / "data/tiny/join")
    tiny.call("python", "-m", "flows", "stage", "tiny-join").check()
    assert tiny.computed() == ["join"]
    assert tiny.outputs() == before
