"""Links between processes that a test can cut, and another machine behind a bad network.

    client --> Link(port) --> server        cut(): connections die and none is taken until mend(); hold(): bytes are swallowed until then

    async with rough_network() as network:
        network.weather = Weather(delay_seconds=0.2, jitter_seconds=0.1, loss=0.05)

    here (network.near) --TUN--> this process: waits, drops --TUN--> the namespace (network.far)        rough
    here (network.clean_near) <--veth--> the namespace (network.clean_far)                            as it is

Packets are IP's own, so that TCP's retransmissions, windows and timers are the kernel's. (The kernel's own netem does the same where it is
there; TUN is there wherever a VPN would work.) Needs root, `ip`, /dev/net/tun.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import fcntl
import os
import random
import secrets
import shutil
import struct
import subprocess
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import pytest

CHUNK_BYTES = 1 << 16


@dataclass
class Link:
    """A proxy on `host` to `target_port` of 127.0.0.1. up_bytes, down_bytes: bytes to the server, and back."""

    target_port: int
    port: int = 0
    up_bytes: int = 0
    down_bytes: int = 0
    is_cut: bool = False
    host: str = "127.0.0.1"

    def __post_init__(self) -> None:
        self._open: set[asyncio.StreamWriter] = set()
        self._server: asyncio.Server | None = None
        self._flows = asyncio.Event()
        self._flows.set()

    async def __aenter__(self) -> Link:
        self._server = await asyncio.start_server(self._connected, self.host, self.port)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._server is not None
        self.cut()
        self._server.close()
        await self._server.wait_closed()

    @property
    def address(self) -> str:
        return f"{self.host}:{self.port}"

    def cut(self) -> None:
        """End every connection and refuse new ones."""
        self.is_cut = True
        self._flows.set()
        for writer in tuple(self._open):
            writer.transport.abort()

    def hold(self) -> None:
        """Keep the connections, and hold what either side sends."""
        self._flows.clear()

    def mend(self) -> None:
        """Take connections again, and pass on what was held."""
        self.is_cut = False
        self._flows.set()

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self.is_cut:
            writer.transport.abort()
            return
        try:
            there, back = await asyncio.open_connection("127.0.0.1", self.target_port)
        except OSError:
            writer.transport.abort()
            return
        self._open |= {writer, back}
        try:
            await asyncio.gather(self._pump(reader, back, "up_bytes"), self._pump(there, writer, "down_bytes"))
        finally:
            for one in (writer, back):
                self._open.discard(one)
                one.transport.abort()

    async def _pump(self, source: asyncio.StreamReader, sink: asyncio.StreamWriter, counter: str) -> None:
        with contextlib.suppress(OSError):
            while data := await source.read(CHUNK_BYTES):
                await self._flows.wait()
                setattr(self, counter, getattr(self, counter) + len(data))
                sink.write(data)
                await sink.drain()
        with contextlib.suppress(OSError, RuntimeError):
            sink.close()


_DEVICE = Path("/dev/net/tun")
_TUNSETIFF = 0x400454CA
_IFF_TUN, _IFF_NO_PI = 0x0001, 0x1000
MOST_PACKET_BYTES = 65536
MOST_UNDERWAY = 4096
"""The most packets on their way; more are lost, as in a router whose queue is full."""

HAS_ROUGH_NETWORK = os.geteuid() == 0 and _DEVICE.exists() and shutil.which("ip") is not None
needs_rough_network = pytest.mark.skipif(
    not HAS_ROUGH_NETWORK, reason="needs root, /dev/net/tun and ip (Debian: iproute2)"
)


@dataclass(frozen=True)
class Weather:
    """The weather of each direction. jitter_seconds: at most so much more delay (order is kept). loss: the share of packets."""

    delay_seconds: float = 0.0
    jitter_seconds: float = 0.0
    loss: float = 0.0


CALM = Weather()


@dataclass
class RoughNetwork:
    """Two links. near, far: addresses over the rough one, here and in the namespace. clean_near, clean_far: over the other."""

    namespace: str
    near: str
    far: str
    clean_near: str
    clean_far: str
    weather: Weather = CALM
    packets: int = 0
    lost: int = 0
    underway: int = 0
    random: random.Random = field(default_factory=random.Random)

    @property
    def inside(self) -> tuple[str, ...]:
        """Return the words before a command that runs in the namespace."""
        return ("ip", "netns", "exec", self.namespace)


class _Direction:
    """The way from one TUN device to the other."""

    def __init__(self, network: RoughNetwork, source: int, sink: int) -> None:
        self._network, self._source, self._sink = network, source, sink
        self._loop = asyncio.get_running_loop()
        self._last_at = 0.0
        self._timers: set[asyncio.TimerHandle] = set()
        self._loop.add_reader(source, self._came)

    def close(self) -> None:
        self._loop.remove_reader(self._source)
        for timer in self._timers:
            timer.cancel()

    def _came(self) -> None:
        network = self._network
        with suppress(BlockingIOError):
            while packet := os.read(self._source, MOST_PACKET_BYTES):
                network.packets += 1
                weather = network.weather
                if network.random.random() < weather.loss or network.underway >= MOST_UNDERWAY:
                    network.lost += 1
                    continue
                late = weather.delay_seconds + network.random.uniform(0.0, weather.jitter_seconds)
                self._last_at = max(self._last_at, self._loop.time() + late)
                network.underway += 1
                self._send_at(self._last_at, packet)

    def _send_at(self, at: float, packet: bytes) -> None:
        def send() -> None:
            self._timers.discard(timer)
            self._network.underway -= 1
            try:
                os.write(self._sink, packet)
            except OSError as error:
                if error.errno not in (errno.EAGAIN, errno.EIO, errno.ENOBUFS):
                    raise
                self._network.lost += 1

        timer = self._loop.call_at(at, send)
        self._timers.add(timer)


@asynccontextmanager
async def rough_network(seed: int | None = None) -> AsyncIterator[RoughNetwork]:
    """Make a network that is calm at first, and remove it at the end."""
    mark = secrets.token_hex(2)
    number = int(mark, 16)
    block, net = 64 + number // 256 % 64, number % 256
    network = RoughNetwork(
        f"taxon-{mark}", f"100.{block}.{net}.1", f"100.{block}.{net}.2", f"100.{block}.{net}.5", f"100.{block}.{net}.6",
        random=random.Random(seed),
    )  # fmt: skip
    async with AsyncExitStack() as stack:
        _ip("netns", "add", network.namespace)
        stack.callback(_ip, "netns", "del", network.namespace)
        _ip("-n", network.namespace, "link", "set", "lo", "up")
        _ip("link", "add", f"tv{mark}", "type", "veth", "peer", "name", "clean", "netns", network.namespace)
        _address(None, f"tv{mark}", f"{network.clean_near}/30")
        _address(network.namespace, "clean", f"{network.clean_far}/30")
        here, there = _tun(f"tn{mark}"), _tun(f"tf{mark}")
        for device in (here, there):
            stack.callback(os.close, device)
        _ip("link", "set", f"tf{mark}", "netns", network.namespace)
        _address(None, f"tn{mark}", f"{network.near}/30")
        _address(network.namespace, f"tf{mark}", f"{network.far}/30")
        for source, sink in ((here, there), (there, here)):
            stack.callback(_Direction(network, source, sink).close)
        yield network


def _tun(name: str) -> int:
    device = os.open(_DEVICE, os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)
    fcntl.ioctl(device, _TUNSETIFF, struct.pack("16sH22x", name.encode(), _IFF_TUN | _IFF_NO_PI))
    return device


def _address(namespace: str | None, device: str, address: str) -> None:
    where = () if namespace is None else ("-n", namespace)
    _ip(*where, "address", "add", address, "dev", device)
    _ip(*where, "link", "set", device, "up")


def _ip(*words: str) -> None:
    done = subprocess.run(["ip", *words], capture_output=True, text=True, timeout=20, check=False)
    assert done.returncode == 0, f"ip {' '.join(words)}: {done.stderr}"
