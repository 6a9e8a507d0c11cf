"""Clients of gRPC's own services, whose methods their type stubs do not name: the classes set them on each instance."""

from __future__ import annotations

from typing import Any

import grpc
from grpc_health.v1 import health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2_grpc


def health_stub(channel: grpc.aio.Channel) -> Any:
    """Check and Watch."""
    return health_pb2_grpc.HealthStub(channel)


def reflection_stub(channel: grpc.aio.Channel) -> Any:
    """ServerReflectionInfo; the type stub knows blocking channels only."""
    stub: Any = reflection_pb2_grpc.ServerReflectionStub
    return stub(channel)
