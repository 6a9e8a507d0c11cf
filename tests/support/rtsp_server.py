"""An RTSP camera of GStreamer's, as a program of its own: Debian's Python runs it, because its packages hold GStreamer.

    /usr/bin/python3 tests/support/rtsp_server.py --codec h265 --size 320x240 --transport udp      rtsp://127.0.0.1:PORT/live

    test picture --encoder--> RTP payloader --valve--> whoever asked for the stream

It prints its port when it listens. `tests.support.rtsp` starts it for a test.
SIGUSR1: it keeps every connection and sends no more pictures. SIGUSR2: it goes on.
Law: it serves one path, /live, with one encoder for all who look; every other path is 404.
"""

from __future__ import annotations

import argparse
import signal
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import gi

for _namespace in ("Gst", "GstRtsp", "GstRtspServer"):
    gi.require_version(_namespace, "1.0")
from gi.repository import Gio, GLib, Gst, GstRtsp, GstRtspServer  # noqa: E402 - the versions are named first

PATH, ROLE = "/live", "viewer"
KEPT_BYTES = 4000
"""So much of the stream stays whole: whoever connects knows what it is."""
SESSIONS_LOOKED_AT_EVERY_SECONDS = 2
PICTURES = "videotestsrc is-live=true pattern={pattern} ! video/x-raw,width={width},height={height},framerate={fps}/1"
CODECS = {
    "h264": "x264enc tune=zerolatency speed-preset=ultrafast key-int-max={gop}{damage} ! rtph264pay pt=96 config-interval=1",
    "h265": "x265enc tune=zerolatency speed-preset=ultrafast key-int-max={gop}{damage} ! rtph265pay pt=96 config-interval=1",
    "mjpeg": "jpegenc{damage} ! rtpjpegpay pt=26",
    "vp8": "vp8enc deadline=1 keyframe-max-dist={gop}{damage} ! rtpvp8pay pt=96",
}
SOUND = "audiotestsrc is-live=true ! audio/x-raw,rate=8000,channels=1 ! alawenc ! rtppcmapay pt=8"
TRANSPORTS = ("udp", "tcp")


class Camera:
    """The camera's stream. arguments: the command line's."""

    def __init__(self, arguments: argparse.Namespace) -> None:
        self._arguments = arguments
        self._is_sending = True
        self.factory = GstRtspServer.RTSPMediaFactory.new()
        self.factory.set_launch(self._pipeline())
        self.factory.set_shared(True)
        self.factory.connect("media-configure", self._watch)
        protocols = GstRtsp.RTSPLowerTrans(0)
        for name in arguments.transport:
            protocols |= getattr(GstRtsp.RTSPLowerTrans, name.upper())
        self.factory.set_protocols(protocols)

    def send(self, is_sending: bool) -> bool:
        """Send pictures or only keep the connections; return True, so that GLib takes the signal again."""
        self._is_sending = is_sending
        return GLib.SOURCE_CONTINUE

    def _pipeline(self) -> str:
        """Return the pipeline in GStreamer's words; the server finds its payloaders by their names."""
        asked = self._arguments
        width, height = asked.size.split("x")
        damage = f" ! breakmydata skip={KEPT_BYTES} probability={asked.damage}" if asked.damage else ""
        damage += f" ! identity drop-probability={asked.drop}" if asked.drop else ""
        pictures = PICTURES.format(pattern=asked.pattern, width=width, height=height, fps=asked.fps)
        codec = CODECS[asked.codec].format(gop=asked.gop, damage=damage)
        streams = []
        if "pictures" in asked.media:
            streams.append(f"{pictures} ! videoconvert ! video/x-raw,format=I420 ! {codec} name=pay0")
        if "sound" in asked.media:
            streams.append(f"{SOUND} name=pay{len(streams)}")
        return f"( {' '.join(streams)} )"

    def _watch(self, _factory: Any, media: Any) -> None:
        """Put the valve behind the pictures' payloader; sound goes on in any case."""
        payloader = media.get_element().get_by_name("pay0")
        if "pictures" in self._arguments.media:
            kinds = Gst.PadProbeType.BUFFER | Gst.PadProbeType.BUFFER_LIST
            payloader.get_static_pad("src").add_probe(kinds, self._passes)

    def _passes(self, _pad: Any, _info: Any) -> Any:
        return Gst.PadProbeReturn.OK if self._is_sending else Gst.PadProbeReturn.DROP


def guarded(server: Any, camera: Camera, arguments: argparse.Namespace) -> None:
    """Ask for a name and a password, by one method alone."""
    auth = GstRtspServer.RTSPAuth.new()
    token = GstRtspServer.RTSPToken.new()
    token.set_string("media.factory.role", ROLE)
    if arguments.auth == "digest":
        auth.set_supported_methods(GstRtsp.RTSPAuthMethod.DIGEST)
        auth.add_digest(arguments.user, arguments.password, token)
    elif arguments.auth == "basic":
        auth.add_basic(GstRtspServer.RTSPAuth.make_basic(arguments.user, arguments.password), token)
    if arguments.certificate is not None:
        pem = arguments.certificate.read_text() + arguments.key.read_text()
        auth.set_tls_certificate(Gio.TlsCertificate.new_from_pem(pem, len(pem.encode())))
    if arguments.auth != "none":
        role = Gst.Structure.new_empty(ROLE)
        role.set_value("media.factory.access", True)
        role.set_value("media.factory.construct", True)
        camera.factory.add_role_from_structure(role)
    else:
        anybody = GstRtspServer.RTSPToken.new()
        anybody.set_string("media.factory.role", "anonymous")
        auth.set_default_token(anybody)
        role = Gst.Structure.new_empty("anonymous")
        role.set_value("media.factory.access", True)
        role.set_value("media.factory.construct", True)
        camera.factory.add_role_from_structure(role)
    server.set_auth(auth)


def words(allowed: Sequence[str], text: str) -> list[str]:
    """Return the words of a list with commas; raises ValueError for one that is unknown."""
    chosen = text.split(",")
    if not set(chosen) <= set(allowed):
        raise ValueError(text)
    return chosen


def parsed() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="an RTSP camera on 127.0.0.1")
    parser.add_argument("--port", default="0", help="0 takes a free one")
    parser.add_argument("--codec", choices=CODECS, default="h264")
    parser.add_argument("--size", default="320x240")
    parser.add_argument("--fps", default="10")
    parser.add_argument("--gop", default="10", help="frames from one key frame to the next")
    parser.add_argument("--pattern", default="smpte", help="videotestsrc's")
    parser.add_argument("--media", default=["pictures"], type=lambda text: words(("pictures", "sound"), text))
    parser.add_argument("--transport", default=list(TRANSPORTS), type=lambda text: words(TRANSPORTS, text))
    parser.add_argument("--auth", choices=("none", "basic", "digest"), default="none")
    parser.add_argument("--user", default="viewer")
    parser.add_argument("--password", default="")
    parser.add_argument("--damage", type=float, help="the share of the encoded bytes that are changed")
    parser.add_argument("--drop", type=float, help="the share of the encoded pictures that are left out")
    parser.add_argument("--certificate", type=Path, help="PEM file; the camera is rtsps:// then")
    parser.add_argument("--key", type=Path)
    return parser.parse_args()


def main() -> None:
    arguments = parsed()
    Gst.init(None)
    server, camera = GstRtspServer.RTSPServer.new(), Camera(arguments)
    server.set_address("127.0.0.1")
    server.set_service(arguments.port)
    if arguments.auth != "none" or arguments.certificate is not None:
        guarded(server, camera, arguments)
    server.get_mount_points().add_factory(PATH, camera.factory)
    if not server.attach(None):
        raise SystemExit(f"port {arguments.port} cannot be had")
    GLib.timeout_add_seconds(SESSIONS_LOOKED_AT_EVERY_SECONDS, lambda: server.get_session_pool().cleanup() >= 0)
    for number, is_sending in ((signal.SIGUSR1, False), (signal.SIGUSR2, True)):
        GLib.unix_signal_add(GLib.PRIORITY_DEFAULT, number, camera.send, is_sending)
    print(server.get_bound_port(), flush=True)
    GLib.MainLoop().run()


if __name__ == "__main__":
    main()
