"""A real RTSP camera for a test: GStreamer's server as a child process.

    with RtspCamera(codec="h265", transport="udp") as camera:
        camera.url  ->  rtsp://127.0.0.1:PORT/live
        camera.stall()      camera.kill()      camera.start(size="640x480")

Law: it is the test's own, on a free port that it keeps over a restart, and it ends with the test.
"""

from __future__ import annotations

import select
import signal
import subprocess
from pathlib import Path
from types import TracebackType
from typing import Self
from urllib.parse import quote

from tests.support.debian import DebianPackage

PACKAGE = DebianPackage(
    "gir1.2-gst-rtsp-server-1.0 and gstreamer1.0-plugins-{base,good,bad,ugly}",
    "/usr/bin/python3",
    libraries=(
        "python3/dist-packages/gi/__init__.py",
        "*/girepository-1.0/GstRtspServer-1.0.typelib",
        "*/gstreamer-1.0/libgstvideotestsrc.so",
        "*/gstreamer-1.0/libgstrtpmanager.so",
        "*/gstreamer-1.0/libgstx265.so",
        "*/gstreamer-1.0/libgstx264.so",
    ),
)
PROGRAM = Path(__file__).with_name("rtsp_server.py")
START_SECONDS = 30.0


class RtspCamera:
    """The camera. options: of `rtsp_server.py`, by name; `start` changes them for good.

    port: it is free before the first start, and then kept.
    """

    def __init__(self, **options: str) -> None:
        self._options = options
        self._process: subprocess.Popen[str] | None = None
        self.port = 0

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.kill()

    @property
    def url(self) -> str:
        """The address, with the user name and the password that the camera asks for."""
        user, password = self._options.get("user", "viewer"), self._options.get("password", "")
        login = f"{quote(user, safe='')}:{quote(password, safe='')}@" if password else ""
        return f"rtsp://{login}127.0.0.1:{self.port}/live"

    def start(self, **options: str) -> None:
        """Start it, and return when it listens."""
        self._options |= options
        argv = ["/usr/bin/python3", str(PROGRAM), "--port", str(self.port)]
        argv += [f"--{name}={value}" for name, value in self._options.items()]
        # An environment of its own: Debian's Python must not find the packages of the tests' one.
        self._process = subprocess.Popen(argv, stdout=subprocess.PIPE, text=True, env={"PATH": "/usr/bin:/bin"})
        assert self._process.stdout is not None
        ready, _, _ = select.select([self._process.stdout], [], [], START_SECONDS)
        told = self._process.stdout.readline() if ready else ""
        assert told.strip().isdigit(), f"the RTSP server did not start: {argv}"
        self.port = int(told)

    def stall(self) -> None:
        """Keep all connections and send no more pictures."""
        self._signal(signal.SIGUSR1)

    def go_on(self) -> None:
        """Send pictures again."""
        self._signal(signal.SIGUSR2)

    def kill(self) -> None:
        """End it as a power cut does."""
        if self._process is not None:
            self._process.kill()
            self._process.communicate()
            self._process = None

    def _signal(self, number: signal.Signals) -> None:
        assert self._process is not None, "the camera runs"
        self._process.send_signal(number)
