"""One connection to a camera or webcam: packets in, whole pictures out.

    Input --open--> packets --skip to a key frame?--> decoder --whole?--> frames

After damage (lost or changed bytes) later pictures build on a picture with holes, though nothing marks them. So nothing
is given until the next key frame, for KEY_FRAME_SECONDS at most. The same holds where packets come faster than
they can be decoded: what waits is left out up to the newest key frame.
Laws: no picture that the decoder calls damaged is given. A packet without a picture is counted, as damaged where it was
damage and as superseded where it came too fast. Every wait ends.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from shared.errors import SourceRefused, SourceStalled
from shared.sources.address import StreamAddress
from shared.sources.decoding import Input, av_for
from shared.sources.failures import why_broken, why_not_opened
from shared.sources.playing import Source

if TYPE_CHECKING:
    from av.container import InputContainer
    from av.packet import Packet
    from av.video.frame import VideoFrame
    from av.video.stream import VideoStream

KEY_FRAME_SECONDS = 5.0
BEHIND_SECONDS = 2.0
"""Packets that come without any wait for so long have piled up."""
AT_ONCE_SECONDS = 0.002
HUNG_SHARE = 0.9
"""An error after so much of the time for an answer is the end of that time."""
SILENT_PACKETS = 3
"""A decoder that reorders frames gives none for a packet now and then. For so many in a row it has lost its thread."""


@dataclass(frozen=True)
class SourcePatience:
    """How long a live source is waited for, in seconds.

    answer_seconds: for its answer, and then for its first packets. packet_seconds: for each further packet of pictures.
    picture_seconds: for a picture out of the packets that come.
    """

    answer_seconds: float = 10.0
    packet_seconds: float = 10.0
    picture_seconds: float = 60.0


@contextmanager
def connected(
    source: Source, what: Input, address: StreamAddress | None, patience: SourcePatience
) -> Iterator[InputContainer]:
    """Connect a source to its stream, or to its device where `address` is None; raises SourceError."""
    av = av_for(source.name)
    begun = time.monotonic()
    timeout = (patience.answer_seconds, patience.packet_seconds)
    try:
        container = av.open(what.file, "r", format=what.format, options=dict(what.options), timeout=timeout)
    except (av.FFmpegError, OSError, ValueError) as error:
        # FFmpeg does not always say that it waited in vain.
        waited = time.monotonic() - begun
        hung_seconds = waited if waited > HUNG_SHARE * patience.answer_seconds else 0.0
        # Not chained: PyAV's error has the address with its password.
        raise why_not_opened(source.name, error, address, hung_seconds) from None
    with container:
        yield container


class LivePictures:
    """The whole pictures of a connection. clock: seconds, monotonic."""

    def __init__(
        self,
        source: Source,
        container: InputContainer,
        stream: VideoStream,
        patience: SourcePatience,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._source = source
        self._container = container
        self._patience = patience
        self._clock = clock
        self._stream = stream
        # Several cores for one camera's decoder would be taken from the networks.
        stream.codec_context.thread_count = 1
        now = clock()
        self._last_packet = self._last_picture = now
        self._last_wait = now
        # Whoever connects in the middle of a group of pictures has nothing to build on.
        self._skips_until: float | None = now + KEY_FRAME_SECONDS
        self._skipped_as: Callable[[int], None] | None = None
        self._given, self._silent = 0, 0

    def frames(self) -> Iterator[VideoFrame]:
        """Give the pictures until the source is stopped or the stream ends; raises SourceError."""
        av = av_for(self._source.name)
        try:
            for packet, waited_seconds in self._packets():
                if self._source.stopping.is_set():
                    return
                self._look_at_clock(packet, waited_seconds)
                if packet.stream is self._stream and not self._is_skipped(packet):
                    yield from self._pictures(packet)
        except av.FFmpegError as error:
            raise why_broken(self._source.name, error, self._patience.packet_seconds) from None
        if not self._given:
            raise SourceRefused(self._source.name, "there is no picture in it that can be decoded")

    def _packets(self) -> Iterator[tuple[Packet[Any], float]]:
        """Give all packets, sound too: while it comes, PyAV would wait for pictures without end."""
        begun = self._clock()
        for packet in self._container.demux():
            yield packet, self._clock() - begun
            begun = self._clock()

    def _look_at_clock(self, packet: Packet[Any], waited_seconds: float) -> None:
        """Raise SourceStalled where no pictures come; skip what has piled up."""
        now, name = self._clock(), self._source.name
        if waited_seconds > AT_ONCE_SECONDS:
            self._last_wait = now
        elif now - self._last_wait > BEHIND_SECONDS:
            self._last_wait = now
            self._skip(self._source.status.superseded)
        if packet.stream is self._stream:
            self._last_packet = now
        elif now - self._last_packet > self._patience.packet_seconds:
            raise SourceStalled(
                name, f"stalled: its sound comes, but no picture for {self._patience.packet_seconds:.0f} s"
            )
        if now - self._last_picture > self._patience.picture_seconds:
            seconds = self._patience.picture_seconds
            raise SourceStalled(
                name, f"stalled: it sends packets, but no whole picture came of them for {seconds:.0f} s"
            )

    def _pictures(self, packet: Packet[Any]) -> Iterator[VideoFrame]:
        av = av_for(self._source.name)
        try:
            decoded = packet.decode()
        except av.FFmpegError:
            self._damage()
            return
        for frame in decoded:
            if packet.is_corrupt or frame.is_corrupt:
                self._damage()
            else:
                self._given += 1
                self._last_picture = self._clock()
                yield frame
        self._silent = 0 if decoded or not self._given else self._silent + 1
        if self._silent >= SILENT_PACKETS:
            self._source.status.damaged(self._silent if self._silent == SILENT_PACKETS else 1)

    def _damage(self) -> None:
        self._source.status.damaged()
        self._skip(self._source.status.damaged)

    def _skip(self, count: Callable[[int], None]) -> None:
        self._skips_until = self._clock() + KEY_FRAME_SECONDS
        self._skipped_as = count

    def _is_skipped(self, packet: Packet[Any]) -> bool:
        if self._skips_until is None:
            return False
        if packet.is_keyframe or not packet.size or self._clock() > self._skips_until:
            self._skips_until = self._skipped_as = None
            return False
        if self._skipped_as is not None:
            self._skipped_as(1)
        return True


def video_of(container: InputContainer) -> VideoStream | None:
    """Return the first stream of pictures that can be decoded, None where there is none."""
    for stream in container.streams.video:
        # PyAV gives a stream without a decoder no context, whatever its types say.
        if getattr(stream, "codec_context", None) is not None:
            return stream
    return None
