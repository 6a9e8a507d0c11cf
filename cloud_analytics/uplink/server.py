"""taxon.v1.UplinkService: edges connect, say what they are, and send.

    Connect --Hello: checked--> EdgeConnection --UplinkSession--> until the edge or this service ends it

Laws: an edge whose frames could not be decoded here is refused before it sends one. An edge's id belongs to its token
while it is connected.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from importlib.metadata import version

from cloud_analytics.readiness import Readiness
from cloud_analytics.uplink.session import Context, UplinkParts, UplinkSession
from shared.contract.packets import checked_name
from shared.contract.uplink_stream import PROTOCOL_VERSION
from shared.errors import BadRequest, ProtocolMismatch, TaxonError
from shared.server.access.callers import Access, Caller, IdOwners
from shared.server.access.interceptors import caller_of_call
from shared.server.access.scopes import Action
from shared.telemetry.logs import logger
from shared.wire import uplink_pb2

log = logger("cloud.uplink")
NAME = uplink_pb2.DESCRIPTOR.services_by_name["UplinkService"].full_name
HELLO_SECONDS = 10.0


class UplinkService:
    """The service of proto/taxon/v1/uplink.proto.

    It is no subclass of the generated servicer, whose types know only generators.
    access: None lets everybody in.
    """

    def __init__(self, parts: UplinkParts, readiness: Readiness, access: Access | None = None) -> None:
        self._access = access or Access()
        self._parts = parts
        self._readiness = readiness
        self._id_owners = IdOwners("edge")

    async def Connect(self, request_iterator: AsyncIterator[uplink_pb2.ConnectRequest], context: Context) -> None:
        """Serve one edge until it ends."""
        try:
            self._readiness.check()
            caller = caller_of_call(self._access, context, "Connect")
            caller.require(Action.UPLINK)
            await self._serve(await _hello(context), context, caller)
        except TaxonError as error:
            log.warning("edge refused", peer=context.peer(), reason=str(error))
            await self._readiness.refuse(context, error)

    async def _serve(self, first: uplink_pb2.ConnectRequest, context: Context, caller: Caller) -> None:
        hello, uplinks = first.hello, self._parts.uplinks
        if hello.protocol_version != PROTOCOL_VERSION:
            raise ProtocolMismatch(hello.protocol_version, PROTOCOL_VERSION)
        edge_id = checked_name("edge", hello.edge_id)
        bundle = self._parts.catalogue.with_digest(hello.bundle_digest).bundle
        with self._id_owners.held(edge_id, caller):
            connection = uplinks.join(edge_id)
            log.info("edge connected", edge=edge_id, bundle=bundle.id, software=hello.software_version[:64])
            try:
                welcome = uplink_pb2.Welcome(
                    protocol_version=PROTOCOL_VERSION,
                    bundle_digest=bundle.digest,
                    software_version=version("taxon"),
                )
                await UplinkSession(self._parts, connection, bundle.digest, context, caller).run(first, welcome)
            finally:
                uplinks.leave(connection)
                log.info("edge gone", edge=edge_id)


async def _hello(context: Context) -> uplink_pb2.ConnectRequest:
    """Return the stream's first message, which has to be a Hello. Raises BadRequest."""
    try:
        first = await asyncio.wait_for(context.read(), HELLO_SECONDS)
    except TimeoutError as error:
        raise BadRequest(f"no Hello came within {HELLO_SECONDS:g} s") from error
    if not isinstance(first, uplink_pb2.ConnectRequest) or not first.HasField("hello"):
        raise BadRequest("a stream begins with a Hello")
    return first
