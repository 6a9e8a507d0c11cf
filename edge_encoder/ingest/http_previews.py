"""The one path of the edge that answers with a picture: `GET /v1/cameras/{id}/preview`.

    scope `manage` of the camera? --> the camera's next frame, masked and cropped --> PNG, and a line in the log

Law: whoever may see a camera's preview may also set its masks. Where nobody needs a token, that is this machine alone.
"""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import FastAPI, Query, Request, Response

from edge_encoder.ingest.admission import Admission
from edge_encoder.ingest.http_answers import REFUSALS
from edge_encoder.ingest.previews import Previews
from shared.errors import PreviewsOff, UnknownCamera
from shared.server.access.interceptors import ASKS, caller_of_request
from shared.server.access.scopes import Action
from shared.telemetry.logs import logger

LONGEST_WAIT_SECONDS = 30.0
_PNG: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "What the edge codes of the camera: the networks' input in its place, and the view's lines",
        "content": {"image/png": {"schema": {"type": "string", "format": "binary"}}},
    }
}
_KEPT_NOWHERE = {"Cache-Control": "no-store", "Cross-Origin-Resource-Policy": "same-origin"}
"""No cache keeps the picture, and no foreign page in a browser of this machine can show it."""

log = logger("edge.previews")


def add_previews(app: FastAPI, previews: Previews, admission: Admission, off: str | None) -> None:
    """Add the path. off: the reason why this edge gives no previews, None where it does."""
    admission.on_frame(previews.offer)

    @app.get(
        "/v1/cameras/{camera_id}/preview",
        tags=["cameras"],
        summary="See what is coded of a camera",
        description="Waits for the camera's next frame, wanted or not. What a mask covers or a crop leaves out is not in the picture.",
        response_class=Response,
        dependencies=ASKS,
        responses=REFUSALS | _PNG,
    )
    async def preview(
        camera_id: str,
        request: Request,
        wait_seconds: Annotated[float, Query(gt=0, le=LONGEST_WAIT_SECONDS, description="for the next frame")] = 10.0,
    ) -> Response:
        caller = caller_of_request(request)
        caller.require(Action.MANAGE, camera_id)
        if off is not None:
            raise PreviewsOff(off)
        if camera_id not in (names := admission.cameras.names):
            raise UnknownCamera(camera_id, caller.permitted(Action.MANAGE, sorted(names)))
        picture = await previews.next_preview(camera_id, wait_seconds)
        # Asked again: the token may have been taken back while the camera gave nothing.
        caller.require(Action.MANAGE, camera_id)
        # A warning, so that no log level leaves out who has seen a picture.
        log.warning("a preview left the edge", camera=camera_id, token_name=caller.name, png_bytes=len(picture))
        return Response(picture, media_type="image/png", headers=_KEPT_NOWHERE)
