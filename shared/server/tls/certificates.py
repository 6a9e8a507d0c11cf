"""A server's certificate on all of its ports, read again when its files change.

    TlsFiles --ServerTls--> rpc_credentials (gRPC asks before each handshake)
                       `--> web_context (OpenSSL asks in each handshake)

Laws: a new connection gets what was read last, an old one goes on. Files that do not fit together (a key half renewed)
change nothing, and are tried again until they do. TLS is 1.2 at least. No session is resumed, since a resumed one would
outlive the authority that let it in. A chain ends with the first of its certificates to end.
"""

from __future__ import annotations

import ssl
import threading
from dataclasses import dataclass, field
from pathlib import Path

import grpc
from cryptography import x509

from shared.errors import SettingsRefused
from shared.transport.credentials import Credentials
from shared.transport.secret_files import Stamp, exposed, stamp_of


@dataclass(frozen=True)
class TlsFiles:
    """The PEM files of a server.

    certificate: with its chain. client_ca: the authority that must have signed a client's certificate; None asks for
    none. ask_web: True where the HTTP port asks clients for one too; browsers, probes and Prometheus often have none.
    """

    certificate: Path
    key: Path
    client_ca: Path | None = None
    ask_web: bool = True

    @property
    def paths(self) -> tuple[Path, ...]:
        """All of the files."""
        return (self.certificate, self.key, *(() if self.client_ca is None else (self.client_ca,)))


@dataclass(frozen=True)
class _Loaded:
    """The files as they were read. number: rises by one with each reading."""

    number: int
    rpc: grpc.ServerCertificateConfiguration
    web: ssl.SSLContext
    not_after: float


class ServerTls:
    """The certificate of one service, safe to use from any thread; raises SettingsRefused for files unusable at first."""

    def __init__(self, files: TlsFiles) -> None:
        self._files = files
        self._lock = threading.Lock()
        self._stamp: Stamp | None = None
        try:
            self._stamp, self._loaded = stamp_of(files.paths), _load(files, 0)
        except (OSError, ValueError) as error:
            raise SettingsRefused(f"tls: {told(files, error)}") from error
        self._front = _context(files)
        self._front.sni_callback = self._renewed

    def reload(self) -> bool:
        """Read the files where they have changed; return True where they have.

        Raises OSError or ValueError, and then changes nothing.
        """
        stamp = stamp_of(self._files.paths)
        if stamp == self._stamp:
            return False
        loaded = _load(self._files, self._loaded.number + 1)
        # Only now: files that could not be used are tried again. A write in between shows in the next stamp.
        with self._lock:
            self._stamp, self._loaded = stamp, loaded
        return True

    @property
    def not_after(self) -> float:
        """The moment when the first certificate of the chain that is served ends, in seconds since 1970."""
        return self._loaded.not_after

    def exposed(self) -> tuple[str, ...]:
        """Return a line where everybody on this machine can read the key."""
        return exposed([self._files.key])

    def rpc_credentials(self) -> grpc.ServerCredentials:
        """Return the credentials of one gRPC port."""
        first = self._loaded
        given = first.number

        def fetch() -> grpc.ServerCertificateConfiguration | None:
            nonlocal given
            with self._lock:
                loaded, newer = self._loaded, self._loaded.number != given
                given = loaded.number
            # None means no change: a configuration is compiled anew each time that it is given.
            return loaded.rpc if newer else None

        return grpc.dynamic_ssl_server_credentials(
            first.rpc,
            fetch,  # type: ignore[arg-type]  # the stubs do not know of None, which gRPC's documentation names
            require_client_authentication=self._files.client_ca is not None,
        )

    def web_context(self) -> ssl.SSLContext:
        """Return the context of an asyncio server.

        Each handshake is done with what was read last, the authority of clients included.
        """
        return self._front

    def _renewed(self, handshake: ssl.SSLObject | ssl.SSLSocket, name: str | None, front: ssl.SSLContext) -> None:
        """Switch to what was read last; OpenSSL calls this for every ClientHello, also for one without a server's name."""
        del name, front
        handshake.context = self._loaded.web


def told(files: TlsFiles, error: OSError | ValueError) -> str:
    """Say in one line why the files cannot be used."""
    names = ", ".join(str(path) for path in files.paths)
    if isinstance(error, ssl.SSLError):
        return f"{names}: are no certificate and its key ({error.reason or error})"
    if isinstance(error, OSError):
        return f"{error.filename or names}: {error.strerror}"
    return f"{names}: {error}"


def _load(files: TlsFiles, number: int) -> _Loaded:
    # The context comes first: gRPC would take a key of another certificate, and fail with every handshake.
    web = _context(files)
    pair = (files.key.read_bytes(), files.certificate.read_bytes())
    roots = None if files.client_ca is None else files.client_ca.read_bytes()
    return _Loaded(number, grpc.ssl_server_certificate_configuration([pair], roots), web, ends_at(pair[1]))


def _context(files: TlsFiles) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.options |= ssl.OP_NO_TICKET | ssl.OP_NO_COMPRESSION | ssl.OP_NO_RENEGOTIATION
    context.num_tickets = 0
    context.set_alpn_protocols(["http/1.1"])
    context.load_cert_chain(files.certificate, files.key)
    if files.client_ca is not None:
        # It is read also where the port does not ask, so that a file without a certificate is found at the start.
        context.load_verify_locations(files.client_ca)
        if files.ask_web:
            context.verify_mode = ssl.CERT_REQUIRED
    return context


def ends_at(pem: bytes) -> float:
    """Return the moment when the first of these certificates ends, in seconds since 1970; raises ValueError for none."""
    return min(one.not_valid_after_utc.timestamp() for one in x509.load_pem_x509_certificates(pem))


@dataclass
class ShownFiles:
    """The credentials that a client shows, looked after while it runs.

    not_after: the end of its certificate in seconds since 1970; NaN until one was read.
    """

    credentials: Credentials
    not_after: float = field(default=float("nan"), init=False)
    _stamp: Stamp | None = field(default=None, init=False)

    def reload(self) -> bool:
        """Return True where something was new; raises OSError or ValueError where it is of no use for a new connection."""
        stamp = stamp_of(self.credentials.paths)
        if stamp == self._stamp:
            return False
        self._read()
        self._stamp = stamp
        return True

    def _read(self) -> None:
        given = self.credentials
        try:
            given.metadata()
        except SettingsRefused as error:
            raise ValueError(str(error)) from error
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        if given.ca is not None:
            context.load_verify_locations(given.ca)
        if given.certificate is not None and given.key is not None:
            context.load_cert_chain(given.certificate, given.key)
            self.not_after = ends_at(given.certificate.read_bytes())
