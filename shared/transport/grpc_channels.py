"""Options of gRPC connections, tuned alike on both ends.

A client's channel takes `channel_options`; a server begins with the same `connection_options` (shared/server/grpc_server.py).

Law: a dead connection is noticed. Either side pings an idle one and closes it within KEEPALIVE_SECONDS +
KEEPALIVE_TIMEOUT_SECONDS where no answer comes, so that a cut cable shows. This module loads nothing of a server.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

KEEPALIVE_SECONDS = 20.0
KEEPALIVE_TIMEOUT_SECONDS = 5.0
CONNECT_SECONDS = 5.0
"""The time of one attempt to connect. TCP, TLS and HTTP/2 take up to five round trips, and a lost packet costs a second."""

ChannelOptions = Sequence[tuple[str, Any]]


def connection_options(largest_received_bytes: int, largest_sent_bytes: int) -> list[tuple[str, Any]]:
    """Return the options that a channel and a server have in common: the largest messages, and how often it pings."""
    return [
        ("grpc.max_receive_message_length", largest_received_bytes),
        ("grpc.max_send_message_length", largest_sent_bytes),
        ("grpc.keepalive_time_ms", round(KEEPALIVE_SECONDS * 1000)),
        ("grpc.keepalive_timeout_ms", round(KEEPALIVE_TIMEOUT_SECONDS * 1000)),
        ("grpc.keepalive_permit_without_calls", 1),
        ("grpc.http2.max_pings_without_data", 0),
        # The bandwidth probe is off: its pings would cost as much as the frames.
        ("grpc.http2.bdp_probe", 0),
    ]


def channel_options(largest_message_bytes: int) -> ChannelOptions:
    """Return the options of a client's channel."""
    return [
        *connection_options(largest_message_bytes, largest_message_bytes),
        ("grpc.initial_reconnect_backoff_ms", 200),
        # Despite its name this is the time that one attempt is given: with 200 ms a cloud at 100 ms' distance is never reached.
        ("grpc.min_reconnect_backoff_ms", round(CONNECT_SECONDS * 1000)),
        ("grpc.max_reconnect_backoff_ms", 5000),
        # Each client has a channel of its own: connections are not shared behind its back.
        ("grpc.use_local_subchannel_pool", 1),
    ]
