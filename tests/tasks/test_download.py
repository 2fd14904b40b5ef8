"""An archive arrives whole or not at all, whatever the server does."""

import hashlib
import io
import zipfile
from collections.abc import Mapping
from pathlib import Path

import pytest
from pydantic import ValidationError

from tasks import fetch
from tasks.download import Source, download_archive
from tasks.errors import UserError
from tasks.report import Silent
from tests.tasks.loopback import Site, serve

PAYLOAD = bytes(range(256)) * 4000  # 1 MB, in more than one block


def make_zip(files: Mapping[str, bytes]) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return file.getvalue()


ARCHIVE = make_zip({"set/audio/a.wav": PAYLOAD, "set/meta/esc50.csv": b"filename\n"})
DIGEST = hashlib.sha256(ARCHIVE).hexdigest()


class Listener(Silent):
    def __init__(self) -> None:
        self.messages: list[str] = []

    def say(self, text: str) -> None:
        self.messages.append(text)


class Place:
    """The folders that a stage is given, and one call of it."""

    def __init__(self, root: Path) -> None:
        self.out, self.checkpoints = root / "out", root / "checkpoints"
        self.out.mkdir()
        self.checkpoints.mkdir()
        self.report = Listener()

    def download(self, archive: str, sha256: str = DIGEST, *, sample: Path | None = None, **keys: float) -> None:
        values = {"max_unpacked_mb": 10, "timeout_s": 0.3} | keys
        source = Source(archive=archive, sha256=sha256, **values)  # type: ignore[arg-type]
        download_archive(source, sample, out=self.out, report=self.report, checkpoints=self.checkpoints)

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
    assert (place.checkpoints / "data.zip").read_bytes() == ARCHIVE, "the next run finds it whole"


def test_a_killed_download_goes_on_in_the_next_run(place: Place) -> None:
    (place.checkpoints / "data.zip").write_bytes(ARCHIVE[:5000])
    with serve(Site(ARCHIVE)) as site:
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
    kept = place.checkpoints / "data.zip"
    with serve(Site(ARCHIVE, list(faults))) as site:
        with pytest.raises(InterruptedError):
            fetch.fetch(site.address, kept, sha256=DIGEST, timeout_s=5.0, report=Stopping())
        place.download(site.address)
    assert site.ranges[-1] == ("" if faults else f"bytes={2 * fetch.BLOCK_BYTES}-")
    assert place.is_whole()


def test_what_was_fetched_whole_is_not_fetched_again(place: Place) -> None:
    (place.checkpoints / "data.zip").write_bytes(ARCHIVE)
    with serve(Site(ARCHIVE)) as site:
        place.download(site.address)
    assert place.is_whole()
    assert site.ranges == []


@pytest.mark.parametrize("kept", [b"another file's beginning", b"x" * (len(ARCHIVE) + 9), b"y" * len(ARCHIVE)])
def test_a_kept_beginning_that_does_not_fit_is_fetched_anew(place: Place, kept: bytes) -> None:
    (place.checkpoints / "data.zip").write_bytes(kept)
    with serve(Site(ARCHIVE)) as site:
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
    kept = (place.checkpoints / "data.zip").read_bytes()
    assert len(kept) > len(ARCHIVE) // 2 - fetch.BLOCK_BYTES
    assert ARCHIVE.startswith(kept)


def test_no_one_there_is_a_clear_error(place: Place) -> None:
    with serve(Site(ARCHIVE)) as site:
        address = site.address
    with pytest.raises(UserError, match="could not be downloaded in 4 tries"):
        place.download(address)


def test_wrong_bytes_are_refused_and_not_kept(place: Place) -> None:
    with serve(Site(ARCHIVE[:-1] + b"!")) as site, pytest.raises(UserError, match=f"not {DIGEST}"):
        place.download(site.address)
    assert not list(place.out.iterdir())
    assert not list(place.checkpoints.iterdir())


@pytest.mark.parametrize("faults", [["404"], ["500"] * 9, ["cut", "503", *["silent"] * 9]])
def test_tokens_are_never_told(place: Place, faults: list[str]) -> None:
    with serve(Site(ARCHIVE, list(faults))) as site, pytest.raises(UserError) as error:
        place.download(site.address + "?token=s3cret#s3cret", timeout_s=0.05)
    output = " ".join([str(error.value), *place.report.messages])
    assert "/data.zip" in output
    assert "s3cret" not in output
    assert error.value.__suppress_context__ or error.value.__context__ is None


def test_a_full_disk_is_told_with_what_is_free_and_needed(place: Place) -> None:
    (place.checkpoints / "data.zip").symlink_to("/dev/full")
    with serve(Site(ARCHIVE)) as site, pytest.raises(UserError, match=r"is full: \d+ MB are free and 1 MB are needed"):
        place.download(site.address)


def test_a_path_is_checked_and_unpacked(place: Place, tmp_path: Path) -> None:
    (tmp_path / "data.zip").write_bytes(ARCHIVE)
    place.download(str(tmp_path / "data.zip"), DIGEST.upper())
    assert place.is_whole()


def test_the_sample_is_checked_against_its_own_digest(place: Place, tmp_path: Path) -> None:
    (tmp_path / "archive.zip").write_bytes(ARCHIVE)
    (tmp_path / "archive.sha256").write_text(DIGEST + "\n")
    place.download("sample", "", sample=tmp_path)
    assert place.is_whole()
    (tmp_path / "archive.zip").write_bytes(ARCHIVE[:-1])
    with pytest.raises(UserError, match="truncated or another file"):
        place.download("sample", "", sample=tmp_path)


@pytest.mark.parametrize(
    ("content", "message"),
    [(None, "is no file"), (ARCHIVE[:-100], "truncated or another file"), (ARCHIVE + b" ", "another file")],
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
        ("sha256", "", "64 hex digits"),
        ("sha256", "abc", "64 hex digits"),
        ("archive", "", "at least 1 character"),
        ("archive", "https:///data.zip", "names no file on a host"),
        ("max_unpacked_mb", 0, "greater than or equal to 1"),
        ("timeout_s", 0, "greater than 0"),
    ],
)
def test_a_source_that_makes_no_sense_is_refused(key: str, value: object, message: str) -> None:
    values = {"archive": "data.zip", "sha256": DIGEST, "max_unpacked_mb": 10, "timeout_s": 5} | {key: value}
    with pytest.raises(ValidationError, match=message):
        Source.model_validate(values)
