"""Whether calls are taken: not before the networks are warm, not while the service drains.

Law: a refused call is counted by its reason, once.
"""

from __future__ import annotations

import grpc

from cloud_analytics.metrics.service import CloudMetrics
from shared.errors import Draining, NotReady, TaxonError
from shared.transport.status_codes import abort, status_of


class Readiness:
    """Closed at first."""

    def __init__(self, metrics: CloudMetrics) -> None:
        self._metrics = metrics
        self._closed: TaxonError | None = NotReady()

    @property
    def waits_for(self) -> str | None:
        """Why no calls are taken; None where they are."""
        return None if self._closed is None else str(self._closed)

    def open(self) -> None:
        """The networks are warm."""
        self._closed = None

    def close(self, reason: TaxonError) -> None:
        """Takes none for a while; a gate that drains stays as it is."""
        if not isinstance(self._closed, Draining):
            self._closed = reason

    def drain(self) -> None:
        """From now on nothing new is taken."""
        self._closed = Draining()

    def check(self) -> None:
        """Raises NotReady or Draining where calls are not taken."""
        if self._closed is not None:
            raise self._closed

    async def refuse(self, context: grpc.aio.ServicerContext, error: TaxonError) -> None:  # type: ignore[type-arg]
        """Ends a call with the error's status."""
        self._metrics.refusals.labels(status_of(error).reason).inc()
        await abort(context, error)
