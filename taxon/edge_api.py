"""The HTTP API of an edge for cameras, as `taxon cameras` asks it.

    method, path, JSON --EdgeApi.ask--> JSON, or a picture's bytes          4xx, 5xx --> EdgeRefused with the edge's own words

Laws: no proxy of the environment stands between this machine and the edge. A token travels in plain text to this
machine alone, unless `insecure` says so.
"""

from __future__ import annotations

import http.client
import json
import ssl
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, urlencode, urlsplit

from shared.errors import SettingsRefused
from shared.transport.addresses import is_loopback
from taxon.client import Credentials
from taxon.errors import CommandError, UsageError

DEFAULT_EDGE = "http://127.0.0.1:8080"
SECONDS = 60.0
LARGEST_ANSWER_BYTES = 64 << 20


class EdgeRefused(CommandError):  # noqa: N818 - named after what the edge did
    """The edge answered that it cannot do this. title: the reason, for programs."""

    def __init__(self, title: str, detail: str) -> None:
        super().__init__(detail)
        self.title = title


@dataclass(frozen=True)
class EdgeApi:
    """An edge. address: http://HOST:PORT or https://HOST:PORT; without a scheme it is https where a CA is named."""

    address: str
    credentials: Credentials

    def ask(
        self,
        method: str,
        camera_id: str = "",
        rest: str = "",
        body: dict[str, Any] | None = None,
        headers: dict[str, str] | None = None,
    ) -> Any:
        """Return the answer about one camera, or about all: JSON as Python has it, bytes of a picture, None for nothing.

        rest: what follows the camera's path. Raises EdgeRefused, CommandError where no edge answers, or UsageError.
        """
        path = "/v1/cameras" + (f"/{quote(camera_id, safe='')}" if camera_id else "") + rest
        sent = None if body is None else json.dumps(body).encode()
        shown = dict(self.credentials.metadata()) | (headers or {})
        if sent is not None:
            shown["Content-Type"] = "application/json"
        connection = self._connection()
        try:
            connection.request(method, path, sent, shown)
            answer = connection.getresponse()
            content = answer.read(LARGEST_ANSWER_BYTES)
        except (OSError, http.client.HTTPException) as error:
            raise CommandError(
                f"no edge answers at {self.address} ({error}); does one run there, and does it speak TLS (--ca)?"
            ) from error
        finally:
            connection.close()
        kind = answer.headers.get_content_type()
        if answer.status >= 300:
            raise _refusal(answer.status, content)
        if not content:
            return None
        return json.loads(content) if kind == "application/json" else content

    def preview(self, camera_id: str, wait_seconds: float) -> bytes:
        """Return a PNG file of what is coded of the camera's next frame. Raises as `ask` does."""
        found = self.ask("GET", camera_id, "/preview?" + urlencode({"wait_seconds": wait_seconds}))
        assert isinstance(found, bytes)
        return found

    def _connection(self) -> http.client.HTTPConnection:
        given = (
            self.address if "://" in self.address else f"{'https' if self.credentials.ca else 'http'}://{self.address}"
        )
        try:
            parts = urlsplit(given)
            host, port = parts.hostname, parts.port
        except ValueError as error:
            raise UsageError(f"{self.address!r} is no address of an edge: {error}") from error
        if parts.scheme not in ("http", "https") or not host or parts.path.strip("/") or parts.username is not None:
            raise UsageError("--edge is http://HOST:PORT or https://HOST:PORT; a token is given with --token")
        if parts.scheme == "https":
            return http.client.HTTPSConnection(host, port, timeout=SECONDS, context=self._context())
        if self.credentials.token is not None and not self.credentials.insecure and not is_loopback(parts.netloc):
            raise UsageError(f"the token would travel to {parts.netloc} in plain text: use https://, or say --insecure")
        return http.client.HTTPConnection(host, port, timeout=SECONDS)

    def _context(self) -> ssl.SSLContext:
        own = self.credentials
        try:
            context = ssl.create_default_context(cafile=None if own.ca is None else str(own.ca))
            if own.certificate is not None:
                context.load_cert_chain(own.certificate, own.key)
        except OSError as error:
            raise SettingsRefused(f"a certificate cannot be read: {error}") from error
        return context


def _refusal(status: int, content: bytes) -> EdgeRefused:
    try:
        problem = json.loads(content)
        return EdgeRefused(str(problem["title"]), str(problem["detail"]))
    except (ValueError, KeyError, TypeError):
        return EdgeRefused(
            str(status), f"the answer is HTTP {status}, and not from an edge's API; is the address right?"
        )
