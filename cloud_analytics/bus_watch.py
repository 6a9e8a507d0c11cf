"""A replica that does not reach the bus takes no calls, and lets go of those that it has.

    Backing.away_seconds --too long--> not ready; edges and subscribers are sent away        --back--> ready again

Law: nobody hangs on a replica that can do nothing for them, while another one may.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from cloud_analytics.journal.backing import Storage
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
    """What it looks at, and what it closes."""

    backing: Storage
    gate: Readiness
    rpc: RpcServer
    pipeline: Pipeline
    uplinks: Uplinks
    subscriptions: Subscriptions

    async def run(self) -> None:
        """Until it is cancelled."""
        is_closed = False
        while True:
            await asyncio.sleep(LOOK_SECONDS)
            away = self.backing.away_seconds
            if away >= PATIENCE_SECONDS and not is_closed:
                is_closed = True
                log.error("not ready: the bus is away", seconds=round(away, 1))
                await self._close()
            elif not away and is_closed:
                is_closed = False
                log.info("ready: the bus is back")
                self.gate.open()
                await self.rpc.set_ready(True)

    async def _close(self) -> None:
        self.gate.close(BusAway())
        await self.rpc.set_ready(False)
        # Edges first: one that is gone goes on coding what was wanted last, whatever becomes of its subscribers.
        self.uplinks.end_all(BusAway())
        self.pipeline.give_up(BusAway())
        self.subscriptions.end_all(BusAway())
