"""A service's security as one thing: made of its settings, given to its servers, kept up to date while it runs.

    ServiceSettings --guard_of--> Guard(tls, access) --run--> certificates and tokens read again within RELOAD_SECONDS

Law: a service that other machines can reach has TLS and tokens, or was told --insecure and says so with every start.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping

from shared.errors import SettingsRefused
from shared.security.access import Access
from shared.security.certificates import ServerTls, TlsFiles
from shared.security.loopback import is_loopback
from shared.security.tokens import Tokens
from shared.service.settings import ServiceSettings
from shared.telemetry.logs import OncePer, logger
from shared.telemetry.metrics import Meters

log = logger("access")
RELOAD_SECONDS = 1.0
TOLD_SECONDS = 60.0


class Guard:
    """tls: None for plain text. tokens: those that `access` asks; None where it asks for none."""

    def __init__(self, tls: ServerTls | None, tokens: Tokens | None, meters: Meters | None) -> None:
        self.tls = tls
        self.access = Access(tokens, meters)
        self._reloads: dict[str, Callable[[], bool]] = {}
        if tls is not None:
            self._reloads["certificates"] = tls.reload
        if tokens is not None:
            self._reloads["tokens"] = tokens.reload
        self._tells = {what: OncePer(TOLD_SECONDS) for what in self._reloads}
        self._read = (
            None
            if meters is None
            else meters.counter(
                "security_files_read",
                "Times that changed certificates or tokens were read, by outcome",
                "what",
                "outcome",
            )
        )
        for what in ("certificates", "tokens"):
            for outcome in ("taken", "refused"):
                self._count(what, outcome, 0)

    async def run(self) -> None:
        """Looks after the files until it is cancelled."""
        while True:
            await asyncio.sleep(RELOAD_SECONDS)
            await asyncio.to_thread(self.look)

    def look(self) -> None:
        """Reads again what has changed; what cannot be used is told, and changes nothing."""
        for what, reload in self._reloads.items():
            try:
                if reload():
                    self._count(what, "taken")
                    log.info("read again", what=what)
            except (OSError, ValueError) as error:
                self._count(what, "refused")
                if (times := self._tells[what].held_back()) is not None:
                    log.error("cannot be used, the earlier ones hold", what=what, error=str(error), times=times)

    def _count(self, what: str, outcome: str, times: int = 1) -> None:
        if self._read is not None:
            self._read.labels(what, outcome).inc(times)


def guard_of(settings: ServiceSettings, addresses: Mapping[str, str], meters: Meters | None = None) -> Guard:
    """addresses: where it listens, by setting. Raises SettingsRefused for files that cannot be used, and for doors that are left open."""
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
    lacks = [name for name, there in (("--tls-certificate", tls), ("--tokens", tokens)) if there is None]
    open_to = [f"--{name} {address}" for name, address in addresses.items() if not is_loopback(address)]
    if lacks and open_to:
        if not settings.insecure:
            raise SettingsRefused(
                f"{', '.join(open_to)} lets other machines in: give {' and '.join(lacks)}, or say --insecure "
                "where the network keeps everybody else out"
            )
        log.warning("other machines are let in without all that keeps them apart", addresses=open_to, lacks=lacks)
    return Guard(tls, tokens, meters)
