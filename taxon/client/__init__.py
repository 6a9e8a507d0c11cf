"""The asyncio clients: cameras post frames to an edge, and subscribers take results from a cloud.

    from taxon import CameraClient, Credentials, Subscriber, Wish

    async with CameraClient("127.0.0.1:50051", "kitchen") as camera:
        print(await camera.post(Path("kitchen.jpg").read_bytes()))

    async with Subscriber("127.0.0.1:50061", Wish(tasks=("class_scene", "normal"))) as results:
        async for result in results:
            print(result.camera_id, result.sequence, result.coded_bytes, result.tasks)

    CameraClient(..., credentials=Credentials(ca=Path("ca.crt"), token=Path("kitchen.token")))   # TLS and a token

Refused is raised when a service does not give what was asked for. Unreachable is raised when no service answered for
`Timeouts.give_up` seconds, and SettingsRefused for credentials that cannot be used.
Law: a client needs gRPC, protobuf, numpy and the messages alone.
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
