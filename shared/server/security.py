"""A service's security as one thing: made of its settings, given to its servers, kept up to date while it runs.

    ServiceSettings --server_security--> ServerSecurity(tls, access) --run--> certificates and tokens read again when changed
    WatchedFile --ServerSecurity.look--> SecurityMeters: read again, usable, when their certificates end

Laws: a service that other machines can reach has TLS and tokens, or was told --insecure and says so with every start.
An unusable file shows as long as it is unusable, and not only in the second in which it was found.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass

from prometheus_client import CollectorRegistry

from shared.errors import SettingsRefused
from shared.server.access.callers import Access
from shared.server.access.token_file import Tokens
from shared.server.settings import ServiceSettings
from shared.server.tls.certificates import ServerTls, ShownFiles, TlsFiles
from shared.telemetry.logs import Throttle, logger
from shared.telemetry.metrics import Meters
from shared.transport.addresses import is_loopback
from shared.transport.credentials import NO_CREDENTIALS, Credentials
from shared.transport.secret_files import exposed

log = logger("access")
RELOAD_SECONDS = 1.0
TOLD_SECONDS = 60.0


@dataclass(frozen=True)
class WatchedFile:
    """A set of files that is read again when it changes.

    what: its name in metrics and logs: `certificates` (the ports'), `tokens`, `client` (what the service shows to
    others). reload: reads the files where they have changed and says whether they have; raises OSError or ValueError.
    exposed: gives a line for each file that others can read. certificate: its name in metrics. not_after: gives its end
    in seconds since 1970; None where the files hold no certificate.
    """

    what: str
    reload: Callable[[], bool]
    exposed: Callable[[], tuple[str, ...]]
    certificate: str = ""
    not_after: Callable[[], float] | None = None


class SecurityMeters:
    """The metrics of the files that a service looks after."""

    def __init__(self, meters: Meters, watched: Sequence[WatchedFile]) -> None:
        self._read = meters.counter(
            "security_files_read", "Times that changed certificates or tokens were read, by outcome", "what", "outcome"
        )
        self._unusable = meters.gauge(
            "security_files_unusable", "1 while certificates or tokens as they are now cannot be used", "what"
        )
        ends = meters.gauge(
            "certificate_not_after_timestamp_seconds",
            "When the certificate, or the first of its chain, ends",
            "certificate",
        )
        for what in {"certificates", "tokens", *(one.what for one in watched)}:
            self._unusable.labels(what).set(0)
            for outcome in ("taken", "refused"):
                self._read.labels(what, outcome)
        for one in watched:
            if one.not_after is not None:
                ends.labels(one.certificate).set_function(one.not_after)

    def taken(self, what: str) -> None:
        """Count that changed files were read."""
        self._read.labels(what, "taken").inc()

    def usable(self, what: str, is_so: bool) -> None:
        """Show whether the files can be used as they are; a refusal counts as an attempt."""
        self._unusable.labels(what).set(not is_so)
        if not is_so:
            self._read.labels(what, "refused").inc()


class ServerSecurity:
    """The security of one service.

    tls: None for plain text. tokens: those that `access` asks for; None where it asks for none. shown: the credentials
    that the service itself shows to others.
    """

    def __init__(
        self,
        tls: ServerTls | None,
        tokens: Tokens | None,
        meters: Meters | None,
        shown: Credentials = NO_CREDENTIALS,
    ) -> None:
        self.tls = tls
        self.access = Access(tokens, meters)
        self._watched: list[WatchedFile] = []
        if tls is not None:
            self._watched.append(WatchedFile("certificates", tls.reload, tls.exposed, "server", lambda: tls.not_after))
        if tokens is not None:
            self._watched.append(WatchedFile("tokens", tokens.reload, lambda: exposed([tokens.path])))
        if shown.paths:
            files = ShownFiles(shown)
            own = None if shown.certificate is None else (lambda: files.not_after)
            self._watched.append(WatchedFile("client", files.reload, shown.exposed, "client", own))
        self._throttles = {one.what: Throttle(TOLD_SECONDS) for one in self._watched}
        self._told: frozenset[str] = frozenset()
        self._looking = threading.Lock()
        self._measured = SecurityMeters(meters or Meters("taxon", CollectorRegistry()), self._watched)
        if shown.paths:
            # The first look then finds nothing new. Where the files cannot be used yet, it says why.
            with suppress(OSError, ValueError):
                files.reload()
        self._warn()

    async def run(self) -> None:
        """Look after the files until this is cancelled."""
        while True:
            await asyncio.sleep(RELOAD_SECONDS)
            await asyncio.to_thread(self.look)

    def look(self) -> None:
        """Read again what has changed; an unusable file is logged and changes nothing. Several threads may call it."""
        with self._looking:
            self._look()

    def _look(self) -> None:
        for one in self._watched:
            try:
                if one.reload():
                    self._measured.taken(one.what)
                    log.info("read again", what=one.what)
                    self._warn()
                self._measured.usable(one.what, True)
            except (OSError, ValueError) as error:
                self._measured.usable(one.what, False)
                if (throttle := self._throttles[one.what]).due():
                    log.error(
                        "cannot be used, the earlier ones hold", what=one.what, error=str(error), times=throttle.times
                    )

    def _warn(self) -> None:
        """Log each file that others can read, once."""
        found = frozenset(line for one in self._watched for line in one.exposed())
        for line in sorted(found - self._told):
            log.warning("a secret is open to others", file=line)
        self._told = found


def server_security(
    settings: ServiceSettings,
    addresses: Mapping[str, str],
    meters: Meters | None = None,
    shown: Credentials = NO_CREDENTIALS,
) -> ServerSecurity:
    """Make the security of a service. addresses: where it listens, by setting. shown: as in `ServerSecurity`.

    Raises SettingsRefused for unusable files, and for ports that other machines can reach without TLS and tokens.
    """
    tls = None
    if settings.tls_certificate is not None or settings.tls_key is not None:
        if settings.tls_certificate is None or settings.tls_key is None:
            raise SettingsRefused("tls: --tls-certificate and --tls-key belong together")
        files = TlsFiles(
            settings.tls_certificate, settings.tls_key, settings.tls_client_ca, settings.tls_clients == "all"
        )
        tls = ServerTls(files)
    elif settings.tls_client_ca is not None:
        raise SettingsRefused("tls: --tls-client-ca needs --tls-certificate and --tls-key")
    tokens = None if settings.tokens is None else Tokens(settings.tokens)
    if settings.tokens_in_urls and tokens is not None:
        log.warning("tokens are taken from addresses too, where proxies, histories and other machines' logs keep them")
    if settings.cors_origins and tokens is None:
        log.warning("pages of other origins may ask, and nobody is asked for a token", origins=settings.cors_origins)
    lacks = [name for name, there in (("--tls-certificate", tls), ("--tokens", tokens)) if there is None]
    open_to = [f"--{name} {address}" for name, address in addresses.items() if not is_loopback(address)]
    if lacks and open_to:
        if not settings.insecure:
            raise SettingsRefused(
                f"{', '.join(open_to)} lets other machines in: give {' and '.join(lacks)}, or say --insecure "
                "where the network keeps everybody else out"
            )
        log.warning("other machines are let in without all that keeps them apart", addresses=open_to, lacks=lacks)
    return ServerSecurity(tls, tokens, meters, shown)
