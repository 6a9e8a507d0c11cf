"""Live video: network cameras and webcams, whose frames are due when they come.

    rtsp://, http(s)://, webcam:DEVICE --connect, decode--> whole pictures --thin to `fps`--> Reading that is due now

An RTSP camera is asked for its pictures by TCP. One that refuses is asked for UDP, and so is one that says yes but
sends nothing. What has worked once is asked for first. `rtsp+tcp://` and `rtsp+udp://` ask for one transport alone.
Law: one reading is one connection. Whoever wants another one reads again (`shared.sources.reopening`).
"""

from __future__ import annotations

import time
from collections.abc import Generator, Iterator, Mapping

from shared.errors import SetupRefused, SourceError, SourceStalled
from shared.sources.address import StreamAddress, Transport, is_stream_address, parsed
from shared.sources.connection import LivePictures, SourcePatience, connected, video_of
from shared.sources.decoding import Input, frame_seconds, picture_of
from shared.sources.failures import TRANSPORT_STATUS, asked_again
from shared.sources.playing import Reading, Source
from shared.sources.thinning import Thinning
from shared.telemetry.logs import Throttle, logger

log = logger("sources.live")

WEBCAM = "webcam:"
SAID_AGAIN_SECONDS = 60.0
BETWEEN_CONNECTIONS_SECONDS = 0.5
USUAL_PATIENCE = SourcePatience()
ANALYSIS: Mapping[str, str] = {
    # What comes while FFmpeg finds out what a stream is, is old when its first picture is given. So it is told to look less.
    "fpsprobesize": "0",
    "analyzeduration": "1000000",
}
RTSP_PROTOCOLS = "rtsp,rtp,udp,tcp,tls,crypto,data"
HTTP_PROTOCOLS = "http,https,httpproxy,tcp,tls,crypto,data"
"""What a stream may lead to: a playlist that names a file of this machine leads nowhere."""


def is_live(spec: str) -> bool:
    """Return True for the address of a stream and for a webcam."""
    return spec.startswith(WEBCAM) or is_stream_address(spec)


class LiveSource(Source):
    """A stream or webcam. fps: at most so many frames a second are taken; None takes all."""

    is_live = True

    def __init__(self, spec: str, fps: float | None, patience: SourcePatience = USUAL_PATIENCE) -> None:
        super().__init__(spec)
        self._address = None if spec.startswith(WEBCAM) else parsed(spec)
        self._device = spec.removeprefix(WEBCAM)
        self._patience = patience
        self._thinning = Thinning(fps)
        self._transports = transports_of(self._address)
        self._proven: Transport | None = None
        self._said = Throttle(SAID_AGAIN_SECONDS)

    def read(self) -> Generator[Reading, None, None]:
        """Connect, and give what comes until the stream ends or the source is stopped; raises SourceError."""
        transport, *others = self._transports
        try:
            yield from self._connection(transport)
        except SetupRefused as error:
            if not others:
                raise self._with_its_words(error, transport) from None
            self._turn_to(others[0], error)
            # Many a camera has room for one visitor, and takes a moment to see that he has gone.
            self.stopping.wait(BETWEEN_CONNECTIONS_SECONDS)
        except SourceStalled as error:
            # A firewall may let the questions through, and not the pictures. The next connection finds out.
            if others and self._proven is not transport:
                self._turn_to(others[0], error)
            raise
        else:
            return
        try:
            yield from self._connection(others[0])
        except SetupRefused as error:
            raise self._with_its_words(error, others[0]) from None

    def _connection(self, transport: Transport | None) -> Iterator[Reading]:
        """Connect once and give what comes."""
        what = input_of(self._address, self._device, transport)
        with connected(self, what, self._address, self._patience) as container:
            stream = video_of(container)
            if stream is None:
                raise SetupRefused(self.name, "there is no video in it that can be decoded here")
            step = frame_seconds(stream)
            for frame in LivePictures(self, container, stream, self._patience).frames():
                self._proven = transport
                if self._thinning.takes(time.monotonic(), step):
                    yield Reading(picture_of(frame), None, time.time_ns() // 1000)

    def _turn_to(self, transport: Transport | None, error: SourceError) -> None:
        """Ask for this transport first from now on."""
        before = self._transports[0]
        self._transports = (transport, before)
        if self._said.due():
            log.warning("another transport is tried", source=self.name, was=before, now=transport, reason=error.reason)

    def _with_its_words(self, error: SetupRefused, transport: Transport | None) -> SetupRefused:
        """Return the error with what an RTSP camera says for itself."""
        if self._address is None or transport is None or TRANSPORT_STATUS in error.reason:
            return error
        self.stopping.wait(BETWEEN_CONNECTIONS_SECONDS)
        what = input_of(self._address, self._device, transport)
        words = asked_again(self._address.for_ffmpeg, what.options, self._patience.answer_seconds)
        return SetupRefused(self.name, f"{error.reason}; {words}") if words else error


def transports_of(address: StreamAddress | None) -> tuple[Transport | None, ...]:
    """Return the transports to ask for, in their order; None where there is nothing to choose."""
    if address is None or not address.scheme.startswith("rtsp"):
        return (None,)
    # UDP loses packets on every wireless camera; a picture with holes costs more than the delay of TCP.
    return (Transport.TCP, Transport.UDP) if address.transport is None else (address.transport,)


def input_of(address: StreamAddress | None, device: str, transport: Transport | None) -> Input:
    """Return what PyAV opens for a stream's address, or for a device where that is None."""
    if address is None:
        return Input(device, format="v4l2")
    options = dict(ANALYSIS)
    if transport is None:
        options["protocol_whitelist"] = HTTP_PROTOCOLS
        if address.is_loopback:
            # FFmpeg asks the environment's proxy even for this machine itself, which a proxy cannot reach.
            options["http_proxy"] = ""
    else:
        options |= {
            "protocol_whitelist": RTSP_PROTOCOLS,
            "rtsp_transport": transport.value,
            "allowed_media_types": "video",
        }
    return Input(address.for_ffmpeg, options=options)
