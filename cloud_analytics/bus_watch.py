"""A replica that does not reach the bus takes no calls, and lets go of those that it has.

    bus away for too long --> not ready; edges and subscribers are sent away
    bus back --> ready again

Law: no client waits for a replica that can do nothing for it, while another replica may.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from cloud_analytics.journal.storage import Storage
from cloud_analytics.pipeline import Pipeline
from cloud_analytics.readiness import Readiness
from cloud_analytics.subscribers.subscriptions import Subscriptions
from cloud_analytics.uplink.edges import Uplinks
from shared.errors import BusAway
from shared.server.grpc_server import RpcServer
from shared.telemetry.logs import logger

PATIENCE_SECONDS = 5.0
LOOK_SECONDS = 0.2

log = logger("cloud.bus")


@dataclass(frozen=True, eq=False)
class BusWatch:
    """The storage that is watched, and the parts that depend on it."""

    storage: Storage
    readiness: Readiness
    rpc: RpcServer
    pipeline: Pipeline
    uplinks: Uplinks
    subscriptions: Subscriptions

    async def run(self) -> None:
        """Watch until the task is cancelled."""
        is_closed = False
        while True:
            await asyncio.sleep(LOOK_SECONDS)
            away_seconds = self.storage.away_seconds
            if away_seconds >= PATIENCE_SECONDS and not is_closed:
                is_closed = True
                log.error("not ready: the bus is away", seconds=round(away_seconds, 1))
                await self._close()
            elif not away_seconds and is_closed:
                is_closed = False
                log.info("ready: the bus is back")
                self.readiness.open()
                await self.rpc.set_ready(True)

    async def _close(self) -> None:
        self.readiness.close(BusAway())
        await self.rpc.set_ready(False)
        # Edges first: one that is gone goes on coding what was wanted last, whatever becomes of its subscribers.
        self.uplinks.end_all(BusAway())
        self.pipeline.give_up(BusAway())
        self.subscriptions.end_all(BusAway())
