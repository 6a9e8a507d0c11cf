"""Logs are one line an event, also those of libraries."""

from __future__ import annotations

import io
import json
import logging
from collections.abc import Iterator

import pytest
import structlog

from shared.telemetry.logs import Throttle, configure_logs, logger


@pytest.fixture
def stream() -> Iterator[io.StringIO]:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield io.StringIO()
    root.handlers[:] = handlers
    root.setLevel(level)
    structlog.reset_defaults()


def test_an_event_is_one_line_of_json(stream: io.StringIO) -> None:
    configure_logs("edge", stream=stream)
    logger("edge.uplink").info("connected", camera="hall", sequence=7)
    logging.getLogger("uvicorn").warning("foreign %d", 3)
    logger("edge.uplink").debug("not told")
    ours, foreign = (json.loads(line) for line in stream.getvalue().splitlines())
    assert {
        "event": "connected",
        "camera": "hall",
        "sequence": 7,
        "level": "info",
        "service": "edge",
    }.items() <= ours.items()
    assert (ours["logger"], foreign["event"], foreign["logger"]) == ("edge.uplink", "foreign 3", "uvicorn")


def test_what_libraries_tell_of_themselves_is_left_out(stream: io.StringIO) -> None:
    configure_logs("edge", "debug", stream=stream)
    logging.getLogger("uvicorn.error").info("Started server process")
    logging.getLogger("uvicorn.error").warning("Invalid HTTP request received.")
    logging.getLogger("grpc._cython.cygrpc").debug("Loaded running loop")
    assert stream.getvalue() == ""
    logging.getLogger("uvicorn.error").error("Exception in ASGI application")
    assert "Exception in ASGI application" in stream.getvalue()


def test_an_exception_stays_on_its_line(stream: io.StringIO) -> None:
    configure_logs("edge", form="json", stream=stream)
    try:
        raise ValueError("two\nlines")
    except ValueError:
        logger("edge").exception("failed")
    (line,) = stream.getvalue().splitlines()
    assert "ValueError" in json.loads(line)["exception"]


def test_text_is_for_terminals(stream: io.StringIO) -> None:
    configure_logs("edge", form="text", stream=stream)
    logger("edge").info("connected", camera="hall")
    assert "camera=hall" in stream.getvalue()


def test_a_throttle_lets_one_line_a_minute_through_and_counts_what_it_stood_for() -> None:
    now = [0.0]
    throttle = Throttle(60, lambda: now[0])
    assert [throttle.due(), throttle.due(), throttle.due()] == [True, False, False]
    assert throttle.times == 1
    now[0] = 60
    assert throttle.due()
    assert throttle.times == 3
