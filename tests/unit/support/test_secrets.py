"""The watch of secrets fails a test whose service writes one, wherever it writes it."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from urllib.parse import quote

import pytest

from tests.support.secrets import SecretWatch

ROOT = Path(__file__).resolve().parents[3]
PASSWORD = 'hunter2"/\\@ü'


@pytest.mark.parametrize("written", [PASSWORD, json.dumps(PASSWORD), quote(PASSWORD, safe="")])
def test_a_secret_is_found_in_a_log_however_it_is_written(written: str, tmp_path: Path) -> None:
    watch, log = SecretWatch(), tmp_path / "edge.log"
    watch.declare_passwords(["--cloud", "x", f"hall=rtsp://admin:{PASSWORD}@cam/live"])
    log.write_text("nothing yet\n")
    watch.follow(log)
    watch.look()
    assert watch.take_found() == []
    with log.open("a") as file:
        # In two pieces, between which somebody looked.
        file.write(f"playing {written[:4]}")
        file.flush()
        watch.look()
        file.write(f"{written[4:]}\nmore\n")
    watch.look()
    (found,) = watch.take_found()
    assert str(log) in found
    assert "<SECRET>" in found
    assert "hunter2" not in found
    watch.look()
    assert watch.take_found() == [], "it is told once"


def test_what_a_service_answers_is_looked_at_too() -> None:
    watch = SecretWatch()
    watch.declare_passwords(["http://cam/snap?user=a&pwd=hunter22&x=1", "nats://u:ab@bus"])
    watch.saw("taxon_edge_source_state 1\n", "edge /metrics")
    watch.saw("a cab drives by", "what is too short is no secret")
    assert watch.take_found() == []
    watch.saw('taxon_edge_source_state{source="http://cam/snap?pwd=hunter22"} 1\n', "edge /metrics")
    assert watch.take_found()[0].startswith("edge /metrics holds a secret")


LEAKING = """
import sys
from http.server import BaseHTTPRequestHandler, HTTPServer
leak, given = sys.argv[1], dict(zip(sys.argv, sys.argv[1:]))
token = given["--source"].rpartition("=")[2]
class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.end_headers()
        self.wfile.write((token if leak == self.path else "fine").encode())
    def log_message(self, *given):
        pass
server = HTTPServer(("127.0.0.1", int(given["--http"].rpartition(":")[2])), Handler)
if leak == "log":
    print("using", token, flush=True)
server.serve_forever()
"""
TEST = """
import sys
import pytest
from tests.support.services import ServiceProcess, running

@pytest.mark.asyncio
@pytest.mark.parametrize("leak", ["nothing", "log", "/metrics", "/v1/cameras"])
async def test_a_service(leak, tmp_path):
    options = ["--source", "hall=http://cam/snap?token=txn_0123456789"]
    service = ServiceProcess("edge", tmp_path, options, command=[sys.executable, SCRIPT, leak])
    async with running(service):
        pass
"""


@pytest.mark.starts_process
def test_a_test_fails_when_its_service_writes_a_secret(tmp_path: Path) -> None:
    """The plugin at work: a whole run of pytest, with services of which three write what they must not."""
    (tmp_path / "conftest.py").write_text(
        "from tests.support.secrets import SecretGuard\n"
        "def pytest_configure(config):\n    config.pluginmanager.register(SecretGuard())\n"
    )
    script = tmp_path / "leaking.py"
    script.write_text(LEAKING)
    (tmp_path / "test_it.py").write_text(TEST.replace("SCRIPT", repr(str(script))))
    run = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--rootdir", str(tmp_path), str(tmp_path)],
        env={"PYTHONPATH": str(ROOT), "PATH": "/usr/bin:/bin"},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        cwd=tmp_path,
    )
    assert "3 failed, 1 passed" in run.stdout, run.stdout + run.stderr
    for leak in ("edge.log", "edge /metrics", "edge /v1/cameras"):
        assert f"{leak} holds a secret" in run.stdout, run.stdout
    assert "txn_0123456789" not in run.stdout
