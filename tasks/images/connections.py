"""HTTP connections to untrusted addresses: to public hosts only, and closed when their time is over."""

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

_NAT64 = ipaddress.ip_network("64:ff9b::/96")  # IPv4 within IPv6, as NAT64 writes it (RFC 6052)


class UnavailableError(Exception):
    """The picture is unavailable; the message says why and contains neither host nor address."""


class TemporaryError(UnavailableError):
    """The picture is unavailable now, but another try may succeed."""


class Connector:
    """Makes the connections for one picture and closes them all when its time is over.

    A limit on each read would not be enough: a server that sends one byte now and then would never exceed it.
    """

    def __init__(self, timeout_s: float, *, allow_private: bool) -> None:
        self._timeout_s = timeout_s
        self._allow_private = allow_private
        self._end = time.monotonic() + timeout_s  # read before the alarm starts, so it is past when the alarm rings
        self._alarm = threading.Timer(timeout_s, self._close_all)
        self._alarm.daemon = True
        self._lock = threading.Lock()
        self._sockets: list[socket.socket] = []

    def __enter__(self) -> Self:
        self._alarm.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._alarm.cancel()
        with self._lock:
            for connection in self._sockets:
                connection.close()
            self._sockets.clear()

    @property
    def left_s(self) -> float:
        """Seconds left; negative when the time is over."""
        return self._end - time.monotonic()

    @property
    def timeout_reason(self) -> str:
        """The reason "timed out" when the time is over, whatever other error there was; else ""."""
        return f"timed out: not whole after {self._timeout_s:g} s" if self.left_s <= 0 else ""

    def require_time(self) -> float:
        """Return the seconds left for the next step; raises UnavailableError when none are left."""
        left_s = self.left_s
        if left_s <= 0:
            raise UnavailableError(self.timeout_reason)
        return left_s

    def connect(self, host: str, port: int) -> socket.socket:
        """Return a socket connected to `host`; raises UnavailableError unless all its addresses are public.

        The name is resolved once, and the connection goes to the address that was checked. So a name whose address
        changes in between cannot reach a private network.
        """
        candidates = _resolve(host, port)
        if not self._allow_private and not all(is_public(str(address[0])) for _, address in candidates):
            raise UnavailableError("refused: an address of this machine or of a private network")
        connected = self._try_each(candidates)
        with self._lock:
            self._sockets.append(connected.dup())  # a TLS connection takes over the original
        return connected

    def _try_each(self, candidates: list[tuple[int, Any]]) -> socket.socket:
        for family, address in candidates:
            left_s = self.require_time()
            connection = socket.socket(family, socket.SOCK_STREAM)
            connection.settimeout(left_s)
            try:
                connection.connect(address)
            except OSError:
                connection.close()
            else:
                return connection
        raise TemporaryError("dead: no connection to its host")

    def _close_all(self) -> None:
        with self._lock:
            for connection in self._sockets:
                try:
                    connection.shutdown(socket.SHUT_RDWR)
                except OSError:
                    continue  # the other side had closed it already


class ConnectorAdapter(HTTPAdapter):
    """Sends requests over the connections of a `Connector`."""

    def __init__(self, connector: Connector) -> None:
        self._connector = connector
        super().__init__(max_retries=0)

    def init_poolmanager(self, connections: int, maxsize: int, block: bool = False, **keys: Any) -> None:
        """Use the certificates that are already loaded."""
        super().init_poolmanager(connections, maxsize, block, ssl_context=load_certificates(), **keys)

    def cert_verify(self, conn: Any, url: str, verify: bool | str, cert: Any) -> None:
        """Require a certificate, without loading the trusted ones again for each connection."""
        conn.cert_reqs = "CERT_REQUIRED"

    def get_connection_with_tls_context(
        self,
        request: PreparedRequest,
        verify: bool | str | None,
        proxies: Mapping[str, str] | None = None,
        cert: Any = None,
    ) -> ConnectionPool:
        """Return requests' own pool for the request's host; it connects through the connector."""
        pool: Any = super().get_connection_with_tls_context(request, verify, proxies, cert)
        kind = _LimitedHTTPS if pool.scheme == "https" else _LimitedHTTP
        pool.ConnectionCls = partial(kind, connector=self._connector)
        return cast(ConnectionPool, pool)


class _LimitedHTTP(HTTPConnection):
    def __init__(self, *args: Any, connector: Connector, **keys: Any) -> None:
        super().__init__(*args, **keys)
        self._connector = connector

    def _new_conn(self) -> socket.socket:
        return self._connector.connect(self.host.strip("[]"), self.port)


class _LimitedHTTPS(HTTPSConnection):
    def __init__(self, *args: Any, connector: Connector, **keys: Any) -> None:
        super().__init__(*args, **keys)
        self._connector = connector

    def _new_conn(self) -> socket.socket:
        return self._connector.connect(self.host.strip("[]"), self.port)


def silence_urllib3() -> None:
    """Turn off urllib3's warnings about odd response headers, because they contain the address."""
    logging.getLogger("urllib3.connection").setLevel(logging.ERROR)


@cache
def load_certificates() -> ssl.SSLContext:
    """Return the TLS settings of all connections: the trusted certificates, and a check of the host's name."""
    return ssl.create_default_context(cafile=where())


def is_public(address: str) -> bool:
    """Return whether an IP address is on the public internet; an IPv4 address within an IPv6 one is checked too."""
    found = ipaddress.ip_address(address)
    if isinstance(found, ipaddress.IPv6Address):
        inner = found.ipv4_mapped or found.sixtofour
        if found in _NAT64:
            inner = ipaddress.IPv4Address(int(found) & 0xFFFFFFFF)
        if inner is not None:
            return is_public(str(inner))
    return found.is_global and not found.is_multicast


def _resolve(host: str, port: int) -> list[tuple[int, Any]]:
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except socket.gaierror as error:
        kind = TemporaryError if error.errno == socket.EAI_AGAIN else UnavailableError
        raise kind("dead: its host is not known") from None
    return [(family, address) for family, _, _, _, address in found]
