"""The HTTP API for cameras: listed, added, changed, paused, resumed and removed while the edge runs.

    GET /v1/cameras, /v1/cameras/{id}      PUT, PATCH, DELETE /v1/cameras/{id}      POST /v1/cameras/{id}/pause, /resume

A change asks for the scope `manage` of its camera. It may name, in If-Match, the ETag of what its sender has read.

Law: nothing of a body that is refused is repeated in the answer, since a source holds a password.
"""

from __future__ import annotations

import json
import time
from typing import Annotated, Any, NoReturn

from fastapi import FastAPI, Header, Request, Response
from fastapi.responses import JSONResponse

from edge_encoder.ingest.http_answers import ACCESS_ONLY, CHANGE_REFUSALS, REFUSALS, CameraAnswer, CamerasAnswer
from edge_encoder.ingest.management import ManagedCamera, Management, Wanted
from shared.errors import BadRequest, TooLarge
from shared.server.access.callers import Caller
from shared.server.access.interceptors import ASKS, caller_of_request
from shared.server.access.scopes import Action

LARGEST_BODY_BYTES = 256 << 10
PATH = "/v1/cameras/{camera_id}"

_REF = {"$ref": "#/components/schemas/CameraSettings"}
_BODY = {"requestBody": {"required": True, "content": {"application/json": {"schema": _REF}}}}
_TAG: dict[str, Any] = {
    "headers": {"ETag": {"description": "Of what is set for the camera", "schema": {"type": "string"}}}
}
_FOUND: dict[int | str, dict[str, Any]] = {200: _TAG, **{status: REFUSALS[status] for status in (400, 401, 403, 404)}}
_CHANGED = _FOUND | CHANGE_REFUSALS

IfMatch = Annotated[
    str | None, Header(description="ETags, of which the camera must have one; * for any camera that is there")
]
IfNoneMatch = Annotated[str | None, Header(description="* : the camera must not be there yet")]


def add_cameras(app: FastAPI, management: Management) -> None:
    """Add the routes."""
    _add_looks(app, management)
    _add_changes(app, management)
    _add_pauses(app, management)


def _add_looks(app: FastAPI, management: Management) -> None:
    @app.get(
        "/v1/cameras",
        tags=["cameras"],
        summary="The cameras, what is set for them, and what became of their frames",
        description="With the scope `metrics`: all cameras; with `manage`: those that it names, with what is set for them.",
        dependencies=ASKS,
        responses=ACCESS_ONLY,
    )
    async def cameras(request: Request) -> CamerasAnswer:
        caller = caller_of_request(request)
        sees_all = caller.has(Action.METRICS) or not caller.has(Action.MANAGE)
        if sees_all:
            caller.require(Action.METRICS)
        found = [one for one in management.all() if sees_all or caller.may(Action.MANAGE, one.counts.camera_id)]
        return CamerasAnswer(cameras=[_answer(one, caller) for one in found])

    @app.get(PATH, tags=["cameras"], summary="One camera", dependencies=ASKS, responses=_FOUND)
    async def camera(camera_id: str, request: Request, response: Response) -> CameraAnswer:
        caller = caller_of_request(request)
        if not caller.has(Action.METRICS):
            caller.require(Action.MANAGE, camera_id)
        return _tagged(management.get(camera_id), caller, response)


def _add_changes(app: FastAPI, management: Management) -> None:
    @app.put(
        PATH,
        tags=["cameras"],
        summary="Add a camera, or set all that is set for it",
        description="Doing it twice is doing it once. What is left out is as the edge's own settings say; a pause stays.",
        response_model=CameraAnswer,
        dependencies=ASKS,
        responses=_CHANGED | {201: {"model": CameraAnswer, "description": "Added", **_TAG}},
        openapi_extra=_BODY,
    )
    async def put_camera(
        camera_id: str, request: Request, if_match: IfMatch = None, if_none_match: IfNoneMatch = None
    ) -> JSONResponse:
        caller = _manager(request, camera_id)
        table = await _table(request)
        found, added = await management.put(caller.name, camera_id, table, _wanted(if_match, if_none_match))
        answer = _answer(found, caller).model_dump(mode="json")
        return JSONResponse(answer, 201 if added else 200, {"ETag": f'"{found.tag}"'})

    @app.patch(
        PATH,
        tags=["cameras"],
        summary="Change what is named, and leave the rest",
        description="null takes a setting back to the edge's own (JSON Merge Patch).",
        dependencies=ASKS,
        responses=_CHANGED,
        openapi_extra=_BODY,
    )
    async def patch_camera(
        camera_id: str, request: Request, response: Response, if_match: IfMatch = None
    ) -> CameraAnswer:
        caller = _manager(request, camera_id)
        table = await _table(request)
        found = await management.patch(caller.name, camera_id, table, _wanted(if_match, None))
        return _tagged(found, caller, response)

    @app.delete(
        PATH,
        tags=["cameras"],
        summary="Remove a camera",
        description="What was accepted of it is delivered. If it goes on posting, it is taken like any other that nobody named.",
        status_code=204,
        dependencies=ASKS,
        responses={status: told for status, told in _CHANGED.items() if status != 200},
    )
    async def remove_camera(camera_id: str, request: Request, if_match: IfMatch = None) -> Response:
        caller = _manager(request, camera_id)
        await management.remove(caller.name, camera_id, _wanted(if_match, None))
        return Response(status_code=204)


def _add_pauses(app: FastAPI, management: Management) -> None:
    @app.post(
        f"{PATH}/pause",
        tags=["cameras"],
        summary="Take no more frames of a camera",
        description="Its source is stopped, and its posts are answered 409 CAMERA_PAUSED. Any camera can be paused.",
        dependencies=ASKS,
        responses=_CHANGED,
    )
    async def pause_camera(camera_id: str, request: Request, response: Response) -> CameraAnswer:
        caller = _manager(request, camera_id)
        return _tagged(await management.pause(caller.name, camera_id, paused=True), caller, response)

    @app.post(
        f"{PATH}/resume",
        tags=["cameras"],
        summary="Take a camera's frames again",
        dependencies=ASKS,
        responses=_CHANGED,
    )
    async def resume_camera(camera_id: str, request: Request, response: Response) -> CameraAnswer:
        caller = _manager(request, camera_id)
        return _tagged(await management.pause(caller.name, camera_id, paused=False), caller, response)


def _manager(request: Request, camera_id: str) -> Caller:
    """Return a caller that may change the camera. Raises NotAllowed."""
    caller = caller_of_request(request)
    caller.require(Action.MANAGE, camera_id)
    if not caller.shows_token and request.headers.get("sec-fetch-site", "none") in ("cross-site", "same-site"):
        # A browser says so of a page that comes from elsewhere. Without tokens, any page could change this machine's edge.
        raise caller.refused("for a page of another site; give the edge --tokens")
    return caller


async def _table(request: Request) -> dict[str, Any]:
    """Return the JSON object of a body. Raises TooLarge, or BadRequest."""
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > LARGEST_BODY_BYTES:
            raise TooLarge("what is set for a camera", None, LARGEST_BODY_BYTES)
    try:
        found = json.loads(body, object_pairs_hook=_object, parse_constant=_no_number)
    except (ValueError, RecursionError) as error:
        raise BadRequest('the body is no JSON: send an object such as {"source": "rtsp://...", "fps": 5}') from error
    if not isinstance(found, dict):
        raise BadRequest('the body must be a JSON object, such as {"source": "rtsp://...", "fps": 5}')
    return found


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    if len(found := dict(pairs)) < len(pairs):
        raise ValueError("a name stands twice")
    return found


def _no_number(_: str) -> NoReturn:
    raise ValueError("no number")


def _wanted(if_match: str | None, if_none_match: str | None) -> Wanted:
    if if_none_match is not None and if_none_match.strip() != "*":
        raise BadRequest("If-None-Match takes * alone: the camera must not be there yet")
    tags = None
    if if_match is not None:
        tags = frozenset(one.strip().removeprefix("W/").strip('"') for one in if_match.split(","))
    return Wanted(tags, if_none_match is not None)


def _answer(found: ManagedCamera, caller: Caller) -> CameraAnswer:
    may_manage = caller.may(Action.MANAGE, found.counts.camera_id)
    counts = CameraAnswer.of(found.counts, time.time_ns() // 1000)
    return counts.with_entry(found.entry, shows_settings=may_manage)


def _tagged(found: ManagedCamera, caller: Caller, response: Response) -> CameraAnswer:
    response.headers["ETag"] = f'"{found.tag}"'
    return _answer(found, caller)
