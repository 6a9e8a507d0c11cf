"""A URL as a source: pictures, one for each GET; or the live video or the recording that it turns out to be.

    URL --GET--> kind_of --picture--> GET once an interval --> Reading
                    |--stream-->    LiveSource
                    |--recording--> RecordingSource

Laws: GETs never queue: a camera that answers slowly is asked less often. Each answer is one frame, also where the
picture has not changed since. One reading is one connection, which `shared.sources.reopening` repeats.
"""

from __future__ import annotations

import time
from collections.abc import Iterator

from shared.errors import SourceRefused
from shared.sources.address import is_stream_address, parsed
from shared.sources.decoding import Input
from shared.sources.live import LiveSource
from shared.sources.playing import Reading, Source
from shared.sources.recording import RecordingSource
from shared.sources.web.client import Answer, HttpCamera
from shared.sources.web.kinds import LOOK_BYTES, WebKind, check_page, check_status, kind_of

INTERVAL_SECONDS = 1.0
"""The interval of a picture URL that was given none."""
LOGIN_PAUSE_SECONDS = 30.0
"""A camera may lock its user out after a few wrong passwords, so it is not asked sooner than this again."""
FILE_OPTIONS = {
    # A server may close the connection of a recording that is played slowly.
    "reconnect": "1",
    # A file of a server leads to no file of this machine.
    "protocol_whitelist": "http,https,httpproxy,tcp,tls,crypto,data",
}


def is_web_address(spec: str) -> bool:
    """Return True for the address of something that is asked for by HTTP."""
    return spec[:5].lower().startswith("http") and is_stream_address(spec)


class WebSource(Source):
    """What a URL gives. fps: of pictures so many a second (one, if None); of video, at most so many."""

    is_live = True

    def __init__(self, spec: str, fps: float | None, loop: bool) -> None:
        super().__init__(spec)
        self._spec = spec
        self._address = parsed(spec)
        self._fps = fps
        self._loop = loop
        self._camera = HttpCamera(self.name, self._address)
        self._not_before = float("-inf")

    def read(self) -> Iterator[Reading]:
        """Give frames until the source is stopped, breaks, or a recording has ended; raises SourceError."""
        self.stopping.wait(max(0.0, self._not_before - time.monotonic()))
        if self.stopping.is_set():
            return
        try:
            yield from self._connection()
        finally:
            if self._camera.refuses_login:
                self._not_before = time.monotonic() + LOGIN_PAUSE_SECONDS
            # A body that was not read, or only half, may still come.
            self._camera.close()

    def _connection(self) -> Iterator[Reading]:
        """Ask what the URL gives, and give it."""
        answer = self._camera.get({})
        kind = kind_of(self.name, answer)
        self.is_live = kind is not WebKind.RECORDING
        if kind is WebKind.PICTURE:
            yield from self._pictures(answer)
            return
        # Some cameras serve a single client.
        self._camera.close()
        source: Source = LiveSource(self._spec, self._fps) if self.is_live else self._recording()
        source.stopping = self.stopping
        source.report_to(self.status)
        yield from source.read()

    def _recording(self) -> RecordingSource:
        options = FILE_OPTIONS | ({"http_proxy": ""} if self._address.is_loopback else {})
        return RecordingSource(self.name, Input(self._address.for_ffmpeg, options=options), self._fps, self._loop)

    def _pictures(self, answer: Answer) -> Iterator[Reading]:
        """Give the picture of this answer, and then one each interval."""
        interval = INTERVAL_SECONDS if self._fps is None else 1.0 / self._fps
        self.status.expect(interval)
        due, picture, tag = time.monotonic(), b"", None
        while True:
            if answer.status == 304 and picture:
                answer.body()
            else:
                picture, tag = self._picture(answer), answer.headers.get("ETag")
            yield Reading(picture, None, answer.came_us)
            now = time.monotonic()
            # What a slow answer has missed is not made up for.
            due = max(due + interval, now - (now - due) % interval)
            if self.stopping.wait(max(0.0, due - now)):
                return
            answer = self._camera.get({"If-None-Match": tag} if tag else {})

    def _picture(self, answer: Answer) -> bytes:
        check_status(self.name, answer)
        if answer.content_type.startswith("multipart/"):
            raise SourceRefused(self.name, "gives a stream now, and not a picture as before")
        picture = answer.body()
        if not picture:
            raise SourceRefused(self.name, "answers without a body instead of a picture")
        check_page(self.name, answer.content_type, picture[:LOOK_BYTES])
        return picture
