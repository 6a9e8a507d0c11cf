"""The HTTP service for cameras: `POST /v1/cameras/{id}/frames` takes a picture file as its body.

    200 coded, not wanted (a receipt)      429 superseded, over budget (a receipt), busy (a problem)      4xx, 5xx problems

It also serves the API for cameras (`edge_encoder.ingest.http_cameras`), and the page at /docs.
Law: what can be refused without its picture is refused before the picture is read.
"""

from __future__ import annotations

import math
from typing import Annotated

from fastapi import FastAPI, Header, Request
from fastapi.openapi.docs import get_swagger_ui_html
from fastapi.responses import HTMLResponse, JSONResponse, RedirectResponse
from fastapi.staticfiles import StaticFiles
from prometheus_client import CollectorRegistry

from edge_encoder.frames import FrameRef
from edge_encoder.ingest.admission import Admission
from edge_encoder.ingest.bodies import Bodies
from edge_encoder.ingest.http_answers import (
    LATER,
    REFUSALS,
    ReceiptAnswer,
    capture_time_us,
)
from edge_encoder.ingest.http_cameras import add_cameras
from edge_encoder.ingest.management import Management
from shared.contract.receipts import Outcome
from shared.contract.trace_context import packed
from shared.errors import Busy, DeadlinePassed, RateLimited, RequestError, TooLarge
from shared.server.access.callers import Access
from shared.server.access.interceptors import ASKS, PROBLEM_JSON, caller_of_request
from shared.server.access.scopes import Action
from shared.server.access.web_terms import WebTerms
from shared.server.http_server import web_app
from shared.transport.status_codes import problem, status_of

RETRY_AFTER = {"Retry-After": "1"}
OPEN_PATHS = ("/", "/docs", "/docs/", "/openapi.json")
"""Open to every caller, because the API's description is the same everywhere."""
HANG_UP = {"Connection": "close"}
"""Sent where the rest of a body, which nobody will read, may still be on its way."""
PICTURES = ("image/jpeg", "image/png", "image/webp", "image/avif")
_LATER = (Outcome.SUPERSEDED, Outcome.OVER_BUDGET)
_BODY = {"content": {kind: {"schema": {"type": "string", "format": "binary"}} for kind in PICTURES}, "required": True}


def edge_app(
    admission: Admission,
    management: Management,
    registry: CollectorRegistry,
    access: Access | None = None,
    terms: WebTerms | None = None,
) -> FastAPI:
    """Return the edge's HTTP app. access: None admits every caller. terms: for browsers and simple devices."""
    app = web_app(
        "Taxon edge",
        "Camera frames in, feature bitstreams out.",
        lambda: admission.waits_for,
        registry,
        access,
        OPEN_PATHS,
        terms,
    )
    _add_frames(app, admission, Bodies(admission.limits))
    add_cameras(app, management)
    _add_docs(app)

    @app.exception_handler(RateLimited)
    async def rate_limited(_: Request, error: RateLimited) -> JSONResponse:
        # The picture was read: the connection goes on, as a camera's would that posts all the time.
        wait = {"Retry-After": str(max(1, math.ceil(error.wait_seconds)))}
        return JSONResponse(problem(error), status_of(error).http, wait, PROBLEM_JSON)

    @app.exception_handler(Busy)
    async def busy(_: Request, error: Busy) -> JSONResponse:
        return JSONResponse(problem(error), status_of(error).http, RETRY_AFTER | HANG_UP, PROBLEM_JSON)

    @app.exception_handler(TooLarge)
    @app.exception_handler(DeadlinePassed)
    async def hang_up(_: Request, error: RequestError) -> JSONResponse:
        return JSONResponse(problem(error), status_of(error).http, HANG_UP, PROBLEM_JSON)

    return app


def _add_frames(app: FastAPI, admission: Admission, bodies: Bodies) -> None:
    @app.post(
        "/v1/cameras/{camera_id}/frames",
        tags=["cameras"],
        summary="Give a frame",
        description="Answered when the frame's outcome is known. A repeated post of a frame is recognised by its "
        "X-Capture-Time and its picture.",
        response_model=ReceiptAnswer,
        dependencies=ASKS,
        responses=REFUSALS | LATER,
        openapi_extra={"requestBody": _BODY},
    )
    async def post_frame(
        camera_id: str,
        request: Request,
        x_capture_time: Annotated[
            str | None, Header(description="RFC 3339 or seconds since 1970", examples=["2026-03-01T12:00:00.25Z"])
        ] = None,
        traceparent: Annotated[str | None, Header(description="W3C trace context, carried to the result")] = None,
    ) -> JSONResponse:
        caller_of_request(request).require(Action.POST, camera_id)
        # What can be refused without the picture is refused before its body is read.
        camera = admission.check(camera_id)
        with admission.counting_refusals():
            given_us = None if x_capture_time is None else capture_time_us(x_capture_time)
            picture = await bodies.read(request)
        ref = FrameRef.of(camera, picture, given_us, packed(traceparent))
        receipt = await admission.post(ref, picture)
        answer = ReceiptAnswer.of(receipt).model_dump(mode="json")
        return JSONResponse(answer, 429, RETRY_AFTER) if receipt.outcome in _LATER else JSONResponse(answer)


def _add_docs(app: FastAPI) -> None:
    """Add the page at /docs. Law: it asks no other machine for anything, since a camera's network often has no way out."""
    # The package would add the page by itself, with addresses made from the Host header, which a proxy may have changed.
    app.mount("/docs/assets", StaticFiles(packages=[("fastapi_swagger", "resources")]), "docs-assets")

    @app.get("/", include_in_schema=False)
    async def front() -> RedirectResponse:
        return RedirectResponse("/docs")

    @app.get("/docs", include_in_schema=False)
    async def docs() -> HTMLResponse:
        return get_swagger_ui_html(
            openapi_url="/openapi.json",
            title=app.title,
            swagger_js_url="/docs/assets/swagger-ui-bundle.js",
            swagger_css_url="/docs/assets/swagger-ui.css",
            swagger_favicon_url="/docs/assets/favicon-32x32.png",
        )
