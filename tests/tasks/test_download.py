"""The data arrives whole or not at all, whatever the server does, and is what the digest says."""

import bz2
import gzip
import hashlib
import io
import lzma
import shutil
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import BinaryIO

import pytest
from pydantic import ValidationError

from tasks import fetch
from tasks.archives import measure_file
from tasks.download import Source, download_archive
from tasks.errors import UserError
from tasks.origin import Origin
from tasks.report import Silent
from tests.tasks.loopback import Site, serve

PAYLOAD = bytes(range(256)) * 4000  # 1 MB, in more than one block


def make_zip(files: Mapping[str, bytes]) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        for name, content in files.items():
            archive.writestr(zipfile.ZipInfo(name), content)  # not of now: digests are in the names of tests
    return file.getvalue()


ARCHIVE = make_zip({"set/audio/a.wav": PAYLOAD, "set/meta/esc50.csv": b"filename\n"})
DIGEST = f"sha256:{hashlib.sha256(ARCHIVE).hexdigest()}"
MD5 = f"md5:{hashlib.md5(ARCHIVE).hexdigest()}"
OTHER = make_zip({"set/audio/a.wav": b"another"})
OTHER_DIGEST = f"sha256:{hashlib.sha256(OTHER).hexdigest()}"


class Listener(Silent):
    def __init__(self) -> None:
        self.messages: list[str] = []

    def say(self, text: str) -> None:
        self.messages.append(text)


class Place:
    """The folders that a stage is given, and one call of it."""

    def __init__(self, root: Path) -> None:
        self.out, self.downloads = root / "out", root / "downloads"
        self.out.mkdir()
        self.report = Listener()

    def download(self, archive: str, digest: str = DIGEST, *, sample: Path | None = None, **keys: float) -> None:
        """Run the stage, into an empty folder as the engine does."""
        values = {"max_unpacked_mb": 10, "timeout_s": 0.3} | keys
        source = Source(archive=archive, digest=digest, **values)  # type: ignore[arg-type]
        shutil.rmtree(self.out)
        self.out.mkdir()
        download_archive(source, sample, out=self.out, report=self.report, downloads=self.downloads)

    def find_kept(self, address: str) -> Path:
        """Return the path at which a download of the address is kept."""
        return self.downloads / hashlib.sha256(address.encode()).hexdigest()[:16] / "file" / "data.zip"

    def keep(self, address: str, content: bytes) -> None:
        """Leave what an earlier run downloaded of the address."""
        self.find_kept(address).parent.mkdir(parents=True)
        self.find_kept(address).write_bytes(content)

    def is_whole(self) -> bool:
        return (self.out / "set/audio/a.wav").read_bytes() == PAYLOAD


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Place:
    monkeypatch.setattr(fetch, "WAITS_S", (0.01, 0.01, 0.01))
    return Place(tmp_path)


@pytest.mark.parametrize(
    ("faults", "has_range"),
    [
        ([], True),
        (["cut"], True),
        (["cut", "cut", "cut", "cut", "cut"], True),  # each try gets further: more tries than there are waits
        (["cut"], False),
        (["500", "500"], True),
        (["cut", "503", "cut"], True),
        (["silent"], True),
        (["429"], True),
    ],
)
def test_a_download_survives_what_passes(place: Place, faults: list[str], has_range: bool) -> None:
    with serve(Site(ARCHIVE, list(faults), has_range)) as site:
        place.download(site.address)
    assert place.is_whole()
    assert len(site.ranges) == len(faults) + 1


def test_a_broken_off_download_goes_on_where_it_stopped(place: Place) -> None:
    with serve(Site(ARCHIVE, ["cut"])) as site:
        place.download(site.address)
    kept = int(site.ranges[1].removeprefix("bytes=").removesuffix("-"))
    assert len(ARCHIVE) // 2 - fetch.BLOCK_BYTES < kept <= len(ARCHIVE) // 2
    assert site.sent_bytes < len(ARCHIVE) + fetch.BLOCK_BYTES


@pytest.mark.parametrize(("faults", "has_range"), [([], True), (["cut"], True), (["cut"], False)])
def test_a_server_that_packs_what_it_sends_is_understood(place: Place, faults: list[str], has_range: bool) -> None:
    with serve(Site(ARCHIVE, list(faults), has_range, packs=True)) as site:
        place.download(site.address)
    assert place.is_whole()
    assert place.find_kept(site.address).read_bytes() == ARCHIVE, "the next run finds it whole"


def test_a_killed_download_goes_on_in_the_next_run(place: Place) -> None:
    with serve(Site(ARCHIVE)) as site:
        place.keep(site.address, ARCHIVE[:5000])
        place.download(site.address)
    assert place.is_whole()
    assert site.ranges == ["bytes=5000-"]


class Stopping(Silent):
    """A report that ends the work when so many bytes are there."""

    def progress(self, done: int, total: int, unit: str, **figures: float) -> None:
        if done > fetch.BLOCK_BYTES:
            raise InterruptedError

    def check(self) -> None:
        raise InterruptedError


@pytest.mark.parametrize("faults", [[], ["500"]])
def test_a_download_can_be_stopped_at_each_block_and_while_it_waits(
    place: Place, monkeypatch: pytest.MonkeyPatch, faults: list[str]
) -> None:
    monkeypatch.setattr(fetch, "WAITS_S", (60.0,))
    with serve(Site(ARCHIVE, list(faults))) as site:
        origin = Origin(site.address, DIGEST, "source.archive", 5.0)
        with pytest.raises(InterruptedError):
            fetch.fetch(origin, downloads=place.downloads, report=Stopping())
        place.download(site.address)
    assert site.ranges[-1] == ("" if faults else f"bytes={2 * fetch.BLOCK_BYTES}-")
    assert place.is_whole()


def test_what_was_fetched_whole_is_not_fetched_again(place: Place) -> None:
    with serve(Site(ARCHIVE)) as site:
        place.keep(site.address, ARCHIVE)
        place.download(site.address)
    assert place.is_whole()
    assert site.ranges == []


@pytest.mark.parametrize("kept", [b"another file's beginning", b"x" * (len(ARCHIVE) + 9), b"y" * len(ARCHIVE)])
def test_a_kept_beginning_that_does_not_fit_is_fetched_anew(place: Place, kept: bytes) -> None:
    with serve(Site(ARCHIVE)) as site:
        place.keep(site.address, kept)
        place.download(site.address)
    assert place.is_whole()


@pytest.mark.parametrize(
    ("faults", "message"),
    [
        (["404"], "404"),
        (["403"], "403"),
        (["500"] * 9, "in 4 tries (the server answered 500"),
        (["silent"] * 9, "in 4 tries (ReadTimeout"),
    ],
)
def test_a_server_that_fails_is_named_and_nothing_is_left(place: Place, faults: list[str], message: str) -> None:
    with serve(Site(ARCHIVE, list(faults))) as site, pytest.raises(UserError) as error:
        place.download(site.address, timeout_s=0.05)
    assert message in str(error.value)
    assert not list(place.out.iterdir())


def test_what_came_before_a_failure_is_kept_for_the_next_run(place: Place) -> None:
    with serve(Site(ARCHIVE, ["cut", *["500"] * 9])) as site, pytest.raises(UserError, match="bytes are kept"):
        place.download(site.address)
    kept = place.find_kept(site.address).read_bytes()
    assert len(kept) > len(ARCHIVE) // 2 - fetch.BLOCK_BYTES
    assert ARCHIVE.startswith(kept)


def test_no_one_there_is_a_clear_error(place: Place) -> None:
    with serve(Site(ARCHIVE)) as site:
        address = site.address
    with pytest.raises(UserError, match="could not be downloaded in 4 tries"):
        place.download(address)


def test_another_file_is_refused_and_kept_and_its_digest_accepts_it_without_a_download(place: Place) -> None:
    with serve(Site(OTHER)) as site:
        with pytest.raises(UserError, match=f"not {DIGEST}: it is another file, kept as .*digest={OTHER_DIGEST}"):
            place.download(site.address)
        assert not list(place.out.iterdir())
        place.download(site.address, OTHER_DIGEST)
    assert (place.out / "set/audio/a.wav").read_bytes() == b"another"
    assert len(site.ranges) == 1


def test_an_address_without_a_digest_is_trusted_once(place: Place) -> None:
    with serve(Site(ARCHIVE)) as site:
        place.download(site.address, "")
        assert place.is_whole()
        assert f"{DIGEST}, trusted on first use" in place.report.messages[-1]
        assert f"--set source.digest={DIGEST}" in place.report.messages[-1]
        place.download(site.address, "")
        assert len(site.ranges) == 1, "what was fetched is kept"
        place.find_kept(site.address).unlink()  # as `gc` does
        site.content = OTHER
        with pytest.raises(
            UserError, match=f"{OTHER_DIGEST}, not {DIGEST}, the digest that it had when it was fetched"
        ):
            place.download(site.address, "")
        place.download(site.address, OTHER_DIGEST)
        place.download(site.address, "")
    assert (place.out / "set/audio/a.wav").read_bytes() == b"another"
    assert len(site.ranges) == 2


def test_an_error_page_in_place_of_an_archive_is_not_trusted(place: Place) -> None:
    with serve(Site(b"<html>Please log in")) as site:
        with pytest.raises(UserError, match="is no zip or tar"):
            place.download(site.address, "")
        site.content = ARCHIVE
        place.download(site.address, "")
    assert place.is_whole()


def test_a_limit_raised_after_a_first_download_needs_no_second_one(place: Place) -> None:
    content = make_zip({"zeros": bytes(3_000_000)})
    with serve(Site(content)) as site:
        with pytest.raises(UserError, match="raise source"):
            place.download(site.address, "", max_unpacked_mb=1)
        place.download(site.address, "")
    assert len(site.ranges) == 1


def test_without_a_digest_a_beginning_of_an_earlier_run_is_not_continued(place: Place) -> None:
    with serve(Site(ARCHIVE)) as site:
        place.keep(site.address, OTHER[:50])
        place.download(site.address, "")
    assert place.is_whole()
    assert site.ranges == [""]


@pytest.mark.parametrize(("content", "faults"), [(OTHER, []), (ARCHIVE, ["404"]), (ARCHIVE, ["cut", *["500"] * 9])])
def test_a_mirror_has_what_the_first_address_has_not(place: Place, content: bytes, faults: list[str]) -> None:
    with serve(Site(content, faults)) as site, serve(Site(ARCHIVE)) as mirror:
        place.download(f"{site.address} {mirror.address}", MD5)
        assert "Trying the next address" in place.report.messages[-1]
    assert place.is_whole()
    assert len(mirror.ranges) >= 1


def test_when_no_mirror_has_the_file_each_is_named(place: Place) -> None:
    message = r"404.* 403 Forbidden\. Correct source\.archive"
    with (
        serve(Site(ARCHIVE, ["404"])) as site,
        serve(Site(ARCHIVE, ["403"])) as mirror,
        pytest.raises(UserError, match=message),
    ):
        place.download(f"{site.address} {mirror.address}")


@pytest.mark.parametrize("faults", [["404"], ["500"] * 9, ["cut", "503", *["silent"] * 9]])
def test_tokens_are_never_told(place: Place, faults: list[str]) -> None:
    with serve(Site(ARCHIVE, list(faults))) as site, pytest.raises(UserError) as error:
        place.download(site.address + "?token=s3cret#s3cret", timeout_s=0.05)
    output = " ".join([str(error.value), *place.report.messages])
    assert "/data.zip" in output
    assert "s3cret" not in output
    assert error.value.__suppress_context__ or error.value.__context__ is None


def test_a_full_disk_is_told_with_what_is_free_and_needed(place: Place) -> None:
    with serve(Site(ARCHIVE)) as site:
        place.find_kept(site.address).parent.mkdir(parents=True)
        place.find_kept(site.address).symlink_to("/dev/full")
        with pytest.raises(UserError, match=r"is full: \d+ MB are free and 1 MB are needed"):
            place.download(site.address)


@pytest.mark.parametrize("digest", [DIGEST.upper().replace("SHA", "sha"), MD5, ""])
def test_a_path_is_checked_or_measured_and_unpacked(place: Place, tmp_path: Path, digest: str) -> None:
    (tmp_path / "data.zip").write_bytes(ARCHIVE)
    place.download(str(tmp_path / "data.zip"), digest)
    assert place.is_whole()
    assert place.report.messages == ([] if digest else [f"data.zip: 1.0 MB, {DIGEST}"])


@pytest.mark.parametrize("write", [None, gzip.open, bz2.open, lzma.open])
def test_a_lone_file_becomes_the_only_one_of_its_folder(
    place: Place, tmp_path: Path, write: Callable[..., BinaryIO] | None
) -> None:
    suffix = {gzip.open: ".gz", bz2.open: ".bz2", lzma.open: ".xz"}.get(write, "")
    with (write or open)(tmp_path / f"tweets.csv{suffix}", "wb") as file:
        file.write(b"text,label\n")
    place.download(str(tmp_path / f"tweets.csv{suffix}"), "")
    assert {path.name: path.read_bytes() for path in place.out.iterdir()} == {"tweets.csv": b"text,label\n"}


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    folder = tmp_path / "photos"
    for name in ("cat/a.jpg", "fish/b c.jpg", ".git/config", "cat/.DS_Store"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(name)
    return folder


def test_a_folder_is_copied_without_hidden_files_and_measured_as_sha256sum_does(place: Place, photos: Path) -> None:
    place.download(str(photos), "")
    copied = {path.relative_to(place.out).as_posix() for path in place.out.rglob("*") if path.is_file()}
    assert copied == {"cat/a.jpg", "fish/b c.jpg"}
    lines = "".join(f"{measure_file(photos / name)[7:]}  {name}\n" for name in sorted(copied))
    digest = hashlib.sha256(lines.encode()).hexdigest()
    assert place.report.messages == [f"photos: 2 files, 0.0 MB, sha256:{digest}"]
    (place.out / "cat/a.jpg").write_text("edited")
    assert (photos / "cat/a.jpg").read_text() == "cat/a.jpg", "the copy is no link"


def test_a_folder_that_cannot_be_copied_whole_is_refused(place: Place, photos: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="photos is a folder, which has no digest"):
        place.download(str(photos))
    (photos / "cat/linked.jpg").symlink_to(photos / "cat/a.jpg")
    place.download(str(photos), "")
    assert (place.out / "cat/linked.jpg").read_text() == "cat/a.jpg"
    (photos / "dog").symlink_to(photos / "cat")
    with pytest.raises(UserError, match="dog is a link to a folder"):
        place.download(str(photos), "")
    (tmp_path / "empty").mkdir()
    with pytest.raises(UserError, match="holds no file"):
        place.download(str(tmp_path / "empty"), "")


@pytest.mark.parametrize(
    ("archive", "digest", "files"),
    [
        ("photos", "", ("photos",)),
        ("~/photos.zip", "", ("~/photos.zip",)),
        ("photos.zip", DIGEST, ()),
        ("sample", "", ()),
        ("addresses", "", ()),
        ("https://a/b.zip https://c/b.zip", "", ()),
    ],
)
def test_a_local_source_is_an_input_unless_a_digest_says_what_it_holds(
    archive: str, digest: str, files: tuple[str, ...]
) -> None:
    assert Source(archive=archive, digest=digest, max_unpacked_mb=1, timeout_s=1).files() == files


def test_the_sample_is_checked_against_its_own_digest(place: Place, tmp_path: Path) -> None:
    (tmp_path / "archive.zip").write_bytes(ARCHIVE)
    (tmp_path / "archive.sha256").write_text(DIGEST.removeprefix("sha256:") + "\n")
    place.download("sample", "", sample=tmp_path)
    assert place.is_whole()
    (tmp_path / "archive.zip").write_bytes(ARCHIVE[:-1])
    with pytest.raises(UserError, match="truncated or another file"):
        place.download("sample", "", sample=tmp_path)


@pytest.mark.parametrize(
    ("content", "message"),
    [(None, "does not exist"), (ARCHIVE[:-100], "truncated or another file"), (ARCHIVE + b" ", "another file")],
)
def test_a_wrong_path_or_file_is_refused(place: Place, tmp_path: Path, content: bytes | None, message: str) -> None:
    path = tmp_path / "data.zip"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(UserError, match=message):
        place.download(str(path))
    assert not list(place.out.iterdir())


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("digest", "abc", "sha256: and 64 hex digits"),
        ("digest", DIGEST.removeprefix("sha256:"), "sha256: and 64 hex digits"),
        ("digest", MD5.replace("md5", "sha256"), "sha256: and 64 hex digits"),
        ("archive", "", "at least 1 character"),
        ("archive", "https:///data.zip", "names no file on a host"),
        ("archive", "https://a/data.zip https://me:hush@b/data.zip", "no user name or password"),
        ("max_unpacked_mb", 0, "greater than or equal to 1"),
        ("timeout_s", 0, "greater than 0"),
    ],
)
def test_a_source_that_makes_no_sense_is_refused(key: str, value: object, message: str) -> None:
    values = {"archive": "data.zip", "digest": DIGEST, "max_unpacked_mb": 10, "timeout_s": 5} | {key: value}
    with pytest.raises(ValidationError, match=message):
        Source.model_validate(values)
