"""The page at /docs: Swagger UI from this installation, and the description that it can read.

    /openapi.json (OpenAPI 3.1, as FastAPI writes it) --as_openapi_30--> /docs/openapi.json --> the page

The installed Swagger UI knows OpenAPI up to 3.0, and shows an error instead of a newer document. Law: the page asks no other machine for
anything; both documents say the same.
"""

from __future__ import annotations

from fastapi import FastAPI
from fastapi.openapi.docs import get_swagger_ui_html
from fastapi.responses import HTMLResponse, JSONResponse, RedirectResponse
from fastapi.staticfiles import StaticFiles
from pydantic import JsonValue
from swagger_ui_bundle import swagger_ui_path

OPENAPI_30 = "3.0.3"


def add_docs(app: FastAPI) -> None:
    """/docs and what it needs; the files' own index is not used, since it names another server."""
    app.mount("/docs/assets", StaticFiles(directory=swagger_ui_path), "docs-assets")

    @app.get("/", include_in_schema=False)
    async def front() -> RedirectResponse:
        return RedirectResponse("/docs")

    @app.get("/docs", include_in_schema=False)
    async def docs() -> HTMLResponse:
        return get_swagger_ui_html(
            openapi_url="/docs/openapi.json",
            title=app.title,
            swagger_js_url="/docs/assets/swagger-ui-bundle.js",
            swagger_css_url="/docs/assets/swagger-ui.css",
            swagger_favicon_url="/docs/assets/favicon-32x32.png",
        )

    @app.get("/docs/openapi.json", include_in_schema=False)
    async def described() -> JSONResponse:
        return JSONResponse(as_openapi_30(app.openapi()) | {"openapi": OPENAPI_30})


def as_openapi_30(described: dict[str, JsonValue]) -> dict[str, JsonValue]:
    """An OpenAPI 3.1 document in the words of 3.0: what may be null is `nullable`, and the first of several examples is the `example`."""
    older: dict[str, JsonValue] = {key: _older(value) for key, value in described.items()}
    examples = older.get("examples")
    if isinstance(examples, list):
        del older["examples"]
        older["example"] = examples[0]
    choices = older.get("anyOf")
    if isinstance(choices, list) and {"type": "null"} in choices:
        others = [choice for choice in choices if choice != {"type": "null"}]
        del older["anyOf"]
        only = others[0] if len(others) == 1 else {"anyOf": others}
        if isinstance(only, dict):
            older = {**only, "nullable": True, **older}
    return older


def _older(value: JsonValue) -> JsonValue:
    if isinstance(value, dict):
        return as_openapi_30(value)
    return [_older(item) for item in value] if isinstance(value, list) else value
