"""A web server of pictures on loopback: each path fails in its own way."""

import datetime
import ipaddress
import itertools
import ssl
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from tasks.images.png import encode_png
from tests.tasks.images.pictures import make_pixels

PICTURE = encode_png(make_pixels(1))
LARGE = encode_png(make_pixels(2, 300, 300))


class Web:
    """A running server; it records the paths that were requested, and those being served now."""

    def __init__(self, scheme: str, port: int) -> None:
        self.address = f"{scheme}://127.0.0.1:{port}"
        self.asked: list[str] = []
        self.closing = threading.Event()


class Handler(BaseHTTPRequestHandler):
    web: Web

    def do_GET(self) -> None:
        """Respond as the path's name says; names that begin with `once-` fail only the first time."""
        name = self.path.strip("/").partition(".")[0].partition("?")[0]
        first = self.path not in self.web.asked
        self.web.asked.append(self.path)
        if name.startswith("once-"):
            name = name.removeprefix("once-") if first else "good"
        self.close_connection = True
        try:
            getattr(self, f"_send_{name.replace('-', '_')}")()
        except OSError:
            return  # the other side hung up, as it should

    def _send(self, body: bytes, *, kind: str = "image/png", length: int | None = None, status: int = 200) -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        if length is not None:
            self.send_header("Content-Length", str(length))
        self.end_headers()
        self.wfile.write(body)

    def _send_good(self) -> None:
        self._send(PICTURE, length=len(PICTURE))

    def _send_large(self) -> None:
        self._send(LARGE, length=len(LARGE))

    def _send_unnamed(self) -> None:
        self._send(PICTURE, kind="application/octet-stream")

    def _send_gone(self) -> None:
        self.send_error(404)

    def _send_busy(self) -> None:
        self.send_error(503)

    def _send_cut(self) -> None:
        self._send(PICTURE[:500], length=len(PICTURE))

    def _send_empty(self) -> None:
        self._send(b"", length=0)

    def _send_page(self) -> None:
        self._send(b"<!DOCTYPE html><p>This picture is no longer here.", kind="text/html; charset=utf-8")

    def _send_text(self) -> None:
        self._send(b"This picture is no longer here.", kind="image/jpeg")

    def _send_half(self) -> None:
        self._send(PICTURE[:20])

    def _send_slow(self) -> None:
        self._send(PICTURE[:500], length=len(PICTURE))
        self._drip(PICTURE[500:])

    def _send_slow_header(self) -> None:
        self._drip(b"HTTP/1.0 200 OK\r\n" + b"X-Wait: 1\r\n" * 10_000)

    def _send_endless(self) -> None:
        self._send(PICTURE)
        for _ in itertools.takewhile(lambda _: not self.web.closing.is_set(), itertools.count()):
            self.wfile.write(bytes(1 << 16))

    def _send_huge(self) -> None:
        self._send(PICTURE, length=10**9)

    def _send_to_good(self) -> None:
        self._redirect("/good.png")

    def _send_to_file(self) -> None:
        self._redirect(f"file://{Path(__file__).as_posix()}")

    def _send_to_private(self) -> None:
        self._redirect(self.web.address.replace("127.0.0.1", "127.0.0.2") + "/good.png")

    def _send_to_loop(self) -> None:
        self._redirect(self.path)

    def _redirect(self, place: str) -> None:
        self.send_response(302)
        self.send_header("Location", place)
        self.end_headers()
        if place == self.path:
            self._send_endless()  # a redirect's body, which nobody needs

    def _drip(self, content: bytes) -> None:
        for byte in content:
            if self.web.closing.is_set():
                return
            self.wfile.write(bytes([byte]))
            time.sleep(0.02)

    def log_message(self, format: str, *args: object) -> None:
        """Log nothing."""


def write_certificate(folder: Path, host: str) -> Path:
    """Write a self-signed certificate for `host` and its key, as one file."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, host)])
    now = datetime.datetime.now(datetime.UTC)
    certificate = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address(host))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    plain = (serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    path = folder / "certificate.pem"
    path.write_bytes(
        certificate.public_bytes(serialization.Encoding.PEM) + key.private_bytes(serialization.Encoding.PEM, *plain)
    )
    return path


@contextmanager
def serve_pictures(certificate: Path | None = None) -> Iterator[Web]:
    """Serve the web on a free port of loopback while the block runs, by TLS when it has a certificate."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    if certificate:
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(certificate)
        server.socket = context.wrap_socket(server.socket, server_side=True)
    web = Web("https" if certificate else "http", server.server_port)
    server.RequestHandlerClass = type("WebHandler", (Handler,), {"web": web})
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield web
    finally:
        web.closing.set()
        server.shutdown()
        thread.join()
        server.server_close()
