"""The document that the page at /docs reads: OpenAPI 3.0, since the installed Swagger UI knows nothing newer."""

from __future__ import annotations

from typing import Any

import pytest

from edge_encoder.ingest.http_docs import as_openapi_30

TEXT = {"type": "string"}
NULL = {"type": "null"}
NAMED = {"$ref": "#/components/schemas/Receipt"}


@pytest.mark.parametrize(
    ("newer", "older"),
    [
        ({"anyOf": [TEXT, NULL], "title": "When"}, {"type": "string", "nullable": True, "title": "When"}),
        ({"anyOf": [TEXT, NAMED, NULL]}, {"anyOf": [TEXT, NAMED], "nullable": True}),
        ({"anyOf": [TEXT, NAMED]}, {"anyOf": [TEXT, NAMED]}),
        ({"examples": ["a", "b"], **TEXT}, {"example": "a", **TEXT}),
        (
            {"properties": {"examples": TEXT, "anyOf": {"anyOf": [TEXT, NULL]}}},
            {"properties": {"examples": TEXT, "anyOf": {"type": "string", "nullable": True}}},
        ),
        (
            {"parameters": [{"schema": {"anyOf": [NULL, TEXT]}}]},
            {"parameters": [{"schema": {**TEXT, "nullable": True}}]},
        ),
    ],
)
def test_a_schema_says_the_same_in_the_older_words(newer: dict[str, Any], older: dict[str, Any]) -> None:
    assert as_openapi_30(newer) == older
