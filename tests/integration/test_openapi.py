"""The edge against its own OpenAPI document: a real process, and schemathesis posting what the document allows and what it does not."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

import httpx
import pytest

from tests.services import ServiceProcess, running

CHECKS = (
    "not_a_server_error",
    "status_code_conformance",
    "content_type_conformance",
    "response_schema_conformance",
    "response_headers_conformance",
    "unsupported_method",
)
"""All but positive_data_acceptance: the document cannot say which bytes are a picture."""

EXAMPLES = 40
SECONDS = 240


@pytest.mark.asyncio
async def test_every_answer_is_as_the_document_says(tmp_path: Path, tiny_bundle_directory: Path) -> None:
    options = ["--bundle", str(tiny_bundle_directory), "--pinned-groups", "semantic", "--largest-picture-bytes", "4096"]
    edge = ServiceProcess("edge", tmp_path, options)
    async with running(edge):
        argv = [sys.executable, "-m", "schemathesis.cli", "run", f"{edge.url}/openapi.json", "--no-color"]
        argv += ["--checks", ",".join(CHECKS), "--max-examples", str(EXAMPLES), "--seed", "6"]
        argv += ["--request-timeout", "30"]
        tester = await asyncio.create_subprocess_exec(
            *argv,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            cwd=tmp_path,
        )
        try:
            said, _ = await asyncio.wait_for(tester.communicate(), SECONDS)
        finally:
            if tester.returncode is None:
                tester.kill()
                await tester.wait()
        text = said.decode()
        assert tester.returncode == 0, text[-6000:]
        assert "/v1/cameras/{camera_id}/frames" in edge_paths(await described(edge)), "the document names the posts"
        assert await edge.metric("taxon_edge_refusals_total") >= EXAMPLES, f"hardly anything was posted: {text[-2000:]}"
        assert await edge.stop() == 0
    assert "Traceback" not in edge.log.read_text()


async def described(edge: ServiceProcess) -> dict[str, object]:
    async with httpx.AsyncClient(timeout=10) as client:
        found: dict[str, object] = (await client.get(f"{edge.url}/openapi.json")).json()
    return found


def edge_paths(document: dict[str, object]) -> list[str]:
    paths = document["paths"]
    assert isinstance(paths, dict)
    return list(paths)
