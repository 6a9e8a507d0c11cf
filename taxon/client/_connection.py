"""Connections of all clients: open one, wait for it, tell a broken one from a refusal, and give up at the right time.

    attempt --broken--> a pause, jittered and doubling --> next attempt ... --give_up seconds--> Unreachable
            --refused--> Refused

Law: a failure that another attempt may repair is tried again, and logged once when it lasts. Any other is raised at once.
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
from shared.transport.proxies import proxy_note
from shared.transport.status_codes import STATUSES, reason_of

log = logging.getLogger("taxon.client")

FIRST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS = 0.1, 5.0
TOLD_SECONDS = 2.0
"""A service may be away for this long before it is logged."""

_TEMPORARY = (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.CANCELLED, grpc.StatusCode.DEADLINE_EXCEEDED)
_UNKNOWN_BREAK = "Stream removed"
_REFUSED_LATE = STATUSES[DeadlinePassed].reason
_NOT_THIS_ONE = "another service is at this address: cameras post to an edge's gRPC port, subscribers ask a cloud's"


@dataclass(frozen=True)
class Timeouts:
    """A client's waits and their deadlines, in seconds.

    connect: the time until a connection stands.
    answer: the time until one posted frame or call is answered, or a subscription begins.
    keepalive: the time between pings on an idle connection; servers accept 10 or more.
    close: the time that a clean end may take.
    give_up: the time for all attempts since the last success; None never gives up.
    wait_for_cameras: True waits for a camera that the cloud does not know yet; with False, a subscriber raises Refused for it.
    """

    connect: float = 10.0
    answer: float = 60.0
    keepalive: float = KEEPALIVE_SECONDS
    close: float = 5.0
    give_up: float | None = None
    wait_for_cameras: bool = True


class Broken(Exception):  # noqa: N818 - named after what happened; never leaves this package
    """A connection broke, or the service is not there; another attempt may succeed."""


def open_channel(
    target: str, timeouts: Timeouts, largest_message_bytes: int, credentials: Credentials = NO_CREDENTIALS
) -> grpc.aio.Channel:
    """Open a channel that pings when it is idle; raises SettingsRefused for credentials that cannot be used."""
    credentials.metadata()
    common = [option for option in channel_options(largest_message_bytes) if option[0] != "grpc.keepalive_time_ms"]
    keepalive = ("grpc.keepalive_time_ms", round(timeouts.keepalive * 1000))
    return credentials.channel(target, [*common, keepalive])


async def reopened(
    channel: grpc.aio.Channel, target: str, timeouts: Timeouts, largest_message_bytes: int, credentials: Credentials
) -> grpc.aio.Channel:
    """Open a channel in the place of this one, with the credentials' files as they are now.

    While those files cannot be used, the old channel is returned.
    """
    try:
        opened = open_channel(target, timeouts, largest_message_bytes, credentials)
    except SettingsRefused as error:
        log.warning("%s; the earlier ones stay in use", error)
        return channel
    await channel.close()
    return opened


def shown(credentials: Credentials) -> Metadata:
    """Return the credentials as a call's metadata; raises Broken for a token file that is just being renewed."""
    try:
        return credentials.metadata()
    except SettingsRefused as error:
        raise Broken(str(error)) from error


def failure(error: grpc.aio.AioRpcError) -> Broken | Refused:
    """Tell whether a failed call was refused, or broke and may be tried again."""
    code, message, reason = error.code(), error.details() or "", reason_of(error)
    # Our services give a reason with every refusal. A deadline that passed at the service is a refusal; one that passed here may
    # have lost the answer alone. INTERNAL without a reason is gRPC's own: the stream was cut by a peer that died (RST_STREAM), or
    # while a message was being written.
    cut = code == grpc.StatusCode.INTERNAL and reason == code.name
    if reason == _REFUSED_LATE:
        return Refused(reason, message, code.name)
    if code == grpc.StatusCode.UNIMPLEMENTED:
        return Refused(reason, f"{_NOT_THIS_ONE} ({message})", code.name)
    if code in _TEMPORARY or cut or _UNKNOWN_BREAK in message:
        return Broken(message or code.name)
    return Refused(reason, message, code.name)


class Patience:
    """The pauses between attempts, and the moment to give up.

    Pauses double from FIRST_PAUSE_SECONDS to LONGEST_PAUSE_SECONDS. Each is drawn from its upper half, so that many
    clients of a restarted service do not come back at the same moment.
    clock: monotonic seconds. draw: a number from 0 to 1.
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
        """Begin anew: the service answered, so the next failure is a first one."""
        if self._told:
            log.warning("%s answers", self._target)
        self._pause = FIRST_PAUSE_SECONDS
        self._failing_since = None
        self._told = False

    async def connected(self, channel: grpc.aio.Channel, seconds: float) -> None:
        """Wait for the connection, for these seconds or until it is time to give up; raises Broken."""
        loop = asyncio.get_running_loop()
        telling = loop.call_later(TOLD_SECONDS, self._tell, "no connection" + proxy_note(self._target))
        try:
            async with asyncio.timeout(self.left(seconds)):
                await channel.channel_ready()
        except TimeoutError as error:
            raise Broken("no connection") from error
        finally:
            telling.cancel()

    def left(self, seconds: float) -> float:
        """Return these seconds, or the fewer that are left until it is time to give up."""
        if self._give_up_seconds is None or self._failing_since is None:
            return seconds
        return max(0.01, min(seconds, self._failing_since + self._give_up_seconds - self._clock()))

    def pause(self, why: str) -> float:
        """Return the seconds to wait after a failure; raises Unreachable when it is time to give up."""
        why += proxy_note(self._target)
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
        """Log a lasting failure, once until the service answers again."""
        if not self._told:
            log.warning("%s: %s; trying again", self._target, why)
        self._told = True
