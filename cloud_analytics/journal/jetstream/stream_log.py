"""The frame log of many replicas: one stream of all their frames.

    append --Appender--> JetStream --Tail--> next_batch, on every replica
                                   --Reader--> replay

Law: the laws of `FrameLog` hold over all replicas.
"""

from __future__ import annotations

import asyncio
import secrets
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import replace

from nats.js.api import DiscardPolicy, RetentionPolicy, StorageType, StreamConfig, StreamInfo, StreamState
from nats.js.errors import BadRequestError, NotFoundError
from typing_extensions import override

from cloud_analytics.frames import LoggedFrame
from cloud_analytics.journal.frame_log import Appended, Arrival, FrameLog, KnownCamera, Pruned, Replay, position_of
from cloud_analytics.journal.jetstream.ages import StreamAges
from cloud_analytics.journal.jetstream.appender import Appender
from cloud_analytics.journal.jetstream.cameras import CameraBook
from cloud_analytics.journal.jetstream.link import Link, NatsTrouble
from cloud_analytics.journal.jetstream.members import Members
from cloud_analytics.journal.jetstream.messages import SharedFrame, frame_of
from cloud_analytics.journal.jetstream.names import Names
from cloud_analytics.journal.jetstream.reader import Gone, Message, Reader
from cloud_analytics.journal.jetstream.tail import Tail
from cloud_analytics.metrics.service import CloudMetrics
from cloud_analytics.settings import CloudSettings
from shared.contract.packets import Packet
from shared.errors import LogUnavailable
from shared.telemetry.logs import Throttle, logger

APPEND_SECONDS = 10.0
MOST_SINGLE_CAMERAS = 8
"""A replay of more cameras reads all of them and passes over the others."""
READ_FRAMES = 256
DUPLICATE_SECONDS = 120.0

log = logger("cloud.bus")


class StreamLog(FrameLog):
    """The frame log in a stream."""

    def __init__(
        self,
        link: Link,
        names: Names,
        settings: CloudSettings,
        members: Members,
        book: CameraBook,
        metrics: CloudMetrics,
    ) -> None:
        self._link = link
        self._names = names
        self._settings = settings
        self._members = members
        self._book = book
        self._id = ""
        self._head = 0
        self._first = 1
        self._ages = StreamAges(settings.journal_age_seconds)
        self._appender = Appender(link, names, members.replica_id, book, metrics)
        self._tail = Tail(link, names.frames, 0)
        self._throttle = Throttle(10.0)

    @property
    @override
    def head(self) -> int:
        return self._head

    @property
    @override
    def cameras(self) -> Mapping[str, KnownCamera]:
        return self._book.known

    async def open(self) -> None:
        """Make the stream where there is none, and look where it ends. Raises Gone, or one of `NatsTrouble`."""
        info = await self._stream()
        self._id = (info.config.description or "").rpartition(" ")[2]
        self._note(info.state)
        self._tail = Tail(self._link, self._names.frames, self._head)
        await self._meet_cameras()
        log.info("stream open", stream=self._names.frames, frames=info.state.messages, head=self._head)

    @override
    async def append(self, arrivals: Sequence[Arrival]) -> Appended:
        """Keep all that is new, after a while of waiting for replicas that are behind. Raises LogUnavailable."""
        await self._members.kept_up(self._head)
        # One camera's frames go one after the other, those of many cameras side by side.
        packets: dict[str, list[tuple[Packet, Arrival]]] = defaultdict(list)
        for arrival in arrivals:
            for packet in arrival.packets:
                packets[packet.camera_id].append((packet, arrival))
        try:
            async with asyncio.timeout(APPEND_SECONDS):
                outcomes = await asyncio.gather(
                    *(self._appender.append(camera, some) for camera, some in packets.items())
                )
        except TimeoutError as error:
            raise LogUnavailable(f"JetStream has not confirmed a frame for {APPEND_SECONDS:g} s") from error
        frames = sorted((one for outcome in outcomes for one in outcome.frames), key=lambda one: one.position)
        duplicates = tuple(camera for camera, one in zip(packets, outcomes) for _ in range(one.duplicates))
        late = tuple(camera for camera, one in zip(packets, outcomes) for _ in range(one.late))
        head = max((one.last.position for one in outcomes), default=self._head)
        self._head = max(self._head, head)
        return Appended(tuple(frames), duplicates, late, head)

    @override
    async def next_batch(self) -> Sequence[LoggedFrame]:
        while True:
            found = [one for one in map(self._read, await self._tail.batch()) if one is not None]
            self._head = max(self._head, self._tail.position)
            for one in found:
                self._book.note(one)
                self._appender.note(one)
            if found:
                return [one.frame for one in found]

    @override
    async def replay(self, position: int, up_to: int, cameras: Sequence[str], limit: int) -> Replay:
        """Return the first frames after a position; see `FrameLog.replay`.

        Where only some cameras' frames are wanted, nobody knows how many of those that are gone were theirs.
        """
        names = list(dict.fromkeys(cameras))
        try:
            # Each camera has a subject of its own, so that a few cameras can be read without all the others.
            if names and len(names) <= MOST_SINGLE_CAMERAS:
                parts = [
                    await self._replayed(position, up_to, {name}, limit, self._names.frames_of(name)) for name in names
                ]
                found = sorted((one for part in parts for one in part), key=lambda one: one.position)[:limit]
            else:
                found = await self._replayed(position, up_to, set(names), limit, None)
            self._note((await self._link.js.stream_info(self._names.frames)).state)
        except (Gone, *NatsTrouble) as error:
            raise LogUnavailable(str(error) or repr(error)) from error
        if not names and not found and up_to >= self._first and up_to > position:
            raise LogUnavailable(f"the stream gave none of the frames up to {up_to}")
        # What went while it was read counts too: a frame behind the gap has come, so nothing before it will.
        gone = max(0, min(self._first - 1, found[0].position - 1 if found else up_to) - position)
        return Replay(tuple(found), 0 if names else gone, uncounted=bool(names and gone))

    @override
    def cursor(self, position: int) -> str:
        return f"{self._id}:{position}"

    @override
    def position(self, cursor: str) -> int | None:
        return position_of(cursor, self._id, self._head)

    @override
    async def catch_up(self, cursor: str) -> None:
        stream, _, digits = cursor.partition(":")
        if stream == self._id and digits.isascii() and digits.isdigit() and int(digits) <= self._head:
            return
        try:
            self._note((await self._link.js.stream_info(self._names.frames)).state)
        except NatsTrouble as error:
            raise LogUnavailable(repr(error)) from error

    @override
    async def prune(self) -> Pruned:
        """Drop what is too old, and return what is left; JetStream itself keeps the bytes. Raises LogUnavailable."""
        before = self._first
        try:
            aged = await self._drop_aged()
            info = await self._link.js.stream_info(self._names.frames)
        except NatsTrouble as error:
            raise LogUnavailable(repr(error)) from error
        self._note(info.state)
        gone = max(0, self._first - before - aged)
        return Pruned(info.state.bytes, info.state.messages, {"age": aged, "bytes": gone})

    async def _drop_aged(self) -> int:
        """Drop the frames that this replica has seen for their whole age, and return how many they were."""
        last = self._ages.too_old(self._head)
        if last < self._first:
            return 0
        info = await self._link.js.stream_info(self._names.frames)
        self._note(info.state)
        if last < self._first or not info.state.messages:
            return 0
        aged = last + 1 - self._first
        await self._link.js.purge_stream(self._names.frames, seq=last + 1)
        self._first = last + 1
        return aged

    async def close(self) -> None:
        """End the reader at NATS."""
        await self._tail.close()

    async def _meet_cameras(self) -> None:
        """Tell the book the last frame of each camera: what it remembers may be a few seconds older."""
        reader = await Reader.begin(self._link, self._names.frames, None, self._names.frames_of("*"))
        while messages := await reader.present(READ_FRAMES):
            for one in map(self._read, messages):
                if one is not None:
                    self._book.note(one, is_new=False)
        await reader.close()

    async def _stream(self) -> StreamInfo:
        """Return the stream; make it where there is none, and bring its bounds to those of the settings."""
        settings = self._settings
        wanted = StreamConfig(
            name=self._names.frames,
            description=f"Coded frames of all cameras; cursors begin with {secrets.token_hex(8)}",
            subjects=[self._names.frames_of("*")],
            retention=RetentionPolicy.LIMITS,
            discard=DiscardPolicy.OLD,
            storage=StorageType.FILE,
            max_bytes=settings.journal_bytes,
            # No `max_age`: a server would drop everything when its time of day is set. The replicas count the ages.
            max_age=0,
            duplicate_window=DUPLICATE_SECONDS,
            num_replicas=settings.bus_copies,
        )
        try:
            found = await self._link.js.stream_info(self._names.frames)
        except NotFoundError:
            try:
                return await self._link.js.add_stream(wanted)
            except BadRequestError:
                # Another replica has made it in this moment, under another description.
                found = await self._link.js.stream_info(self._names.frames)
        config = found.config
        if (config.max_bytes, config.max_age or 0, config.num_replicas) == (
            settings.journal_bytes,
            0,
            settings.bus_copies,
        ):
            return found
        return await self._link.js.update_stream(replace(wanted, description=config.description))

    async def _replayed(
        self, position: int, up_to: int, cameras: set[str], limit: int, subject: str | None
    ) -> list[LoggedFrame]:
        """Read frames from a consumer of its own. subject: the messages to read; None for all."""
        if position >= up_to:
            return []
        reader = await Reader.begin(self._link, self._names.frames, position, subject)
        found: list[LoggedFrame] = []
        try:
            while messages := await reader.present(limit if subject else READ_FRAMES):
                for message in messages:
                    one = self._read(message)
                    if one is None or (cameras and one.frame.camera_id not in cameras):
                        continue
                    if one.frame.position <= up_to and len(found) < limit:
                        found.append(one.frame)
                if len(found) == limit or messages[-1].position >= up_to:
                    break
            else:
                if not reader.has_all:
                    raise Gone(f"{self._names.frames}: a replay ended before its end")
        finally:
            await reader.close()
        return found

    def _read(self, message: Message) -> SharedFrame | None:
        found = frame_of(message)
        if found is None and self._throttle.due():
            log.error(
                "a message of the stream cannot be read as a frame",
                position=message.position,
                times=self._throttle.times,
            )
        return found

    def _note(self, state: StreamState) -> None:
        self._head = max(self._head, state.last_seq)
        self._first = max(self._first, state.first_seq)
