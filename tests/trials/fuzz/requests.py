"""Requests for the cloud's results: a subscriber's, and the wall page's messages.

    bytes --SubscribeRequest--> SubscriberWish --Subscriptions--> a subscription --rendered--> outputs as it asked
    text --read_message--> PageMessage

Law: only errors that have a status are raised, and their messages are short enough for a status; nothing of a refused request stays;
an output is no larger than the network's own result.
"""

from __future__ import annotations

import asyncio
import contextlib
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, AsyncExitStack
from pathlib import Path
from random import Random

import numpy as np
from google.protobuf.message import DecodeError

from cloud_analytics.rendering.render import Style, rendered
from cloud_analytics.wall.messages import read_message
from shared.contract.results import PictureResult, TensorResult
from shared.contract.wishes import SubscriberWish, wish_of
from shared.errors import RequestError, TaxonError, UnknownName
from shared.wire import results_pb2
from tests.support.bundles import write_tiny_bundle
from tests.support.cloud import CloudParts, cloud_parts
from tests.trials.fuzz.bundles import MEMORY
from tests.trials.fuzz.mutation import TELLING_NUMBERS
from tests.trials.fuzz.target import LawBroken, Target

_REQUEST, _PAGE = range(2)
_LARGEST_PAGE_MESSAGE_BYTES = 4096
_LONGEST_MESSAGE = 4096
"""A status travels in HTTP/2's trailers, of which gRPC takes 8 KiB."""

_SIDE = 32


class RequestTarget(Target):
    """The first byte says what the others are."""

    name = "requests"

    def __init__(self) -> None:
        self._parts: CloudParts | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        requests = [
            results_pb2.SubscribeRequest(subscription_id="wall", tasks=["class_scene", "normal"]),
            results_pb2.SubscribeRequest(
                subscription_id="a.b-c_1",
                camera_ids=["door"],
                tasks=["segment_semantic", "reshading", "principal_curvature", "class_object"],
                encoding=results_pb2.ENCODING_PNG,
                longest_side_pixels=7,
                top_classes=3,
                cursor="0123456789abcdef:7",
            ),
            results_pb2.SubscribeRequest(subscription_id="held", tasks=["normal"], longest_side_pixels=1),
        ]
        requests[-1].hold.seconds = 60
        pages = (
            b'{"type":"want","new_cameras":["normal"],"cameras":{"door":["class_scene"]}}',
            b'{"type":"ping","at":12.5}',
            b'{"type":"seen","bytes":1}',
        )
        self._seeds = [bytes([_REQUEST]) + one.SerializeToString() for one in requests]
        self._seeds += [bytes([_PAGE]) + text for text in pages]

    def opened(self) -> AbstractContextManager[object]:
        return self._cloud()

    def seeds(self) -> Sequence[bytes]:
        return self._seeds

    def run(self, data: bytes) -> bool:
        try:
            if data[:1] == bytes([_PAGE]):
                read_message(data[1:].decode("utf-8", "surrogatepass"), _LARGEST_PAGE_MESSAGE_BYTES)
                return True
            wish = wish_of(results_pb2.SubscribeRequest.FromString(data[1:]))
            assert self._loop is not None
            return self._loop.run_until_complete(asyncio.wait_for(self._subscribed(wish), self.deadline_seconds))
        except (DecodeError, UnicodeDecodeError):
            return False
        except (RequestError, UnknownName) as error:
            if len(str(error).encode("utf-8", "surrogatepass")) > _LONGEST_MESSAGE:
                raise LawBroken(f"a refusal of {len(str(error))} characters: no status carries it") from error
            return False

    def mutate(self, data: bytes, random: Random) -> bytes:
        if data[:1] != bytes([_REQUEST]) or random.randrange(3) == 0:
            return super().mutate(data, random)
        try:
            request = results_pb2.SubscribeRequest.FromString(data[1:])
        except DecodeError:
            return super().mutate(data, random)
        number = random.choice(TELLING_NUMBERS)
        name = random.choice(("door", "normal", "", "x" * 65, "x" * 3000, "wall"))
        with contextlib.suppress(ValueError):  # too wide for its field
            match random.randrange(9):
                case 0:
                    request.longest_side_pixels = number
                case 1:
                    request.top_classes = number
                case 2:
                    request.hold.seconds = number
                case 3:
                    request.hold.nanos = number
                case 4:
                    request.encoding = number  # type: ignore[assignment]
                case 5:
                    request.tasks.append(name)
                case 6:
                    request.camera_ids.append(name)
                case 7:
                    request.cursor = f"{self._journal()}:{random.choice(('', '-', '²', '0'))}{number}"
                case _:
                    request.subscription_id = name
        return bytes([_REQUEST]) + request.SerializeToString()

    def _journal(self) -> str:
        return self._parts.journal.id if self._parts is not None else "journal"

    async def _subscribed(self, wish: SubscriberWish) -> bool:
        assert self._parts is not None
        subscriptions = self._parts.subscriptions
        try:
            subscription = await subscriptions.subscribe(wish)
        except TaxonError:
            if len(subscriptions):
                raise LawBroken("something of a refused request stays") from None
            raise
        try:
            (served,) = self._parts.catalogue.served.values()
            for name in wish.tasks:
                task = served.tasks[name]
                shape = tuple(side if isinstance(side, int) else _SIDE for side in task.sides)
                output = rendered(task, np.full(shape, 1, task.dtype), Style.of(wish))
                if isinstance(output, TensorResult) and max(output.values.shape[-2:]) > _SIDE:
                    raise LawBroken(f"{name} is enlarged to {output.values.shape}")
                if isinstance(output, PictureResult) and max(output.width, output.height) > _SIDE:
                    raise LawBroken(f"{name} is enlarged to {output.width}x{output.height}")
        finally:
            await subscription.close(hold=False)
        return True

    @contextlib.contextmanager
    def _cloud(self) -> Iterator[None]:
        with contextlib.ExitStack() as stack:
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory(dir=MEMORY if MEMORY.is_dir() else None)))
            write_tiny_bundle(folder / "models" / "tiny" / "1")
            self._loop = loop = asyncio.new_event_loop()
            stack.callback(loop.close)
            parts = AsyncExitStack()
            self._parts = loop.run_until_complete(
                parts.enter_async_context(cloud_parts(folder / "models", folder / "data"))
            )
            stack.callback(lambda: loop.run_until_complete(parts.aclose()))
            yield
