"""The asyncio clients: cameras give frames to an edge, subscribers take results from a cloud.

    async with CameraClient("127.0.0.1:50051", "kitchen") as camera:
        print(await camera.post(Path("kitchen.jpg").read_bytes()))

    async with Subscriber("127.0.0.1:50061", Wish(tasks=("class_scene", "normal"))) as results:
        async for result in results:
            print(result.camera_id, result.sequence, result.coded_bytes, result.tasks)

    CameraClient(..., credentials=Credentials(ca=Path("ca.crt"), token=Path("kitchen.token")))   TLS, and a token

Everything that is meant to be imported is listed here. Errors: Refused (asked for what a service does not give) and Unreachable
(nobody answered for as long as `Timeouts.give_up`), and SettingsRefused (credentials that cannot be used), all of `shared.errors`.
"""

from __future__ import annotations

from shared.contract.descriptions import BundleInfo, CameraInfo, TaskInfo
from shared.contract.receipts import Outcome, Receipt
from shared.contract.results import ClassesResult, ClassProbability, Encoding, GroupBytes, PictureResult, TensorResult
from shared.contract.wishes import Wish
from shared.errors import Refused, SettingsRefused, Unreachable
from shared.transport.credentials import Credentials
from taxon.client._connection import Timeouts
from taxon.client.camera import CameraClient
from taxon.client.cloud import CloudClient
from taxon.client.subscriber import Subscriber
from taxon.client.types import CameraFrame, Result, TaskResult

__all__ = [
    "BundleInfo",
    "CameraClient",
    "CameraFrame",
    "CameraInfo",
    "ClassProbability",
    "ClassesResult",
    "CloudClient",
    "Credentials",
    "Encoding",
    "GroupBytes",
    "Outcome",
    "PictureResult",
    "Receipt",
    "Refused",
    "Result",
    "SettingsRefused",
    "Subscriber",
    "TaskInfo",
    "TaskResult",
    "TensorResult",
    "Timeouts",
    "Unreachable",
    "Wish",
]
