"""A small HTTP server on loopback that fails in the ways that real ones do."""

import gzip
import re
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


@dataclass
class Site:
    """What is served, and how: one fault a request, in order, then none."""

    content: bytes
    faults: list[str] = field(default_factory=list)
    has_range: bool = True
    packs: bool = False  # by gzip, whatever is asked for: lengths and ranges are then those of the packed bytes
    address: str = ""
    ranges: list[str] = field(default_factory=list)  # the Range header of each request, as it came
    sent_bytes: int = 0


class Handler(BaseHTTPRequestHandler):
    site: Site

    def do_GET(self) -> None:
        site, asked = self.site, self.headers.get("Range", "")
        site.ranges.append(asked)
        fault = site.faults.pop(0) if site.faults else ""
        if fault.isdigit():
            self.send_error(int(fault))
            return
        if fault == "silent":
            time.sleep(1.0)
            self.close_connection = True
            return
        content = gzip.compress(site.content, mtime=0) if site.packs else site.content
        start = int(re.findall(r"\d+", asked)[0]) if asked and site.has_range else 0
        if start and start >= len(content):
            self.send_response(416)
            self.send_header("Content-Range", f"bytes */{len(content)}")
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        self._send(content[start:], start, cut=fault == "cut")

    def _send(self, body: bytes, start: int, *, cut: bool) -> None:
        self.send_response(206 if start else 200)
        if start:
            self.send_header("Content-Range", f"bytes {start}-{start + len(body) - 1}/{start + len(body)}")
        if self.site.packs:
            self.send_header("Content-Encoding", "gzip")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        body = body[: len(body) // 2] if cut else body
        self.wfile.write(body)
        self.site.sent_bytes += len(body)
        self.close_connection = True

    def log_message(self, format: str, *args: object) -> None:
        """Stay quiet."""


@contextmanager
def serve(site: Site) -> Iterator[Site]:
    """Serve `site` on a free port of loopback while the block runs."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("SiteHandler", (Handler,), {"site": site}))
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    site.address = f"http://127.0.0.1:{server.server_port}/data.zip"
    try:
        yield site
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
