"""W3C trace context on its way from a camera's request to the result: read, packed into 26 bytes, written again.

    "00-<trace id>-<parent id>-01" --packed--> version, trace id, parent id, flags (1 + 16 + 8 + 1 bytes) --traceparent-->

Law: traceparent(packed(text)) == text for every valid text. Whatever is not valid counts as absent (W3C, 3.2.2.3).
"""

from __future__ import annotations

from opentelemetry.trace import SpanContext, format_span_id, format_trace_id, get_current_span
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from shared.contract.packets import TRACE_CONTEXT_BYTES, TRACE_HEADER

_VERSION = b"\0"
_LONGEST_HEADER = 512


def packed(header: str | None) -> bytes:
    """Return a traceparent header's 26 bytes, or none where it is not valid."""
    # OpenTelemetry refuses a longer one too, but with a log line for each that anybody outside sends.
    if not header or len(header) > _LONGEST_HEADER:
        return b""
    context = get_current_span(TraceContextTextMapPropagator().extract({TRACE_HEADER: header})).get_span_context()
    if not context.is_valid:
        return b""
    flags = int(context.trace_flags).to_bytes(1, "big")
    return _VERSION + context.trace_id.to_bytes(16, "big") + context.span_id.to_bytes(8, "big") + flags


def traceparent(context: bytes) -> str:
    """Return the header again, or an empty one where there are no bytes."""
    if len(context) != TRACE_CONTEXT_BYTES:
        return ""
    trace, span = int.from_bytes(context[1:17], "big"), int.from_bytes(context[17:25], "big")
    if not SpanContext(trace, span, is_remote=True).is_valid:
        return ""
    return f"00-{format_trace_id(trace)}-{format_span_id(span)}-{context[25]:02x}"
