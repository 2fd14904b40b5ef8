"""Fetch one picture over HTTP from an address that may be dead, slow or hostile."""

import time
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from urllib.parse import urljoin, urlsplit

import requests

from tasks.disk import name_disk_faults
from tasks.images.connections import Connector, ConnectorAdapter, TemporaryError, UnavailableError
from tasks.images.decode import BROKEN, open_picture, starts_as_picture

BLOCK_BYTES = 1 << 15
WAITS_S = (0.5, 2.0, 8.0)  # before each further try; the last value repeats
TRY_AGAIN = {408, 425, 429, 500, 502, 503, 504}
MAX_REDIRECTS = 5
EXTENSIONS = {
    "JPEG": "jpg", "MPO": "jpg", "PNG": "png", "GIF": "gif", "BMP": "bmp", "WEBP": "webp", "TIFF": "tif", "PPM": "ppm",
    "AVIF": "avif",
}  # fmt: skip
HEADERS = {"User-Agent": "Mozilla/5.0 (compatible; trifold)", "Accept-Encoding": "identity", "Accept": "image/*"}


@dataclass(frozen=True)
class Limits:
    """The most that one picture may take of time, bytes and further tries."""

    timeout_s: float
    max_bytes: int
    retries: int
    allow_private: bool


def fetch_picture(address: str, target: Path, limits: Limits) -> str:
    """Fetch one picture into `target` and return "", or return the reason why it is unavailable.

    The time limit covers all tries and redirects together. The reason contains neither host nor path. A file named
    `target` is always complete, because the picture is written under another name first.
    """
    partial = target.with_suffix(".partial")
    with Connector(limits.timeout_s, allow_private=limits.allow_private) as connector:
        for number in range(limits.retries + 1):
            try:
                _try_once(address, partial, connector, limits)
                name_extension(partial)
                partial.replace(target)
                return ""
            except UnavailableError as error:
                fault = error
            wait_s = WAITS_S[min(number, len(WAITS_S) - 1)]
            if not isinstance(fault, TemporaryError) or number == limits.retries or wait_s >= connector.left_s:
                break
            time.sleep(wait_s)
        return connector.timeout_reason or str(fault)


def name_extension(file: Path) -> str:
    """Return the extension that fits a file's content, whatever its name; raises UnavailableError for no picture."""
    try:
        with open_picture(file) as picture:
            return EXTENSIONS[picture.format or ""]
    except BROKEN:
        raise UnavailableError("unreadable: it only begins as a picture") from None


def _try_once(address: str, partial: Path, connector: Connector, limits: Limits) -> None:
    adapter = ConnectorAdapter(connector)
    try:
        with _follow(address, adapter, connector) as answer:
            _check_answer(answer, limits)
            _write_body(answer, partial, connector, limits)
    except requests.RequestException as error:
        raise _translate_fault(error) from None
    except ValueError:
        raise UnavailableError("malformed: it is no address that could be asked for") from None
    finally:
        adapter.close()


def _follow(address: str, adapter: ConnectorAdapter, connector: Connector) -> requests.Response:
    """Return the response at the end of the redirects; each is checked like the first address."""
    for _ in range(MAX_REDIRECTS + 1):
        scheme = urlsplit(address).scheme.lower()
        if scheme not in ("http", "https"):
            raise UnavailableError(f"refused: only http and https are fetched, not {scheme or 'a path'}")
        request = requests.Request("GET", address, HEADERS).prepare()
        answer = adapter.send(request, stream=True, timeout=connector.require_time())
        if not answer.is_redirect:
            return answer
        answer.close()  # its body may be endless
        address = urljoin(request.url or address, answer.headers["Location"].encode("latin-1").decode(errors="replace"))
    raise UnavailableError(f"redirected: more than {MAX_REDIRECTS} times")


def _check_answer(answer: requests.Response, limits: Limits) -> None:
    status = answer.status_code
    if status != HTTPStatus.OK:
        phrase = HTTPStatus(status).phrase if status in set(HTTPStatus) else "unknown"
        kind = TemporaryError if status in TRY_AGAIN else UnavailableError
        raise kind(f"status {status}: {phrase}")
    length = answer.headers.get("Content-Length", "")
    if length.isdigit() and int(length) > limits.max_bytes:
        raise _make_too_large(limits)


def _write_body(answer: requests.Response, partial: Path, connector: Connector, limits: Limits) -> None:
    with name_disk_faults(partial.parent, limits.max_bytes), partial.open("wb") as file:
        for block in answer.iter_content(BLOCK_BYTES):
            if file.tell() == 0 and not starts_as_picture(block):
                raise UnavailableError(_describe_other(answer, block))
            file.write(block)
            if file.tell() > limits.max_bytes:
                raise _make_too_large(limits)
        if file.tell() == 0:
            raise TemporaryError("empty: an answer of no bytes")
    connector.require_time()  # a connection closed because its time was over looks like the end of the picture


def _describe_other(answer: requests.Response, block: bytes) -> str:
    content_type = answer.headers.get("Content-Type", "").split(";")[0].strip()[:60]
    is_page = content_type in ("text/html", "application/xhtml+xml") or block.lstrip()[:1] == b"<"
    return f"{'a web page' if is_page else 'not a picture'}: its content type is {content_type or 'not given'}"


def _make_too_large(limits: Limits) -> UnavailableError:
    return UnavailableError(f"too large: more than {limits.max_bytes / 1e6:g} MB")


def _translate_fault(error: requests.RequestException) -> UnavailableError:
    """Return our error for an error of requests, whose message may contain the address and so a password."""
    if isinstance(error, requests.exceptions.SSLError):
        return UnavailableError("dead: no trusted TLS connection")
    if isinstance(error, ValueError):
        return UnavailableError("malformed: it is no address that could be asked for")
    return TemporaryError("broke off: the connection ended before the picture did")
