"""One picture over HTTP, from an address that is as likely dead as not."""

import time
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from urllib.parse import urljoin, urlsplit

import requests

from tasks.disk import name_disk_faults
from tasks.images.connections import Guard, GuardedAdapter, LostError, PassingError
from tasks.images.decode import BROKEN, open_picture, starts_as_picture

BLOCK_BYTES = 1 << 15
WAITS_S = (0.5, 2.0, 8.0)  # before each further try; the last one again for more
TRY_AGAIN = {408, 425, 429, 500, 502, 503, 504}
MAX_REDIRECTS = 5
EXTENSIONS = {
    "JPEG": "jpg", "MPO": "jpg", "PNG": "png", "GIF": "gif", "BMP": "bmp", "WEBP": "webp", "TIFF": "tif", "PPM": "ppm",
    "AVIF": "avif",
}  # fmt: skip
HEADERS = {"User-Agent": "Mozilla/5.0 (compatible; trifold)", "Accept-Encoding": "identity", "Accept": "image/*"}


@dataclass(frozen=True)
class Limits:
    """What one picture may take."""

    timeout_s: float
    max_bytes: int
    retries: int
    allow_private: bool


def fetch_picture(address: str, target: Path, limits: Limits) -> str:
    """Fetch one picture into `target` and return "", or return the reason why it cannot be had.

    The time limit covers all tries and redirects together. The reason names neither host nor path. What is
    there under the target's name is whole: it is written under another name first.
    """
    part = target.with_suffix(".part")
    with Guard(limits.timeout_s, allow_private=limits.allow_private) as guard:
        for number in range(limits.retries + 1):
            try:
                _try_once(address, part, guard, limits)
                name_extension(part)
                part.replace(target)
                return ""
            except LostError as error:
                fault = error
            wait_s = WAITS_S[min(number, len(WAITS_S) - 1)]
            if not isinstance(fault, PassingError) or number == limits.retries or wait_s >= guard.left_s:
                break
            time.sleep(wait_s)
        return guard.verdict or str(fault)


def name_extension(file: Path) -> str:
    """Return the extension that fits what a file holds, whatever it is called; raises LostError for no picture."""
    try:
        with open_picture(file) as picture:
            return EXTENSIONS[picture.format or ""]
    except BROKEN:
        raise LostError("unreadable: it only begins as a picture") from None


def _try_once(address: str, part: Path, guard: Guard, limits: Limits) -> None:
    adapter = GuardedAdapter(guard)
    try:
        with _follow(address, adapter, guard) as answer:
            _check_answer(answer, limits)
            _write_body(answer, part, guard, limits)
    except requests.RequestException as error:
        raise _name_fault(error) from None
    except ValueError:
        raise LostError("malformed: it is no address that could be asked for") from None
    finally:
        adapter.close()


def _follow(address: str, adapter: GuardedAdapter, guard: Guard) -> requests.Response:
    """Return the answer at the end of the redirects; each is checked as the first address was."""
    for _ in range(MAX_REDIRECTS + 1):
        scheme = urlsplit(address).scheme.lower()
        if scheme not in ("http", "https"):
            raise LostError(f"refused: only http and https are fetched, not {scheme or 'a path'}")
        request = requests.Request("GET", address, HEADERS).prepare()
        answer = adapter.send(request, stream=True, timeout=guard.spend())
        if not answer.is_redirect:
            return answer
        answer.close()  # its body may have no end
        address = urljoin(request.url or address, answer.headers["Location"].encode("latin-1").decode(errors="replace"))
    raise LostError(f"redirected: more than {MAX_REDIRECTS} times")


def _check_answer(answer: requests.Response, limits: Limits) -> None:
    status = answer.status_code
    if status != HTTPStatus.OK:
        phrase = HTTPStatus(status).phrase if status in set(HTTPStatus) else "unknown"
        kind = PassingError if status in TRY_AGAIN else LostError
        raise kind(f"status {status}: {phrase}")
    length = answer.headers.get("Content-Length", "")
    if length.isdigit() and int(length) > limits.max_bytes:
        raise _too_large(limits)


def _write_body(answer: requests.Response, part: Path, guard: Guard, limits: Limits) -> None:
    with name_disk_faults(part.parent, limits.max_bytes), part.open("wb") as file:
        for block in answer.iter_content(BLOCK_BYTES):
            if file.tell() == 0 and not starts_as_picture(block):
                raise LostError(_describe_other(answer, block))
            file.write(block)
            if file.tell() > limits.max_bytes:
                raise _too_large(limits)
        if file.tell() == 0:
            raise PassingError("empty: an answer of no bytes")
    guard.spend()  # a connection cut at the end of its time looks like the end of the picture


def _describe_other(answer: requests.Response, block: bytes) -> str:
    said = answer.headers.get("Content-Type", "").split(";")[0].strip()[:60]
    is_page = said in ("text/html", "application/xhtml+xml") or block.lstrip()[:1] == b"<"
    return f"{'a web page' if is_page else 'not a picture'}: its content type is {said or 'not told'}"


def _too_large(limits: Limits) -> LostError:
    return LostError(f"too large: more than {limits.max_bytes / 1e6:g} MB")


def _name_fault(error: requests.RequestException) -> LostError:
    """Return what a fault of requests means; its own text may hold the address, and so a password."""
    if isinstance(error, requests.exceptions.SSLError):
        return LostError("dead: no trusted TLS connection")
    if isinstance(error, ValueError):
        return LostError("malformed: it is no address that could be asked for")
    return PassingError("broke off: the connection ended before the picture did")
