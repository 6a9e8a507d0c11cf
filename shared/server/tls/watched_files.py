"""The files that a service uses and that may be renewed under it, and what is measured of them.

    Watched(what, reload, ...) --Guard.look--> SecurityMeters: read again, usable, when their certificates end

Law: what cannot be used shows as long as it cannot, and not only in the second in which it was found.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from shared.telemetry.metrics import Meters


@dataclass(frozen=True)
class WatchedFile:
    """what: their name in metrics and logs: `certificates` (the ports'), `tokens`, `client` (what the service shows to others).

    reload: reads them where they have changed, and says whether it did; raises OSError or ValueError. exposed: see `files.exposed`.
    certificate: its name in metrics, and not_after: when it ends, seconds since 1970; None where the files hold none.
    """

    what: str
    reload: Callable[[], bool]
    exposed: Callable[[], tuple[str, ...]]
    certificate: str = ""
    not_after: Callable[[], float] | None = None


class SecurityMeters:
    """A service's. watched: all that it looks after."""

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
        """Changed files were read."""
        self._read.labels(what, "taken").inc()

    def usable(self, what: str, is_so: bool) -> None:
        """Whether the files can be used as they are; that they cannot counts as an attempt."""
        self._unusable.labels(what).set(not is_so)
        if not is_so:
            self._read.labels(what, "refused").inc()
