"""A camera's HTTP as this project needs it: GET, on a kept connection, within bounds.

    HttpCamera.get --connection, login, redirects--> Answer (status and head) --body--> bytes

The proxy of the environment is asked as FFmpeg asks it for video, but never for this machine itself.
Laws: an answer takes at most ANSWER_SECONDS and LARGEST_ANSWER_BYTES. A login goes to its own host alone.
"""

from __future__ import annotations

import base64
import http.client
import socket
import ssl
import threading
import time
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from urllib.parse import SplitResult, quote, unquote, urljoin, urlsplit
from urllib.request import getproxies, proxy_bypass

from shared.errors import SourceError, SourceRefused, SourceStalled
from shared.sources.address import StreamAddress
from shared.sources.web.login import Login

CONNECT_SECONDS, ANSWER_SECONDS = 5.0, 10.0
MOST_REDIRECTS, MOST_LOGINS = 5, 3
LARGEST_ANSWER_BYTES = 64 << 20
CHUNK_BYTES = 1 << 16
PERMANENT = (301, 308)
REDIRECTS = (301, 302, 303, 307, 308)
HTTPS = "https"
_IN_A_TARGET = "/?&=+$,;:@!*'()~%#[]|"


@dataclass(frozen=True)
class WebOrigin:
    """Where a connection goes."""

    scheme: str
    host: str
    port: int

    def may_have_the_login_of(self, other: WebOrigin) -> bool:
        """Return True where a login for the other origin may be sent to this one: the same, or its TLS."""
        return self == other or (self.scheme == HTTPS and other.scheme != HTTPS and self.host == other.host)

    @property
    def url(self) -> str:
        """The address without a path."""
        return f"{self.scheme}://{f'[{self.host}]' if ':' in self.host else self.host}:{self.port}"

    @property
    def proxy(self) -> SplitResult | None:
        """The environment's proxy for it, None for none."""
        address = StreamAddress(self.scheme, None, None, self.host, self.port, "/")
        url = getproxies().get(self.scheme, "")
        if address.is_loopback or not url or proxy_bypass(f"{self.host}:{self.port}"):
            return None
        return urlsplit(url if "://" in url else f"http://{url}")

    @property
    def by_proxy(self) -> str:
        """The proxy between, as messages name it: without user and password; "" for none."""
        proxy = self.proxy
        return "" if proxy is None else f" through the proxy {proxy.netloc.rpartition('@')[2]} of the environment"


class Answer:
    """The head of an answer, whose body may be read once.

    came_us: when it came, in microseconds since 1970. by_proxy: as in `WebOrigin`, for messages.
    """

    def __init__(
        self,
        name: str,
        response: http.client.HTTPResponse,
        connection: socket.socket | None,
        deadline: float,
        by_proxy: str = "",
    ) -> None:
        self.by_proxy = by_proxy
        self._name = name
        self._response = response
        self._connection = connection
        self._deadline = deadline
        self.status = response.status
        self.headers = response.headers
        self.came_us = time.time_ns() // 1000

    @property
    def content_type(self) -> str:
        """The media type in lower case, without parameters; "" where none is given."""
        return (self.headers.get("Content-Type") or "").partition(";")[0].strip().lower()

    @property
    def length(self) -> int | None:
        """The length of the body in bytes, None where the head does not say it."""
        return self._response.length

    @property
    def is_taken_in_parts(self) -> bool:
        """True where the server gives parts of it on request, as it does of files."""
        return (self.headers.get("Accept-Ranges") or "").strip().lower() == "bytes"

    def first_bytes(self, count: int) -> bytes:
        """Return the first bytes without taking them; fewer where fewer have come, none at the end."""
        if self.length == 0:
            return b""
        with _within(self._name, self._deadline, self._connection):
            return self._response.peek(count)[:count]

    def body(self) -> bytes:
        """Return the whole body; raises SourceError."""
        expected = self.length
        if expected is not None and expected > LARGEST_ANSWER_BYTES:
            raise self._too_large()
        parts, size = [], 0
        with _within(self._name, self._deadline, self._connection):
            while part := self._response.read(CHUNK_BYTES):
                parts.append(part)
                size += len(part)
                if size > LARGEST_ANSWER_BYTES:
                    raise self._too_large()
        if expected is not None and size < expected:
            raise SourceError(self._name, f"broke off after {size} of {expected} bytes of an answer")
        return self._unpacked(b"".join(parts))

    def _unpacked(self, body: bytes) -> bytes:
        """Undo an encoding that was not asked for; some servers pack everything."""
        if (self.headers.get("Content-Encoding") or "").strip().lower() not in ("gzip", "x-gzip", "deflate"):
            return body
        unpacker = zlib.decompressobj(wbits=47)
        try:
            found = unpacker.decompress(body, LARGEST_ANSWER_BYTES)
        except zlib.error as error:
            raise SourceError(self._name, "gives an answer that cannot be unpacked") from error
        if unpacker.unconsumed_tail:
            raise self._too_large()
        return found

    def _too_large(self) -> SourceError:
        return SourceRefused(self._name, f"gives an answer of more than {LARGEST_ANSWER_BYTES >> 20} MiB")


class HttpCamera:
    """One camera's address, its login and its connections. name: as it may stand in messages.

    refuses_login: whether the last answer was that the login is missing or wrong.
    """

    def __init__(self, name: str, address: StreamAddress) -> None:
        host, port = address.connects_to
        self._name = name
        self._home = WebOrigin(address.scheme, host, port)
        where = address.where if address.where.startswith("/") else "/" + address.where
        self._begin = (self._home, quote(where, safe=_IN_A_TARGET))
        self._login = None if address.login is None else Login(address.login)
        self._connections: dict[WebOrigin, http.client.HTTPConnection] = {}
        self.refuses_login = False

    def get(self, headers: Mapping[str, str]) -> Answer:
        """Return the answer to a GET; raises SourceError. An answer whose body was read leaves the connection open."""
        try:
            return self._followed(headers)
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Close all connections; the next GET opens them again."""
        for connection in self._connections.values():
            connection.close()
        self._connections.clear()

    def _followed(self, headers: Mapping[str, str]) -> Answer:
        (origin, target), permanently = self._begin, True
        deadline = time.monotonic() + ANSWER_SECONDS
        for _ in range(MOST_REDIRECTS + 1):
            answer = self._logged_in(origin, target, headers, deadline)
            location = answer.headers.get("Location")
            if answer.status not in REDIRECTS or location is None:
                return answer
            answer.body()
            permanently = permanently and answer.status in PERMANENT
            origin, target = self._redirected(origin, target, location)
            if permanently:
                self._begin = (origin, target)
        raise SourceRefused(self._name, f"redirects more than {MOST_REDIRECTS} times; give the last address itself")

    def _redirected(self, origin: WebOrigin, target: str, location: str) -> tuple[WebOrigin, str]:
        try:
            parts = urlsplit(urljoin(f"{origin.url}{target}", location))
            scheme, found, port = parts.scheme, parts.hostname, parts.port
        except ValueError:
            scheme, found, port = "", None, None
        if scheme not in ("http", HTTPS) or not found:
            raise SourceRefused(self._name, "redirects to something that is no address by HTTP")
        where = quote(parts.path or "/", safe=_IN_A_TARGET) + (
            f"?{quote(parts.query, safe=_IN_A_TARGET)}" if parts.query else ""
        )
        return WebOrigin(scheme, found, port or (443 if scheme == HTTPS else 80)), where

    def _logged_in(self, origin: WebOrigin, target: str, headers: Mapping[str, str], deadline: float) -> Answer:
        self.refuses_login = False
        login = self._login if origin.may_have_the_login_of(self._home) else None
        for _ in range(MOST_LOGINS):
            shown = None if login is None else login.authorization("GET", target)
            answer = self._asked(origin, target, {**headers, **({"Authorization": shown} if shown else {})}, deadline)
            if answer.status != 401:
                return answer
            if login is None or not login.takes(answer.headers.get_all("WWW-Authenticate") or []):
                break
            answer.body()
        self.refuses_login = True
        return answer

    def _asked(self, origin: WebOrigin, target: str, headers: Mapping[str, str], deadline: float) -> Answer:
        """Ask once; once more where a kept connection turns out to have ended meanwhile."""
        kept = self._connections.get(origin)
        if kept is not None and kept.sock is not None:
            with suppress(ConnectionError):
                return self._exchanged(origin, kept, target, headers, deadline)
            kept.close()
        connection = self._connections[origin] = self._connected(origin)
        try:
            return self._exchanged(origin, connection, target, headers, deadline)
        except ConnectionError as error:
            raise _named(self._name, error, is_late=False) from error

    def _exchanged(
        self,
        origin: WebOrigin,
        connection: http.client.HTTPConnection,
        target: str,
        headers: Mapping[str, str],
        deadline: float,
    ) -> Answer:
        proxy = origin.proxy if origin.scheme != HTTPS else None
        if proxy is not None:
            target, headers = origin.url + target, {**headers, **proxy_login(proxy)}
        # http.client forgets the socket of a connection that its server will close.
        kept: socket.socket | None = connection.sock
        with _within(self._name, deadline, kept, passed_on=(ConnectionError,)):
            connection.request("GET", target, headers={"Accept": "*/*", "User-Agent": "taxon", **headers})
            response = connection.getresponse()
        return Answer(self._name, response, kept, deadline, origin.by_proxy)

    def _connected(self, origin: WebOrigin) -> http.client.HTTPConnection:
        connection: http.client.HTTPConnection
        by, where = "", origin
        try:
            proxy = origin.proxy
            if proxy is not None and proxy.hostname:
                by, where = origin.by_proxy, WebOrigin("http", proxy.hostname, proxy.port or 80)
            if origin.scheme == HTTPS:
                connection = http.client.HTTPSConnection(
                    where.host, where.port, timeout=CONNECT_SECONDS, context=ssl.create_default_context()
                )
            else:
                connection = http.client.HTTPConnection(where.host, where.port, timeout=CONNECT_SECONDS)
            if proxy is not None and by and origin.scheme == HTTPS:
                connection.set_tunnel(origin.host, origin.port, proxy_login(proxy))
            connection.connect()
        except ssl.SSLCertVerificationError as error:
            raise SourceRefused(
                self._name,
                f"its certificate cannot be trusted ({error.verify_message}); name a file with it in SSL_CERT_FILE",
            ) from error
        except TimeoutError as error:
            raise SourceError(self._name, f"cannot be opened{by} within {CONNECT_SECONDS:.0f} s") from error
        except (OSError, ValueError) as error:
            reason = getattr(error, "strerror", None) or type(error).__name__
            raise SourceError(self._name, f"cannot be opened{by} ({reason})") from error
        connection.sock.settimeout(ANSWER_SECONDS)
        return connection


def proxy_login(proxy: SplitResult) -> dict[str, str]:
    """Return the header that shows a proxy the login in its own address, if there is one."""
    if not proxy.username:
        return {}
    login = f"{unquote(proxy.username)}:{unquote(proxy.password or '')}"
    return {"Proxy-Authorization": "Basic " + base64.b64encode(login.encode()).decode()}


@contextmanager
def _within(
    name: str, deadline: float, connection: socket.socket | None, passed_on: tuple[type[Exception], ...] = ()
) -> Iterator[None]:
    """Cut the connection off at the deadline, and make a SourceError of what http.client raises.

    A time limit of each read alone would let a slow answer go on for ever.
    """
    guard = threading.Timer(max(0.0, deadline - time.monotonic()), _cut, (connection,))
    guard.daemon = True
    guard.start()
    try:
        yield
        if time.monotonic() >= deadline:
            raise TimeoutError
    except SourceError:
        raise
    except (OSError, http.client.HTTPException, ValueError) as error:
        is_late = time.monotonic() >= deadline
        if isinstance(error, passed_on) and not is_late:
            raise
        raise _named(name, error, is_late) from error
    finally:
        guard.cancel()


def _cut(connection: socket.socket | None) -> None:
    with suppress(OSError, ValueError):
        if connection is not None:
            connection.shutdown(socket.SHUT_RDWR)


def _named(name: str, error: Exception, is_late: bool) -> SourceError:
    if is_late or isinstance(error, TimeoutError):
        return SourceStalled(name, f"stalled: it did not give its answer within {ANSWER_SECONDS:.0f} s")
    if isinstance(error, http.client.RemoteDisconnected):
        return SourceError(name, "ends the connection without an answer")
    if isinstance(error, http.client.IncompleteRead):
        return SourceError(name, "broke off within an answer")
    if isinstance(error, OSError):
        return SourceError(name, f"broke off ({error.strerror or error})")
    return SourceRefused(name, f"gives an answer that is no HTTP ({type(error).__name__})")
