"""Every available picture is fetched, every other row is set aside with its reason, and no private host is asked."""

import hashlib
import re
import socket
import threading
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from pydantic import ValidationError

from tasks.errors import UserError
from tasks.files import list_shard, name_shard
from tasks.images import connections, web_picture
from tasks.images.addresses import MAX_HOST_FAULTS, Addresses, fetch_addresses
from tasks.images.clean import CleanPictures
from tasks.images.connections import is_public
from tasks.images.hosts import map_hosts
from tasks.report import Silent
from tasks.tables import read_rows, write_rows
from tests.tasks.images.web import LARGE, PICTURE, Web, serve_pictures, write_certificate
from tests.tasks.loopback import Site, serve
from tests.tasks.shards import clean_packed_pictures

PLAIN = {
    "workers": 16, "per_host": 16, "retries": 1, "timeout_s": 0.6, "max_mb": 0.1, "allow_private": True,
}  # fmt: skip


class FetchStage:
    """The folders of a stage, and calls of it."""

    def __init__(self, root: Path) -> None:
        self.root, self.out, self.checkpoints = root, root / "out", root / "checkpoints"
        self.checkpoints.mkdir()

    def fetch(self, *urls: str, **keys: object) -> dict[int, str]:
        """Fetch addresses as class `cat` of `train` and return the reasons of those that were set aside."""
        return self.fetch_rows([(url, "cat", "train") for url in urls], **keys)

    def fetch_rows(self, rows: list[tuple[str, str, str]], **keys: object) -> dict[int, str]:
        table = self.root / "addresses.csv"
        columns = ["url", "class", "type"]
        write_rows(table, columns, [dict(zip(columns, row, strict=True)) for row in rows])
        return self.fetch_table(table, **keys)

    def fetch_table(self, table: Path, **keys: object) -> dict[int, str]:
        self.out.mkdir()
        section = Addresses.model_validate(PLAIN | {"file": str(table), "digest": ""} | keys)
        kept = {"checkpoints": self.checkpoints, "downloads": self.root / "downloads"}
        fetch_addresses(section, shards=1, out=self.out, report=Silent(), **kept)
        return {int(row["row"]): row["reason"] for row in read_rows(self.out / "dropped.csv")}

    def fetched(self) -> list[str]:
        return [file.name for file in list_shard(self.out / name_shard(0))]


@pytest.fixture
def stage(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FetchStage:
    monkeypatch.setattr(web_picture, "WAITS_S", (0.01,))
    return FetchStage(tmp_path)


@pytest.fixture(scope="module")
def web() -> Iterator[Web]:
    with serve_pictures() as served:
        yield served


BAD = {
    "/gone.jpg": "status 404: Not Found",
    "/busy.jpg": "status 503: Service Unavailable",
    "/cut.jpg": "broke off: the connection ended before the picture did",
    "/empty.jpg": "empty: an answer of no bytes",
    "/page.jpg": "a web page: its content type is text/html",
    "/text.jpg": "not a picture: its content type is image/jpeg",
    "/half.jpg": "unreadable: it only begins as a picture",
    "/slow.jpg": "timed out: not whole after 1.5 s",
    "/slow-header.jpg": "timed out: not whole after 1.5 s",
    "/endless.jpg": "too large: more than 0.1 MB",
    "/huge.jpg": "too large: more than 0.1 MB",
    "/large.jpg": "too large: more than 0.1 MB",
    "/to-file.jpg": "refused: only http and https are fetched, not file",
    "/to-loop.jpg": "redirected: more than 5 times",
}


def test_every_kind_of_address_is_fetched_or_set_aside(stage: FetchStage, web: Web) -> None:
    good = ["/good.png", "/unnamed.jpg", "/to-good", "/once-busy", "/once-cut"]
    reasons = stage.fetch(*(web.address + path for path in [*good, *BAD]), timeout_s=1.5)
    assert stage.fetched() == [f"train/cat/{number:04}.png" for number in range(1, len(good) + 1)]
    assert {file.read() for file in list_shard(stage.out / name_shard(0))} == {PICTURE}
    assert reasons == dict(enumerate(BAD.values(), start=len(good) + 1))


def test_a_type_is_any_word_for_a_split(stage: FetchStage, web: Web) -> None:
    types = ["Train", "TRAINING", "val ", "valid", "Validation", "Test", "eval"]
    assert not stage.fetch_rows([(f"{web.address}/good.png", "cat", each) for each in types])
    assert [name.split("/")[0] for name in stage.fetched()] == ["test", "train", "train", "val", "val", "val", "val"]


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        (("ftp://127.0.0.1/a.png", "cat", "train"), "refused: only http and https"),
        (("file:///etc/hostname", "cat", "train"), "refused: only http and https"),
        (("data/a.png", "cat", "train"), "refused: only http and https"),
        (("", "cat", "train"), "refused: only http and https"),
        (("http://", "cat", "train"), "malformed"),
        (("http://[::1/a.png", "cat", "train"), "malformed"),
        (("http://127.0.0.1:port/a.png", "cat", "train"), "malformed"),
        (("http://*.127.0.0.1/a.png", "cat", "train"), "malformed"),
        (("{web}/good.png", "cat", "train_test"), "unknown type: 'train_test' is not train, val or test"),
        (("{web}/good.png", "cat", ""), "unknown type: ''"),
        (("{web}/good.png", "", "val"), "empty class"),
        (("{web}/good.png", "cat/../dog", "val"), "class is no folder name: 'cat/../dog'"),
        (("{web}/good.png", "cat\\dog", "val"), "class is no folder name"),
        (("{web}/good.png", "..", "val"), "class is no folder name: '..'"),
        (("{web}/good.png", "c" * 300, "val"), "class is no folder name"),
        (("http://127.0.0.1:1/a.png", "cat", "train"), "dead: no connection to its host"),
        (("http://no-such-host.invalid/a.png", "cat", "train"), "dead: its host is not known"),
    ],
)
def test_a_row_that_cannot_be_fetched_is_set_aside(
    stage: FetchStage, web: Web, row: tuple[str, str, str], reason: str
) -> None:
    url, category, split = row
    good = (f"{web.address}/good.png", "dog", "test")
    reasons = stage.fetch_rows([(url.replace("{web}", web.address), category, split), good])
    assert list(reasons) == [1]
    assert reasons[1].startswith(reason)
    assert stage.fetched() == ["test/dog/0002.png"]


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        ("8.8.8.8", True), ("2600::1", True), ("64:ff9b::808:808", True), ("::ffff:8.8.8.8", True),
        ("127.0.0.1", False), ("127.9.9.9", False), ("0.0.0.0", False), ("10.0.0.1", False),
        ("172.16.0.1", False), ("192.168.1.1", False), ("169.254.169.254", False), ("100.64.0.1", False),
        ("224.0.0.1", False), ("240.0.0.1", False), ("255.255.255.255", False),
        ("::1", False), ("::", False), ("fe80::1", False), ("fe80::1%eth0", False), ("fc00::1", False),
        ("ff02::1", False), ("::ffff:127.0.0.1", False), ("64:ff9b::7f00:1", False), ("2002:7f00:1::", False),
    ],
)  # fmt: skip
def test_only_public_addresses_are_public(address: str, expected: bool) -> None:
    assert is_public(address) is expected


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "2130706433", "0x7f.1", "[::1]", "0", "127.0.0.1."])
def test_this_machine_is_refused_however_it_is_spelt(stage: FetchStage, web: Web, host: str) -> None:
    asked = len(web.asked)
    with pytest.raises(
        UserError, match=r"None of the 1 pictures could be fetched \(1 refused; for example row 1: refused"
    ):
        stage.fetch(f"http://{host}:{web.address.rpartition(':')[2]}/good.png", allow_private=False)
    assert len(web.asked) == asked


def test_a_name_with_one_private_address_is_refused(
    stage: FetchStage, web: Web, monkeypatch: pytest.MonkeyPatch
) -> None:
    port = int(web.address.rpartition(":")[2])
    found = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (ip, port)) for ip in ("127.0.0.1", "8.8.8.8")]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *args, **keys: found)
    with pytest.raises(UserError, match="1 refused"):
        stage.fetch(f"http://pictures.example:{port}/good.png", allow_private=False)


def test_a_redirect_to_a_private_address_is_refused(
    stage: FetchStage, web: Web, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connections, "is_public", lambda address: address == "127.0.0.1")  # as if it were outside
    reasons = stage.fetch(f"{web.address}/good.png", f"{web.address}/to-private.png", allow_private=False)
    assert reasons == {2: "refused: an address of this machine or of a private network"}


@pytest.mark.parametrize(
    ("certified", "trusted", "reason"),
    [
        ("127.0.0.1", True, ""),
        ("127.0.0.1", False, "dead: no trusted TLS connection"),
        ("127.0.0.9", True, "dead: no trusted TLS connection"),
    ],
)
def test_a_host_must_be_who_it_says(
    stage: FetchStage, web: Web, monkeypatch: pytest.MonkeyPatch, certified: str, trusted: bool, reason: str
) -> None:
    certificate = write_certificate(stage.root, certified)
    if trusted:
        monkeypatch.setattr(connections, "where", lambda: str(certificate))
    connections.load_certificates.cache_clear()
    with serve_pictures(certificate) as safe:
        reasons = stage.fetch(f"{web.address}/good.png", f"{safe.address}/good.png")
    connections.load_certificates.cache_clear()
    assert reasons == ({2: reason} if reason else {})


def test_a_killed_run_goes_on(stage: FetchStage, web: Web) -> None:
    asked = len(web.asked)
    stage.fetch(f"{web.address}/good.png?1", f"{web.address}/gone.png")
    (stage.checkpoints / "0003.part").write_bytes(PICTURE[:100])
    stage.out.rename(stage.root / "before")
    reasons = stage.fetch(f"{web.address}/good.png?1", f"{web.address}/gone.png", f"{web.address}/good.png?3")
    assert web.asked[asked:].count("/good.png?1") == 1
    assert stage.fetched() == ["train/cat/0001.png", "train/cat/0003.png"]
    assert list(reasons) == [2]


@pytest.mark.parametrize("lost", [["gone.png"], []])
def test_what_was_fetched_is_an_archive_for_cleaning(stage: FetchStage, web: Web, lost: list[str]) -> None:
    rows = [("good.png", "cat", "train"), ("large.png", "dog", "train"), *((path, "dog", "train") for path in lost)]
    stage.fetch_rows([(f"{web.address}/{path}", category, split) for path, category, split in rows], max_mb=1.0)
    clean = CleanPictures(min_side_px=1, max_pixels=10**6, near_duplicate_bits=0, group_bits=0, min_per_class=1)
    cleaned = stage.root / "cleaned"
    cleaned.mkdir()
    clean_packed_pictures(stage.out, clean, cleaned)
    assert [row["file"] for row in read_rows(cleaned / "examples.csv")] == stage.fetched()
    dropped = [(row["file"], row["reason"]) for row in read_rows(cleaned / "dropped.csv")]
    assert dropped == [(f"{web.address}/{path}", "status 404: Not Found") for path in lost]


def test_the_limit_is_a_picture_s_own_size(stage: FetchStage, web: Web) -> None:
    assert stage.fetch(f"{web.address}/large.png", max_mb=len(LARGE) / 1e6) == {}


def test_a_host_without_responses_is_given_up(stage: FetchStage, web: Web) -> None:
    dead = [f"http://127.0.0.2:1/{number}.png" for number in range(MAX_HOST_FAULTS + 5)]
    reasons = stage.fetch(*dead, f"{web.address}/good.png", per_host=1, retries=0)
    kinds = Counter(reason.split(":")[0] for reason in reasons.values())
    assert kinds == {"dead": MAX_HOST_FAULTS, "host given up": 5}
    assert stage.fetched() == [f"train/cat/{len(dead) + 1:04}.png"]


@pytest.mark.parametrize("path", ["gone.png?key=geheim", "to-file.png#geheim", "slow-header.png?key=geheim"])
def test_secrets_stay_out_of_files_and_messages(
    stage: FetchStage, web: Web, path: str, caplog: pytest.LogCaptureFixture
) -> None:
    secret = web.address.replace("//", "//user:geheim@") + f"/{path}"
    stage.fetch(secret, f"{web.address}/good.png")
    assert "geheim" not in (stage.out / "dropped.csv").read_text() + caplog.text
    stage.out.rename(stage.root / "before")
    with pytest.raises(UserError) as message:
        stage.fetch(secret)
    assert not re.search(r"geheim|user|127\.0\.0\.1", str(message.value))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("url,class\nhttp://a/b,cat\n", "lacks the column type; it has url, class"),
        ("", "lacks the columns url, class, type; it has none"),
        ("url,class,type\n", "None of the 0 pictures could be fetched .the table has no rows."),
    ],
)
def test_a_table_without_columns_or_rows_is_refused(stage: FetchStage, text: str, message: str) -> None:
    table = stage.root / "table.csv"
    table.write_text(text)
    with pytest.raises(UserError, match=message):
        stage.fetch_table(table)


@pytest.mark.parametrize(
    ("file", "message"), [("no/such.csv", "such.csv does not exist"), ("tests", "tests is a folder")]
)
def test_a_missing_table_is_refused(stage: FetchStage, file: str, message: str) -> None:
    with pytest.raises(UserError, match=rf"addresses\.file .*{message}"):
        stage.fetch_table(Path(file), file=file)


def test_the_table_may_have_an_address_and_a_digest(stage: FetchStage, web: Web) -> None:
    table = f"url,class,type\n{web.address}/good.png,cat,train\n{web.address}/gone.png,fish,train\n".encode()
    with serve(Site(table)) as site:
        reasons = stage.fetch_table(Path(), file=site.address, digest=f"md5:{hashlib.md5(table).hexdigest()}")
    assert stage.fetched() == ["train/cat/0001.png"]
    assert reasons == {2: "status 404: Not Found"}


@pytest.mark.parametrize(
    ("file", "digest", "files"),
    [("a.csv", "", ("a.csv",)), ("", "", ()), ("a.csv", f"md5:{'0' * 32}", ()), ("https://a/b.csv", "", ())],
)
def test_a_local_table_is_an_input(file: str, digest: str, files: tuple[str, ...]) -> None:
    assert Addresses.model_validate(PLAIN | {"file": file, "digest": digest}).files() == files


def test_no_host_gets_more_than_all_workers() -> None:
    with pytest.raises(ValidationError, match="per_host 17 must be at most workers 16"):
        Addresses.model_validate(PLAIN | {"file": "", "digest": "", "per_host": 17})


def test_a_slow_host_delays_only_its_own_items() -> None:
    items = {"slow": [("slow", n) for n in range(6)], **{f"fast{n}": [(f"fast{n}", 0)] for n in range(20)}}

    def compute(item: tuple[str, int]) -> None:
        time.sleep(0.05 if item[0] == "slow" else 0.001)

    order = [host for (host, _), _ in map_hosts(compute, items, workers=2, per_host=2)]
    assert Counter(order) == {"slow": 6} | {f"fast{n}": 1 for n in range(20)}
    assert order.index("fast19") < [n for n, host in enumerate(order) if host == "slow"][4]


def test_a_host_sees_its_share_at_once_and_no_more() -> None:
    at_once, lock, three = Counter[str](), threading.Lock(), threading.Barrier(3)

    def compute(host: str) -> int:
        with lock:
            at_once[host] += 1
            seen = at_once[host]
        if host == "a":
            three.wait(timeout=10)
        with lock:
            at_once[host] -= 1
        return seen

    done = list(map_hosts(compute, {"a": ["a"] * 12, "b": ["b"] * 9}, workers=8, per_host=3))
    assert Counter(host for host, _ in done) == {"a": 12, "b": 9}
    assert max(seen for _, seen in done) == 3


def test_an_error_of_the_work_is_raised_where_it_was_asked_for() -> None:
    def compute(number: int) -> int:
        return 1 // number

    with pytest.raises(ZeroDivisionError):
        list(map_hosts(compute, {"a": [1, 0, 1, 1]}, workers=1, per_host=1))
