"""Everything that programs import from Taxon: clients of the two services, and the codec for those who run none.

    CameraClient --frames--> an edge        a cloud --results--> Subscriber, CloudClient
    picture --Codec--> bytes --Codec--> results

    from taxon import CameraClient, Subscriber, Wish

The packages `shared`, `edge_encoder` and `cloud_analytics`, which are installed with this one, are internal.
Laws: `import taxon` loads nothing; a name brings its module when it is first used. The clients need gRPC and numpy alone.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from shared.errors import BitstreamError, BundleError, ImageError, Refused, SettingsRefused, TaxonError, Unreachable
    from shared.model.bundle import Bundle
    from taxon.client import (
        BundleInfo,
        CameraClient,
        CameraFrame,
        CameraInfo,
        ClassesResult,
        ClassProbability,
        CloudClient,
        Credentials,
        Encoding,
        GroupBytes,
        Outcome,
        PictureResult,
        Receipt,
        Result,
        Subscriber,
        TaskInfo,
        TaskResult,
        TensorResult,
        Timeouts,
        Wish,
    )
    from taxon.codec import Codec, DecodedTasks

__all__ = [
    "BitstreamError",
    "Bundle",
    "BundleError",
    "BundleInfo",
    "CameraClient",
    "CameraFrame",
    "CameraInfo",
    "ClassProbability",
    "ClassesResult",
    "CloudClient",
    "Codec",
    "Credentials",
    "DecodedTasks",
    "Encoding",
    "GroupBytes",
    "ImageError",
    "Outcome",
    "PictureResult",
    "Receipt",
    "Refused",
    "Result",
    "SettingsRefused",
    "Subscriber",
    "TaskInfo",
    "TaskResult",
    "TaxonError",
    "TensorResult",
    "Timeouts",
    "Unreachable",
    "Wish",
]

_ELSEWHERE = {
    "Bundle": "shared.model.bundle",
    "Codec": "taxon.codec",
    "DecodedTasks": "taxon.codec",
    **dict.fromkeys(("BitstreamError", "BundleError", "ImageError", "TaxonError"), "shared.errors"),
    **dict.fromkeys(("Refused", "SettingsRefused", "Unreachable"), "shared.errors"),
}
"""Modules of the names that are not the clients' (`taxon.client`)."""


if not TYPE_CHECKING:
    # Type checkers see the imports above instead; with this function they would believe in any name.

    def __getattr__(name: str) -> Any:
        """Return a public name from its module, which is loaded now (PEP 562)."""
        if name not in __all__:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        try:
            value = getattr(import_module(_ELSEWHERE.get(name, "taxon.client")), name)
        except ModuleNotFoundError as error:
            from taxon.errors import needed_extra

            raise ModuleNotFoundError(f"taxon.{name} {needed_extra('cpu', error.name)}", name=error.name) from error
        globals()[name] = value
        return value


def __dir__() -> list[str]:
    return sorted(__all__)
