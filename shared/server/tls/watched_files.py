"""The files of a service that may be renewed while it runs, and their metrics.

    WatchedFile --ServerSecurity.look--> SecurityMeters: read again, usable, when their certificates end

Law: an unusable file shows as long as it is unusable, and not only in the second in which it was found.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from shared.telemetry.metrics import Meters


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
