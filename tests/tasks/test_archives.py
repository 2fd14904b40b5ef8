"""An archive is unpacked inside its folder, whole, or not at all."""

import io
import re
import stat
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from tasks.archives import unpack_archive
from tasks.errors import UserError
from tasks.report import Report, Silent

LIMIT_BYTES = 1_000_000
SILENT = Silent()


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


def add_hard_link(path: Path, linked: str) -> None:
    """Write a tar with the files, then a second name of the file `linked`."""
    write_tar(path, *FILES)
    with tarfile.open(path, "a") as archive:
        info = tarfile.TarInfo("again.txt")
        info.type, info.linkname = tarfile.LNKTYPE, linked
        archive.addfile(info)


def write_unmarked_zip(path: Path, name: bytes) -> None:
    """Write a zip with a name whose encoding it does not say."""
    write_zip(path, ("N" * len(name), b"x"))
    path.write_bytes(path.read_bytes().replace(b"N" * len(name), name))


def write_method(path: Path, method: int) -> None:
    """Write a zip whose headers say that its member is compressed by this method."""
    write_zip(path, GOOD)
    for mark, place in ((b"PK\3\4", 8), (b"PK\1\2", 10)):
        content = path.read_bytes()
        at = content.index(mark) + place
        path.write_bytes(content[:at] + method.to_bytes(2, "little") + content[at + 2 :])


class Listener(Silent):
    def __init__(self) -> None:
        self.said = ""

    def say(self, text: str) -> None:
        self.said += text


def unpack(archive: Path, out: Path, max_bytes: int = LIMIT_BYTES, report: Report = SILENT) -> dict[str, bytes]:
    out.mkdir()
    unpack_archive(archive, out, max_bytes=max_bytes, report=report)
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
SHEET = io.BytesIO()
with zipfile.ZipFile(SHEET, "w") as sheet:
    sheet.writestr("sheet.xml", "<sheet/>")
OTHER_PROGRAMS: dict[str, tuple[Callable[[Path], object], dict[str, bytes], str]] = {
    "backslashes": (lambda path: write_zip(path, ("set\\", b""), ("set\\a.txt", b"x")), {"set/a.txt": b"x"}, ""),
    "UTF-8": (lambda path: write_unmarked_zip(path, "caf\u00e9".encode()), {"caf\u00e9": b"x"}, ""),
    "GBK": (
        lambda path: write_unmarked_zip(path, "\u82f9\u679c".encode("gbk")),
        {"\u82f9\u679c".encode("gbk").decode("cp437"): b"x"},
        r"1 names in archive are not UTF-8 .*\(such as '.*'\).*`unzip -O gbk",
    ),
    "long name": (
        lambda path: write_zip(path, ("n" * 300 + "/", b""), ("n" * 300 + "/a.txt", b"x"), GOOD),
        dict([GOOD]),
        "2 names in archive are set aside: they are longer than the disk allows, 255 bytes .*'nnn.*shorten them",
    ),
    "tar that ends in a zip": (
        lambda path: write_tar(path, GOOD, ("sheet.xlsx", SHEET.getvalue())),
        dict([GOOD, ("sheet.xlsx", SHEET.getvalue())]),
        "",
    ),
    "hard link": (
        lambda path: add_hard_link(path, "set/b/c.txt"),
        dict([*FILES, ("again.txt", b"two")]),
        "",
    ),
}


@pytest.mark.parametrize("case", OTHER_PROGRAMS)
def test_what_other_programs_write_is_unpacked_and_what_is_guessed_is_said(tmp_path: Path, case: str) -> None:
    write, expected, said = OTHER_PROGRAMS[case]
    write(tmp_path / "archive")
    listener = Listener()
    assert unpack(tmp_path / "archive", tmp_path / "out", report=listener) == expected
    assert re.match(said, listener.said) if said else not listener.said


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
    ("tar hard link", lambda path: write_tar(path, ("link", b""), kind=tarfile.LNKTYPE), "outside its own folder"),
    ("tar hard link to nothing", lambda path: add_hard_link(path, "c.txt"), "'again.txt', a link to 'c.txt', which"),
    ("tar device", lambda path: write_tar(path, ("null", b""), kind=tarfile.CHRTYPE), "a link or device"),
    ("tar bomb", lambda path: write_tar(path, GOOD, ("b", b"0" * 2_000_000), mode="w:gz"), "more than 1 MB"),
    ("tar truncated", lambda path: write_cut(path, "w"), "truncated or damaged"),
    ("tar.gz truncated", lambda path: write_cut(path, "w:gz"), "truncated or damaged"),
    ("tar.xz truncated", lambda path: write_cut(path, "w:xz"), "truncated or damaged"),
    ("Deflate64", lambda path: write_method(path, 9), "'good.txt', compressed by Deflate64, which .*with `zip`"),
    ("PPMd", lambda path: write_method(path, 98), "compressed by PPMd"),
    ("unknown method", lambda path: write_method(path, 77), "compressed by method 77"),
    ("RAR", lambda path: path.write_bytes(b"Rar!\x1a\x07\x01\0" + b"\0" * 99), "is RAR: cannot be read; .*`unrar x"),
    ("7z", lambda path: path.write_bytes(b"7z\xbc\xaf\x27\x1c" + b"\0" * 99), "is 7z: cannot be read; .*`7z x"),
    ("zstd", lambda path: path.write_bytes(b"\x28\xb5\x2f\xfd" + b"\0" * 99), "is Zstandard: .*`zstd -d"),
    ("text", lambda path: path.write_text("<html>Not found</html>"), "no zip or tar, or truncated"),
    ("nothing", lambda path: path.write_bytes(b""), "is empty"),
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
