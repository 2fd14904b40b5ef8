"""An archive is unpacked inside its folder, whole, or not at all."""

import io
import stat
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from tasks.archives import unpack_archive
from tasks.errors import UserError
from tasks.report import Silent

LIMIT_BYTES = 1_000_000


def write_zip(path: Path, *members: tuple[str, bytes], mode: int = 0, method: int = zipfile.ZIP_STORED) -> None:
    with zipfile.ZipFile(path, "w", method) as archive:
        for name, content in members:
            info = zipfile.ZipInfo(name)
            info.external_attr, info.compress_type = mode << 16, method
            archive.writestr(info, content)


def write_tar(path: Path, *members: tuple[str, bytes], kind: bytes = tarfile.REGTYPE, mode: str = "w") -> None:
    with tarfile.open(path, mode) as archive:  # type: ignore[call-overload]
        for name, content in members:
            info = tarfile.TarInfo(name)
            info.type, info.size, info.linkname = kind, len(content), "/etc/passwd"
            archive.addfile(info, io.BytesIO(content))


def unpack(archive: Path, out: Path, max_bytes: int = LIMIT_BYTES) -> dict[str, bytes]:
    out.mkdir()
    unpack_archive(archive, out, max_bytes=max_bytes, report=Silent())
    return {path.relative_to(out).as_posix(): path.read_bytes() for path in out.rglob("*") if path.is_file()}


FILES = (("set/a.txt", b"one" * 1000), ("set/b/c.txt", b"two"), ("set/empty.txt", b""))


@pytest.mark.parametrize(
    "write",
    [
        lambda path: write_zip(path, *FILES),
        lambda path: write_zip(path, ("set/", b""), *FILES, method=zipfile.ZIP_DEFLATED),
        lambda path: write_tar(path, *FILES),
        lambda path: write_tar(path, *FILES, mode="w:gz"),
        lambda path: write_tar(path, *FILES, mode="w:xz"),
        lambda path: write_tar(path, ("./set/a.txt", FILES[0][1]), *FILES[1:], mode="w:bz2"),
    ],
)
def test_zip_and_tar_are_unpacked(tmp_path: Path, write: Callable[[Path], None]) -> None:
    write(tmp_path / "archive")
    assert unpack(tmp_path / "archive", tmp_path / "out") == dict(FILES)


GOOD = ("good.txt", b"good")


def write_bomb_that_lies(path: Path) -> None:
    """A zip whose headers claim a few bytes for what unpacks to a hundred megabytes."""
    write_zip(path, GOOD, ("bomb", b"\0" * 100_000_000), method=zipfile.ZIP_DEFLATED)
    path.write_bytes(path.read_bytes().replace((100_000_000).to_bytes(4, "little"), (50).to_bytes(4, "little")))


def write_cut(path: Path, mode: str) -> None:
    write_tar(path, GOOD, ("noise", bytes(range(256)) * 1000), mode=mode)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def write_damaged(path: Path) -> None:
    write_zip(path, GOOD, ("noise", b"abc" * 1000))
    path.write_bytes(path.read_bytes().replace(b"abcabc", b"abXabc", 1))


def write_cut_zip(path: Path) -> None:
    write_zip(path, GOOD, ("noise", b"abc" * 1000))
    path.write_bytes(path.read_bytes()[:-40])


BAD: list[tuple[str, Callable[[Path], object], str]] = [
    ("zip slip", lambda path: write_zip(path, GOOD, ("../evil", b"x")), r"'\.\./evil', outside"),
    ("zip slip deep", lambda path: write_zip(path, GOOD, ("a/../../evil", b"x")), "outside its own folder"),
    ("zip absolute", lambda path: write_zip(path, GOOD, ("/tmp/evil", b"x")), "outside its own folder"),
    ("zip backslash", lambda path: write_zip(path, GOOD, ("..\\evil", b"x")), "outside its own folder"),
    ("zip link", lambda path: write_zip(path, ("link", b"/etc"), mode=stat.S_IFLNK | 0o777), "a link or device"),
    ("zip bomb", lambda path: write_zip(path, GOOD, ("b", b"0" * 2_000_000), method=8), "more than 1 MB"),
    ("zip bomb that lies", write_bomb_that_lies, "damaged|more than 1 MB"),
    ("zip twice", lambda path: write_zip(path, GOOD, ("a", b"x"), ("a/b", b"x")), "'a/b' twice"),
    ("zip damaged", write_damaged, "truncated or damaged"),
    ("zip truncated", write_cut_zip, "no zip or tar, or truncated"),
    ("tar slip", lambda path: write_tar(path, GOOD, ("../evil", b"x")), "outside its own folder"),
    ("tar absolute", lambda path: write_tar(path, GOOD, ("/tmp/evil", b"x")), "outside its own folder"),
    ("tar symlink", lambda path: write_tar(path, ("link", b""), kind=tarfile.SYMTYPE), "a link or device"),
    ("tar hard link", lambda path: write_tar(path, ("link", b""), kind=tarfile.LNKTYPE), "a link or device"),
    ("tar device", lambda path: write_tar(path, ("null", b""), kind=tarfile.CHRTYPE), "a link or device"),
    ("tar bomb", lambda path: write_tar(path, GOOD, ("b", b"0" * 2_000_000), mode="w:gz"), "more than 1 MB"),
    ("tar truncated", lambda path: write_cut(path, "w"), "truncated or damaged"),
    ("tar.gz truncated", lambda path: write_cut(path, "w:gz"), "truncated or damaged"),
    ("tar.xz truncated", lambda path: write_cut(path, "w:xz"), "truncated or damaged"),
    ("text", lambda path: path.write_text("<html>Not found</html>"), "no zip or tar, or truncated"),
    ("nothing", lambda path: path.write_bytes(b""), "no zip or tar, or truncated"),
]


@pytest.mark.filterwarnings("ignore:Duplicate name")  # zipfile warns of what the test makes on purpose
@pytest.mark.parametrize(("write", "message"), [bad[1:] for bad in BAD], ids=[bad[0] for bad in BAD])
def test_a_bad_archive_is_refused_and_leaves_nothing(
    tmp_path: Path, write: Callable[[Path], object], message: str
) -> None:
    write(tmp_path / "archive.tgz")
    with pytest.raises(UserError, match=message) as error:
        unpack(tmp_path / "archive.tgz", tmp_path / "out")
    assert "archive.tgz" in str(error.value)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["archive.tgz", "out"]
    assert not list((tmp_path / "out").iterdir())
