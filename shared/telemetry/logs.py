"""Structured logs: one line an event, for machines in JSON, at a terminal in colours.

    log = logger("edge.uplink");  log.info("connected", cloud=target, credit=64)

Law: an event's name is fixed and its values are fields. Ids of cameras and frames are always `camera` and `sequence`.
Law: no line holds a secret, whoever logs it (shared/telemetry/redaction.py).
"""

from __future__ import annotations

import io
import logging
import sys
import threading
import time
from collections.abc import Callable
from typing import Any, Literal, TextIO

import structlog
from structlog.typing import ExcInfo

from shared.telemetry.redaction import redact_event, redacted_traceback

LogFormat = Literal["auto", "json", "text"]

_TALKATIVE = ("uvicorn.error", "grpc", "asyncio")
"""The libraries that log their own start, stop and every strange byte from outside; our own lines say what matters."""


def configure_logs(service: str, level: str = "info", form: LogFormat = "auto", stream: TextIO | None = None) -> None:
    """Set up the logs, once, when a service starts. Lines go to stderr, those of the standard library's loggers too."""
    out = sys.stderr if stream is None else stream
    as_text = out.isatty() if form == "auto" else form == "text"
    shared: list[Any] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_logger_name,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.StackInfoRenderer(),
        lambda _, __, event: {**event, "service": service},
    ]
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelNamesMapping()[level.upper()]),
        cache_logger_on_first_use=False,
    )
    last: list[Any] = (
        [redact_event, structlog.dev.ConsoleRenderer(colors=out.isatty(), exception_formatter=_plain_traceback)]
        if as_text
        else [structlog.processors.format_exc_info, redact_event, structlog.processors.JSONRenderer()]
    )
    handler = logging.StreamHandler(out)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *last],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level.upper())
    for name in _TALKATIVE:
        logging.getLogger(name).setLevel(logging.ERROR)


def log_what_nobody_caught() -> None:
    """Let errors that end the process or a thread, and Python's warnings, be log lines like all others, once, at the start.

    Python would write them to stderr itself, with whatever secret stands in the error's text.
    """

    def uncaught(error: BaseException | None, where: str) -> None:
        logger("uncaught").critical("an error that nobody caught", where=where, exc_info=error)

    sys.excepthook = lambda _, error, __: uncaught(error, "main")
    threading.excepthook = lambda given: uncaught(
        given.exc_value, "a thread" if given.thread is None else given.thread.name
    )
    sys.unraisablehook = lambda given: uncaught(given.exc_value, repr(given.object))
    logging.captureWarnings(True)


def _plain_traceback(out: TextIO, error: ExcInfo) -> None:
    """Write a traceback without the values of variables, which the package's own would show where `rich` is installed."""
    written = io.StringIO()
    structlog.dev.plain_traceback(written, error)
    out.write(redacted_traceback(written.getvalue()))


def logger(name: str) -> structlog.stdlib.BoundLogger:
    """Return the logger of a module, `service.module`."""
    bound: structlog.stdlib.BoundLogger = structlog.get_logger(name)
    return bound


class Throttle:
    """Lets one log line through in a while, and counts what it stood for.

    seconds: at least so long passes between two lines. clock: seconds, monotonic.
    times: how often `due` was asked for the line that was let through last, that one included.
    """

    def __init__(self, seconds: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._seconds = seconds
        self._clock = clock
        self._last = float("-inf")
        self._asked = 0
        self.times = 0

    def due(self) -> bool:
        """Return True where a line should be written now; `times` then counts this call and all since the last line."""
        self._asked += 1
        now = self._clock()
        if now - self._last < self._seconds:
            return False
        self._last = now
        self.times, self._asked = self._asked, 0
        return True
