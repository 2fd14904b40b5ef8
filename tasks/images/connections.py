"""HTTP connections for addresses that nobody vouches for: public hosts only, and none outlives its time."""

import ipaddress
import logging
import socket
import ssl
import threading
import time
from collections.abc import Mapping
from functools import cache, partial
from types import TracebackType
from typing import Any, Self, cast

from certifi import where
from requests import PreparedRequest
from requests.adapters import HTTPAdapter
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import ConnectionPool

_EMBEDDED = ipaddress.ip_network("64:ff9b::/96")  # IPv4 within IPv6, as NAT64 writes it (RFC 6052)


class LostError(Exception):
    """The picture cannot be had; the text says why and holds neither host nor address."""


class PassingError(LostError):
    """As LostError, but another try may bring it."""


class Guard:
    """Makes the connections for one picture and cuts them all when its time is over.

    A limit on each read would not do: a server that sends a byte now and then keeps within it for ever.
    """

    def __init__(self, timeout_s: float, *, allow_private: bool) -> None:
        self._timeout_s = timeout_s
        self._allow_private = allow_private
        self._end = time.monotonic() + timeout_s  # so the alarm, begun later, rings when it is over
        self._alarm = threading.Timer(timeout_s, self._cut)
        self._alarm.daemon = True
        self._lock = threading.Lock()
        self._sockets: list[socket.socket] = []

    def __enter__(self) -> Self:
        self._alarm.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._alarm.cancel()
        with self._lock:
            for spare in self._sockets:
                spare.close()
            self._sockets.clear()

    @property
    def left_s(self) -> float:
        """Seconds left; below 0 when the time is over."""
        return self._end - time.monotonic()

    @property
    def verdict(self) -> str:
        """The reason that holds, whatever else went wrong, when the time is over; else ""."""
        return f"timed out: not whole after {self._timeout_s:g} s" if self.left_s <= 0 else ""

    def spend(self) -> float:
        """Return the seconds left for the next step; raises LostError when there are none."""
        left_s = self.left_s
        if left_s <= 0:
            raise LostError(self.verdict)
        return left_s

    def connect(self, host: str, port: int) -> socket.socket:
        """Return a socket connected to `host`, whose every address is public, or raise LostError.

        The name is resolved once and the connection goes to what was checked, so that a name whose address
        changes in between gains nothing.
        """
        places = _resolve(host, port)
        if not self._allow_private and not all(is_public(str(place[0])) for _, place in places):
            raise LostError("refused: an address of this machine or of a private network")
        connected = self._try_each(places)
        with self._lock:
            self._sockets.append(connected.dup())  # a TLS connection takes the first one over
        return connected

    def _try_each(self, places: list[tuple[int, Any]]) -> socket.socket:
        for family, place in places:
            left_s = self.spend()
            candidate = socket.socket(family, socket.SOCK_STREAM)
            candidate.settimeout(left_s)
            try:
                candidate.connect(place)
            except OSError:
                candidate.close()
            else:
                return candidate
        raise PassingError("dead: no connection to its host")

    def _cut(self) -> None:
        with self._lock:
            for spare in self._sockets:
                try:
                    spare.shutdown(socket.SHUT_RDWR)
                except OSError:
                    continue  # the other side was faster


class GuardedAdapter(HTTPAdapter):
    """Sends requests over connections that a guard makes."""

    def __init__(self, guard: Guard) -> None:
        self._guard = guard
        super().__init__(max_retries=0)

    def init_poolmanager(self, connections: int, maxsize: int, block: bool = False, **keys: Any) -> None:
        """Have TLS use the certificates that were read already."""
        super().init_poolmanager(connections, maxsize, block, ssl_context=load_certificates(), **keys)

    def cert_verify(self, conn: Any, url: str, verify: bool | str, cert: Any) -> None:
        """Ask for a certificate, without having them all read again for each connection."""
        conn.cert_reqs = "CERT_REQUIRED"

    def get_connection_with_tls_context(
        self,
        request: PreparedRequest,
        verify: bool | str | None,
        proxies: Mapping[str, str] | None = None,
        cert: Any = None,
    ) -> ConnectionPool:
        """Return requests' own pool for the request's host, made to connect through the guard."""
        pool: Any = super().get_connection_with_tls_context(request, verify, proxies, cert)
        kind = _GuardedHTTPS if pool.scheme == "https" else _GuardedHTTP
        pool.ConnectionCls = partial(kind, guard=self._guard)
        return cast(ConnectionPool, pool)


class _GuardedHTTP(HTTPConnection):
    def __init__(self, *args: Any, guard: Guard, **keys: Any) -> None:
        super().__init__(*args, **keys)
        self._guard = guard

    def _new_conn(self) -> socket.socket:
        return self._guard.connect(self.host.strip("[]"), self.port)


class _GuardedHTTPS(HTTPSConnection):
    def __init__(self, *args: Any, guard: Guard, **keys: Any) -> None:
        super().__init__(*args, **keys)
        self._guard = guard

    def _new_conn(self) -> socket.socket:
        return self._guard.connect(self.host.strip("[]"), self.port)


def hush_urllib3() -> None:
    """Have urllib3 not log what it finds odd in an answer's head: its text holds the address."""
    logging.getLogger("urllib3.connection").setLevel(logging.ERROR)


@cache
def load_certificates() -> ssl.SSLContext:
    """Return the TLS settings of all connections: those who are trusted, and that the host's name must fit."""
    return ssl.create_default_context(cafile=where())


def is_public(address: str) -> bool:
    """Tell whether an IP address belongs to the public internet, also one that stands within an IPv6 address."""
    found = ipaddress.ip_address(address)
    if isinstance(found, ipaddress.IPv6Address):
        inner = found.ipv4_mapped or found.sixtofour
        if found in _EMBEDDED:
            inner = ipaddress.IPv4Address(int(found) & 0xFFFFFFFF)
        if inner is not None:
            return is_public(str(inner))
    return found.is_global and not found.is_multicast


def _resolve(host: str, port: int) -> list[tuple[int, Any]]:
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except socket.gaierror as error:
        kind = PassingError if error.errno == socket.EAI_AGAIN else LostError
        raise kind("dead: its host is not known") from None
    return [(family, place) for family, _, _, _, place in found]
