"""The HTTP API for cameras on a real edge: what each call changes, what is refused, and that no password comes back."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import httpx
import pytest
from structlog.testing import capture_logs

from edge_encoder.assembly import build
from shared.errors import FolderError
from shared.telemetry.redaction import redact_event
from tests.support.edge import edge_settings, running_edge
from tests.support.pictures import picture
from tests.support.security import TokenFolder, header

pytestmark = pytest.mark.starts_server

HALL = "/v1/cameras/hall"
SOURCE = "rtsp://admin:pa55@127.0.0.1:1/stream"
HIDDEN = "rtsp://admin:***@127.0.0.1:1/stream"


def titled(answer: httpx.Response) -> tuple[int, str]:
    return answer.status_code, answer.json()["title"]


async def listed(client: httpx.AsyncClient) -> dict[str, dict[str, Any]]:
    return {one["camera_id"]: one for one in (await client.get("/v1/cameras")).json()["cameras"]}


@pytest.mark.asyncio
async def test_a_camera_is_added_changed_paused_resumed_and_removed(
    tmp_path: Path, tiny_bundle_directory: Path
) -> None:
    folder = tmp_path / "pictures"
    folder.mkdir()
    folder.joinpath("a.png").write_bytes(picture())
    async with running_edge(tmp_path / "data", tiny_bundle_directory) as (service, client):
        added = await client.put(HALL, json={"source": str(folder), "fps": 20})
        assert (added.status_code, added.json()["origin"], added.json()["paused"]) == (201, "api", False)
        assert added.json()["settings"] | {"source": "", "fps": 0} == {
            "source": "", "fps": 0, "paused": False, "most_fps": None, "queue_policy": None, "budget_kbps": None,
            "rate": None, "view": None,
        }  # fmt: skip
        async with asyncio.timeout(20):
            while (await listed(client))["hall"]["coded"] < 3:
                await asyncio.sleep(0.05)
        again = await client.put(HALL, json={"source": str(folder), "fps": 20})
        assert (again.status_code, again.headers["etag"]) == (200, added.headers["etag"])
        changed = await client.patch(HALL, json={"rate": 0, "most_fps": 5, "view": {"crop": [0, 0, 1, 0.5]}})
        assert changed.json()["settings"]["view"] == {"crop": [0.0, 0.0, 1.0, 0.5], "masks": []}
        assert changed.headers["etag"] != added.headers["etag"]
        got = await client.get(HALL)
        assert (got.headers["etag"], got.json()["settings"]) == (changed.headers["etag"], changed.json()["settings"])
        reset = await client.patch(HALL, json={"most_fps": None, "rate": None})
        assert (reset.json()["settings"]["most_fps"], reset.json()["settings"]["fps"]) == (None, 20.0)
        paused = await client.post(f"{HALL}/pause")
        assert (paused.status_code, paused.json()["paused"]) == (200, True)
        refused = await client.post(f"{HALL}/frames", content=picture())
        assert titled(refused) == (409, "CAMERA_PAUSED")
        # A tool that sets all of it again does not wake it.
        assert (await client.put(HALL, json={"source": str(folder)})).json()["paused"] is True
        await asyncio.sleep(0.3)
        before = (await listed(client))["hall"]["coded"]
        await asyncio.sleep(0.3)
        assert (await listed(client))["hall"]["coded"] == before
        assert 'taxon_edge_camera_paused{camera="hall"} 1.0' in (await client.get("/metrics")).text
        assert (await client.post(f"{HALL}/resume")).json()["paused"] is False
        async with asyncio.timeout(20):
            while (await listed(client))["hall"]["coded"] <= before:
                await asyncio.sleep(0.05)
        frames = service.parts.spool.frames
        removed = await client.delete(HALL)
        assert (removed.status_code, removed.content) == (204, b"")
        assert "hall" not in await listed(client)
        assert titled(await client.get(HALL)) == (404, "UNKNOWN_CAMERA")
        assert titled(await client.delete(HALL)) == (404, "UNKNOWN_CAMERA")
        assert service.parts.spool.frames >= frames, "what was accepted waits for its cloud"


@pytest.mark.asyncio
async def test_a_password_is_taken_and_never_shown(tmp_path: Path, tiny_bundle_directory: Path) -> None:
    with capture_logs() as logs:
        async with running_edge(tmp_path / "data", tiny_bundle_directory) as (service, client):
            answers = [await client.put(HALL, json={"source": SOURCE})]
            shown = answers[0].json()["settings"]
            assert shown["source"] == HIDDEN
            # What was read can be sent back, changed elsewhere.
            answers.append(await client.put(HALL, json={**shown, "most_fps": 3}))
            plan = service.parts.book.plan("hall")
            assert plan is not None
            assert (plan.source, plan.most_fps) == (SOURCE, 3.0)
            answers += [
                await client.put("/v1/cameras/door", json={"source": HIDDEN}),
                await client.patch(HALL, json={"source": HIDDEN.replace("stream", "other")}),
                await client.put(HALL, json={"source": SOURCE + "\n", "fps": SOURCE}),
                await client.put(HALL, json={"source": [SOURCE], SOURCE: 1}),
                await client.put(HALL, content=f'{{"source": "{SOURCE}"'),
                await client.get("/v1/cameras"),
                await client.get(HALL),
                await client.get("/metrics"),
            ]
            assert [one.status_code for one in answers[2:7]] == [400] * 5
    assert not [one.text for one in answers if "pa55" in one.text]
    # What stands behind the processor that takes secrets out, as in the service.
    assert not [line for line in logs if "pa55" in repr(redact_event(None, "info", dict(line)))]
    changes = [(line["event"], line["camera"], line["token_name"], line["set"]) for line in logs if "set" in line]
    assert changes == [
        ("camera added", "hall", "anybody", {"source": HIDDEN}),
        ("camera changed", "hall", "anybody", {"most_fps": 3.0}),
    ]


@pytest.mark.asyncio
async def test_what_stands_elsewhere_is_changed_there(tmp_path: Path, tiny_bundle_directory: Path) -> None:
    settings: dict[str, Any] = {
        "source": ["line=nowhere"],
        "cameras": ["line", "admitted"],
        "budgets_kbps": {"costly": 4},
    }
    async with running_edge(tmp_path / "data", tiny_bundle_directory, **settings) as (_, client):
        assert {name: one["origin"] for name, one in (await listed(client)).items()} == dict.fromkeys(
            ["admitted", "costly", "line"], "command_line"
        )
        for name in ("line", "costly"):
            for method, body in (("PUT", {}), ("PATCH", {"rate": 1}), ("DELETE", None)):
                refused = await client.request(method, f"/v1/cameras/{name}", json=body)
                assert titled(refused) == (409, "OWNED_ELSEWHERE")
            assert (await client.post(f"/v1/cameras/{name}/pause")).json()["paused"] is True
            assert (await client.post(f"/v1/cameras/{name}/resume")).json()["paused"] is False
        # A camera that the command line only admits can be set, and is admitted all the same when that is taken back.
        assert (await client.patch("/v1/cameras/admitted", json={"rate": 1})).json()["origin"] == "api"
        assert (await client.delete("/v1/cameras/admitted")).status_code == 204
        assert (await client.get("/v1/cameras/admitted")).json()["origin"] == "command_line"
        assert titled(await client.delete("/v1/cameras/admitted")) == (409, "OWNED_ELSEWHERE")
        # Whoever adds a camera wants it taken.
        assert (await client.post("/v1/cameras/new/frames", content=picture())).status_code == 404
        assert (await client.put("/v1/cameras/new", json={})).status_code == 201
        assert (await client.post("/v1/cameras/new/frames", content=picture())).status_code == 200


@pytest.mark.asyncio
async def test_a_change_of_what_somebody_else_has_changed_is_refused(
    tmp_path: Path, tiny_bundle_directory: Path
) -> None:
    async with running_edge(tmp_path / "data", tiny_bundle_directory) as (_, client):
        tag = (await client.put(HALL, json={"rate": 0}, headers={"If-None-Match": "*"})).headers["etag"]
        stale = {"If-Match": tag}
        assert titled(await client.put(HALL, json={}, headers={"If-None-Match": "*"})) == (412, "CHANGED_MEANWHILE")
        assert (await client.patch(HALL, json={"rate": 1}, headers=stale)).status_code == 200
        for method, body in (("PUT", {}), ("PATCH", {"rate": 0}), ("DELETE", None)):
            refused = await client.request(method, HALL, json=body, headers=stale)
            assert titled(refused) == (412, "CHANGED_MEANWHILE")
        assert titled(await client.put("/v1/cameras/other", json={}, headers={"If-Match": "*"}))[0] == 412
        fresh = (await client.get(HALL)).headers["etag"]
        assert (await client.delete(HALL, headers={"If-Match": f'"x", {fresh}'})).status_code == 204


@pytest.mark.asyncio
async def test_impossible_calls_are_refused_with_their_reason(tmp_path: Path, tiny_bundle_directory: Path) -> None:
    async with running_edge(tmp_path / "data", tiny_bundle_directory, most_cameras=1) as (service, client):
        for body, said in (
            (b"", "the body is no JSON"),
            (b"[]", "must be a JSON object"),
            (b'{"fps": NaN}', "the body is no JSON"),
            (b'{"fps": 1, "fps": 2}', "the body is no JSON"),
            (b"[" * 100_000, "the body is no JSON"),
            (b'{"fps": -1, "sorce": 1}', "fps: input should be greater than 0; sorce: is no setting of a camera"),
            (b'{"view": {"masks": [[[0, 0]]]}}', "mask 1 has 1 points"),
        ):
            refused = await client.put(HALL, content=body)
            assert titled(refused) == (400, "BAD_REQUEST")
            assert said in refused.json()["detail"]
        assert titled(await client.put(HALL, json={"rate": 9})) == (400, "UNKNOWN_NAME")
        assert titled(await client.put(HALL, content=b" " * 300_000)) == (413, "TOO_LARGE")
        assert titled(await client.put("/v1/cameras/a%20b", json={})) == (400, "BAD_NAME")
        for call in (client.patch(HALL, json={}), client.post(f"{HALL}/pause"), client.post(f"{HALL}/resume")):
            assert titled(await call) == (404, "UNKNOWN_CAMERA")
        assert (await client.put(HALL, json={})).status_code == 201
        assert titled(await client.put("/v1/cameras/door", json={})) == (429, "BUSY")
        foreign = {"Sec-Fetch-Site": "cross-site", "Origin": "http://elsewhere.example"}
        assert titled(await client.post(f"{HALL}/pause", headers=foreign)) == (403, "PERMISSION_DENIED")
        assert service.parts.book.plan("hall") is not None


@pytest.mark.asyncio
async def test_what_was_set_is_there_after_a_restart_and_a_rate_holds(
    tmp_path: Path, tiny_bundle_directory: Path
) -> None:
    data = tmp_path / "data"
    async with running_edge(data, tiny_bundle_directory) as (_, client):
        await client.put(HALL, json={"most_fps": 0.01, "budget_kbps": 100})
        await client.post("/v1/cameras/seen/frames", content=picture())
        await client.post("/v1/cameras/seen/pause")
        shown = await listed(client)
    assert json.loads((data / "cameras.json").read_text())["cameras"]["seen"] == {"paused": True}
    async with running_edge(data, tiny_bundle_directory) as (_, client):
        again = await listed(client)
        for name in ("hall", "seen"):
            assert again[name]["settings"] == shown[name]["settings"]
        assert titled(await client.post("/v1/cameras/seen/frames", content=picture())) == (409, "CAMERA_PAUSED")
        assert (await client.post(f"{HALL}/frames", content=picture())).status_code == 200
        limited = await client.post(f"{HALL}/frames", content=picture())
        assert titled(limited) == (429, "RATE_LIMITED")
        assert 60 < int(limited.headers["retry-after"]) <= 100
        metrics = (await client.get("/metrics")).text
        assert 'taxon_edge_refused_frames_total{camera="hall",reason="RATE_LIMITED"} 1.0' in metrics
        assert 'taxon_edge_budget_bytes_per_second{camera="hall"} 12500.0' in metrics
        await client.patch(HALL, json={"most_fps": None, "budget_kbps": None})
        assert (await client.post(f"{HALL}/frames", content=picture())).status_code == 200
        assert 'budget_bytes_per_second{camera="hall"}' not in (await client.get("/metrics")).text


def test_a_damaged_book_stops_the_start(tmp_path: Path, tiny_bundle_directory: Path) -> None:
    # Without it, a camera could send what it must not.
    tmp_path.joinpath("cameras.json").write_text("{")
    with pytest.raises(FolderError, match=r"cameras.json: is damaged"):
        asyncio.run(build(edge_settings(tmp_path), tiny_bundle_directory))


@pytest.mark.asyncio
async def test_only_a_token_that_may_manage_a_camera_changes_or_sees_what_is_set_for_it(
    tmp_path: Path, tiny_bundle_directory: Path
) -> None:
    tokens = TokenFolder(tmp_path / "tokens")
    shown = {name: header(tokens.add(name, scope)) for name, scope in
             {"poster": "post", "metrics": "metrics", "shop7": "manage:shop7-*", "all": "admin"}.items()}  # fmt: skip
    door = "/v1/cameras/shop7-door"
    async with running_edge(tmp_path / "data", tiny_bundle_directory, tokens=tokens.path) as (_, client):
        assert (await client.put(door, json={"source": SOURCE}, headers=shown["shop7"])).status_code == 201
        assert (await client.put(HALL, json={"rate": 1}, headers=shown["all"])).status_code == 201
        calls = [("PUT", ""), ("PATCH", ""), ("DELETE", ""), ("POST", "/pause"), ("POST", "/resume")]
        for name, path in (("poster", door), ("metrics", door), ("shop7", HALL)):
            for method, rest in calls:
                refused = await client.request(method, path + rest, json={}, headers=shown[name])
                assert titled(refused) == (403, "PERMISSION_DENIED"), f"{name}: {method} {path}{rest}"
        assert (await client.put(door, json={})).status_code == 401
        assert (await client.get("/v1/cameras", headers=shown["poster"])).status_code == 403
        for name, seen in (("metrics", {"hall": None, "shop7-door": None}), ("shop7", {"shop7-door": HIDDEN})):
            listed_ = (await client.get("/v1/cameras", headers=shown[name])).json()["cameras"]
            assert {one["camera_id"]: (one["settings"] or {}).get("source") for one in listed_} == seen
