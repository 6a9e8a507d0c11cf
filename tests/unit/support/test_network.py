"""The bad network that tests stand on does what it is told to, with real TCP."""

from __future__ import annotations

import asyncio
import subprocess
import time

import pytest

from tests.support.network import CALM, RoughNetwork, Weather, needs_rough_network, rough_network

pytestmark = [pytest.mark.asyncio, pytest.mark.starts_process, needs_rough_network]
ECHO = """
import socketserver

class Echo(socketserver.BaseRequestHandler):
    def handle(self):
        while data := self.request.recv(65536):
            self.request.sendall(data)

with socketserver.ThreadingTCPServer(("0.0.0.0", 7000), Echo) as server:
    print("up", flush=True)
    server.serve_forever()
"""


async def echoed(address: str, payload: bytes) -> float:
    """Seconds until all of it has come back."""
    reader, writer = await asyncio.open_connection(address, 7000)
    began = time.monotonic()
    writer.write(payload)
    async with asyncio.timeout(30):
        assert await reader.readexactly(len(payload)) == payload
    seconds = time.monotonic() - began
    writer.close()
    return seconds


async def listening(network: RoughNetwork) -> asyncio.subprocess.Process:
    echo = await asyncio.create_subprocess_exec(
        *network.inside, "python3", "-c", ECHO, "0.0.0.0", stdout=subprocess.PIPE
    )
    assert echo.stdout is not None
    assert await asyncio.wait_for(echo.stdout.readline(), 20) == b"up\n"
    return echo


async def test_delay_and_loss_are_on_one_way_alone_and_end_when_the_weather_does() -> None:
    async with rough_network(seed=7) as network:
        echo = await listening(network)
        try:
            assert await echoed(network.far, b"x") < 0.1
            network.weather = Weather(delay_seconds=0.1)
            assert await echoed(network.far, b"x") >= 0.2, "there and back"
            assert await echoed(network.clean_far, b"x") < 0.1
            network.weather = Weather(delay_seconds=0.01, loss=0.1)
            payload = bytes(range(256)) * 1000
            await echoed(network.far, payload)
            assert network.lost > 0
            network.weather = CALM
            lost = network.lost
            await echoed(network.far, payload)
            assert network.lost == lost
        finally:
            echo.kill()
            await echo.wait()
    assert network.namespace not in subprocess.run(["ip", "netns"], capture_output=True, text=True, check=True).stdout
