"""Whether calls are taken: not before the networks are warm, and not while the service drains.

Law: a call that is refused is counted once, by its reason.
"""

from __future__ import annotations

from typing import NoReturn

import grpc

from cloud_analytics.metrics.service import CloudMetrics
from shared.errors import Draining, NotReady, TaxonError
from shared.transport.status_codes import abort, status_of


class Readiness:
    """The readiness of one cloud process. It begins as not ready."""

    def __init__(self, metrics: CloudMetrics) -> None:
        self._metrics = metrics
        self._closed: TaxonError | None = NotReady()
        metrics.watch_ready(lambda: self._closed is None)

    @property
    def waits_for(self) -> str | None:
        """The reason why no calls are taken; None where they are."""
        return None if self._closed is None else str(self._closed)

    def open(self) -> None:
        """Take calls from now on."""
        self._closed = None

    def close(self, reason: TaxonError) -> None:
        """Take no calls for a while; a service that drains goes on draining."""
        if not isinstance(self._closed, Draining):
            self._closed = reason

    def drain(self) -> None:
        """Take nothing new from now on."""
        self._closed = Draining()

    def check(self) -> None:
        """Raise NotReady, Draining or BusAway where calls are not taken."""
        if self._closed is not None:
            raise self._closed

    async def refuse(self, context: grpc.aio.ServicerContext, error: TaxonError) -> NoReturn:  # type: ignore[type-arg]
        """End a call with the error's status."""
        self._metrics.refusals.labels(status_of(error).reason).inc()
        await abort(context, error)
