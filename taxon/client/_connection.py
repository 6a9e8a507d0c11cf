"""What all clients do with a connection: open it, wait for it, tell a broken one from a refusal, and know when to give up.

    attempt --broken--> Patience.pause --jittered, doubling--> next attempt ... --give_up_seconds--> Unreachable
            --refused--> Refused

Law: what another attempt may repair is repeated, and told once when it lasts; what it cannot is raised at once.
"""

from __future__ import annotations

import asyncio
import logging
import random
import time
from collections.abc import Callable
from dataclasses import dataclass

import grpc

from shared.errors import DeadlinePassed, Refused, SettingsRefused, Unreachable
from shared.transport.credentials import NO_CREDENTIALS, Credentials, Metadata
from shared.transport.grpc_channels import KEEPALIVE_SECONDS, channel_options
from shared.transport.status_codes import STATUSES, reason_of

log = logging.getLogger("taxon.client")

FIRST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS = 0.1, 5.0
TOLD_SECONDS = 2.0
"""So long a service may be away without a word about it."""

_TEMPORARY = (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.CANCELLED, grpc.StatusCode.DEADLINE_EXCEEDED)
_UNKNOWN_BREAK = "Stream removed"
_REFUSED_LATE = STATUSES[DeadlinePassed].reason
_NOT_THIS_ONE = "another service is at this address: cameras post to an edge's gRPC port, subscribers ask a cloud's"


@dataclass(frozen=True)
class Timeouts:
    """Each wait's own deadline, in seconds.

    connect: until a connection stands. answer: of one posted frame, one call, or the start of a subscription. keepalive: between pings on
    an idle connection (servers take no fewer than 10). close: of a clean end. give_up: of all attempts since the last success;
    None never gives up.
    """

    connect: float = 10.0
    answer: float = 60.0
    keepalive: float = KEEPALIVE_SECONDS
    close: float = 5.0
    give_up: float | None = None


class Broken(Exception):  # noqa: N818 - named after what happened; never leaves this package
    """A connection broke, or the service is not there; another attempt may do."""


def open_channel(
    target: str, timeouts: Timeouts, largest_message_bytes: int, credentials: Credentials = NO_CREDENTIALS
) -> grpc.aio.Channel:
    """A channel that pings when it is idle; raises SettingsRefused for credentials that cannot be used."""
    credentials.metadata()
    common = [option for option in channel_options(largest_message_bytes) if option[0] != "grpc.keepalive_time_ms"]
    keepalive = ("grpc.keepalive_time_ms", round(timeouts.keepalive * 1000))
    return credentials.channel(target, [*common, keepalive])


async def reopened(
    channel: grpc.aio.Channel, target: str, timeouts: Timeouts, largest_message_bytes: int, credentials: Credentials
) -> grpc.aio.Channel:
    """A new channel in the place of this one, with the credentials' files as they are now; the old one while those cannot be used."""
    try:
        opened = open_channel(target, timeouts, largest_message_bytes, credentials)
    except SettingsRefused as error:
        log.warning("%s: trying on with the earlier ones", error)
        return channel
    await channel.close()
    return opened


def shown(credentials: Credentials) -> Metadata:
    """What goes with a call; raises Broken for a token file that is just being renewed."""
    try:
        return credentials.metadata()
    except SettingsRefused as error:
        raise Broken(str(error)) from error


def failure(error: grpc.aio.AioRpcError) -> Broken | Refused:
    """What a failed call means."""
    code, message, reason = error.code(), error.details() or "", reason_of(error)
    # Our services give a reason with every refusal. A deadline of theirs that passed is one; one of ours may have lost the answer alone.
    # INTERNAL without one is gRPC's own word for a stream that was cut: by a peer that died (RST_STREAM), or under a message that was
    # just being written.
    cut = code == grpc.StatusCode.INTERNAL and reason == code.name
    if reason == _REFUSED_LATE:
        return Refused(reason, message, code.name)
    if code == grpc.StatusCode.UNIMPLEMENTED:
        return Refused(reason, f"{_NOT_THIS_ONE} ({message})", code.name)
    if code in _TEMPORARY or cut or _UNKNOWN_BREAK in message:
        return Broken(message or code.name)
    return Refused(reason, message, code.name)


class Patience:
    """How long to wait before the next attempt, and when to give up.

    Waits double from FIRST_PAUSE_SECONDS to LONGEST_PAUSE_SECONDS; each is drawn from its upper half, so that many clients of one
    restarted service do not come back at the same moment. clock: seconds, monotonic. draw: 0 to 1.
    """

    def __init__(
        self,
        target: str,
        give_up_seconds: float | None,
        clock: Callable[[], float] = time.monotonic,
        draw: Callable[[], float] = random.random,
    ) -> None:
        self._target = target
        self._give_up_seconds = give_up_seconds
        self._clock = clock
        self._draw = draw
        self._pause = FIRST_PAUSE_SECONDS
        self._failing_since: float | None = clock()
        self._told = False

    def succeeded(self) -> None:
        """The service did something: the next failure is a first one."""
        if self._told:
            log.warning("%s answers", self._target)
        self._pause = FIRST_PAUSE_SECONDS
        self._failing_since = None
        self._told = False

    async def connected(self, channel: grpc.aio.Channel, seconds: float) -> None:
        """Waits for the connection, so long or to the end of the patience; raises Broken."""
        loop = asyncio.get_running_loop()
        telling = loop.call_later(TOLD_SECONDS, self._tell, "no connection")
        try:
            async with asyncio.timeout(self.left(seconds)):
                await channel.channel_ready()
        except TimeoutError as error:
            raise Broken("no connection") from error
        finally:
            telling.cancel()

    def left(self, seconds: float) -> float:
        """These seconds, or what is left until the end of the patience."""
        if self._give_up_seconds is None or self._failing_since is None:
            return seconds
        return max(0.01, min(seconds, self._failing_since + self._give_up_seconds - self._clock()))

    def pause(self, why: str) -> float:
        """Seconds to wait after a failure; raises Unreachable when it has been long enough."""
        now = self._clock()
        if self._failing_since is None:
            self._failing_since = now
        failing = now - self._failing_since
        if self._give_up_seconds is not None and failing >= self._give_up_seconds:
            raise Unreachable(self._target, failing, why)
        if failing >= TOLD_SECONDS:
            self._tell(why)
        pause = self._pause * (0.5 + self._draw() / 2)
        self._pause = min(2 * self._pause, LONGEST_PAUSE_SECONDS)
        return self.left(pause)

    def _tell(self, why: str) -> None:
        """Once, until the service answers again."""
        if not self._told:
            log.warning("%s: %s; trying on", self._target, why)
        self._told = True
