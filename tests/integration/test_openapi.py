"""The edge against its own OpenAPI document: a real process, and schemathesis posting what the document allows and what it does not."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.support.security import TokenFolder
from tests.support.services import ServiceProcess, running

pytestmark = pytest.mark.starts_process

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
@pytest.mark.parametrize("with_tokens", [False, True], ids=["open", "tokens"])
async def test_every_answer_is_as_the_document_says(
    with_tokens: bool, tmp_path: Path, tiny_bundle_directory: Path
) -> None:
    options = ["--bundle", str(tiny_bundle_directory), "--pinned-groups", "semantic", "--largest-picture-bytes", "4096"]
    tokens = TokenFolder(tmp_path / "tokens")
    token = tokens.add("tester", "post,metrics,manage").read_text().strip() if with_tokens else ""
    if with_tokens:
        options += ["--tokens", str(tokens.path)]
    edge = ServiceProcess("edge", tmp_path, options, token=token)
    async with running(edge):
        argv = [sys.executable, "-m", "schemathesis.cli", "run", f"{edge.url}/openapi.json", "--no-color"]
        argv += [
            "--checks",
            ",".join((*CHECKS, *(["ignored_auth"] if with_tokens else []))),
            "--max-examples",
            str(EXAMPLES),
            "--seed",
            "6",
        ]
        # A preview waits for its camera's next frame, and nobody posts meanwhile: `test_masks` tries it.
        argv += ["--request-timeout", "30", "--exclude-path-regex", "/preview$"]
        if with_tokens:
            argv += ["--header", f"Authorization: Bearer {token}"]
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


@pytest.mark.asyncio
async def test_the_document_says_which_routes_ask_for_a_token(tmp_path: Path, tiny_bundle_directory: Path) -> None:
    """And it is right: without one, exactly these answer 401."""
    tokens = TokenFolder(tmp_path / "tokens")
    edge = ServiceProcess("edge", tmp_path, ["--bundle", str(tiny_bundle_directory), "--tokens", str(tokens.path)])
    async with running(edge), httpx.AsyncClient(timeout=10, base_url=edge.url) as client:
        document: dict[str, Any] = (await client.get("/openapi.json")).json()
        scheme = document["components"]["securitySchemes"]["token"]
        assert (scheme["type"], scheme["scheme"]) == ("http", "bearer")
        assert document["components"]["securitySchemes"]["password"]["scheme"] == "basic"
        asking = set()
        for path, methods in document["paths"].items():
            for method, operation in methods.items():
                declared = operation.get("security") == [{"token": []}, {"password": []}]
                assert ({"401", "403"} <= operation["responses"].keys()) == declared, f"{method} {path}"
                answer = await client.request(method, path.replace("{camera_id}", "hall"), content=b"x")
                assert (answer.status_code == 401) == declared, f"{method} {path}: {answer.status_code}"
                if declared:
                    asking.add(path)
        assert asking == {"/metrics", "/v1/cameras"} | {
            f"/v1/cameras/{{camera_id}}{rest}" for rest in ("", "/frames", "/pause", "/resume", "/preview")
        }


async def described(edge: ServiceProcess) -> dict[str, object]:
    async with httpx.AsyncClient(timeout=10) as client:
        found: dict[str, object] = (await client.get(f"{edge.url}/openapi.json")).json()
    return found


def edge_paths(document: dict[str, object]) -> list[str]:
    paths = document["paths"]
    assert isinstance(paths, dict)
    return list(paths)
