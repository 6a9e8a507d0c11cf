"""A source that is opened again: its pauses, and what becomes of each kind of end."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import ClassVar

import pytest

from shared.errors import NoVideoPackage, SourceError, SourceRefused
from shared.sources.playing import Reading, Source
from shared.sources.reopening import FIRST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS, Pauses, ReopenedSource
from shared.sources.state import SourceState

FRAME = Reading(b"picture", None, 1)


class Scripted(Source):
    """Does at each reading what its script says next: an int gives so many frames, an error breaks."""

    def __init__(self, *script: int | Exception, is_live: bool = True) -> None:
        super().__init__("rtsp://admin:secret@cam/live")
        self.is_live = is_live
        self._script = iter(script)

    def read(self) -> Iterator[Reading]:
        """Do what is next; at the script's end, stop the playing."""
        step = next(self._script, None)
        if step is None:
            self.stopping.set()
        elif isinstance(step, int):
            for _ in range(step):
                yield FRAME
        else:
            raise step


class NoPauses(Pauses):
    """Pauses that are noted and not kept."""

    noted: ClassVar[list[float]] = []

    def __init__(self) -> None:
        super().__init__(rand=lambda: 1.0)
        self.noted.clear()

    def next(self) -> float:
        self.noted.append(super().next())
        return 0.0


def played(source: Source, is_alone: bool = False) -> tuple[int, ReopenedSource]:
    reopened = ReopenedSource(source.name, lambda: source, is_alone, pauses=NoPauses())
    return len(list(reopened.read())), reopened


def test_the_pauses_double_up_to_a_bound_and_begin_again_after_a_frame() -> None:
    away = [SourceError("cam", "away") for _ in range(8)]
    frames, source = played(Scripted(*away[:7], 1, away[7]))
    assert frames == 1
    doubled = [FIRST_PAUSE_SECONDS * 2**step for step in range(5)]
    expected = [*doubled, LONGEST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS, FIRST_PAUSE_SECONDS, 2 * FIRST_PAUSE_SECONDS]
    assert NoPauses.noted == expected, "the pause after the frame's own connection is the shortest again"
    assert source.status.condition().breaks == 9


def test_sources_do_not_come_back_in_one_moment() -> None:
    pauses = {Pauses().next() for _ in range(50)}
    assert len(pauses) == 50
    assert all(0.5 * FIRST_PAUSE_SECONDS <= one <= FIRST_PAUSE_SECONDS for one in pauses)


def test_the_end_of_a_live_stream_is_a_break_and_that_of_a_recording_is_not() -> None:
    assert played(Scripted(2, 3))[0] == 5
    frames, source = played(Scripted(2, 3, is_live=False))
    assert frames == 2
    assert source.status.condition().breaks == 0


def test_each_break_is_in_the_status_once_and_has_no_password() -> None:
    _, source = played(Scripted(SourceRefused("cam", "the password is wrong (401)")))
    condition = source.status.condition()
    assert (condition.state, condition.breaks) == (SourceState.REFUSED, 1)
    assert "secret" not in source.name


def test_a_fault_of_a_library_is_a_break_like_another() -> None:
    frames, source = played(Scripted(2, RuntimeError("a fault with rtsp://admin:secret@cam")))
    assert frames == 2
    assert "RuntimeError" in source.status.condition().error
    assert "secret" not in source.status.condition().error


def test_what_another_installation_alone_can_mend_is_raised_where_nobody_looks_at_the_status() -> None:
    with pytest.raises(NoVideoPackage):
        played(Scripted(NoVideoPackage("cam"), 2), is_alone=True)
    _, source = played(Scripted(NoVideoPackage("cam")))
    assert source.status.condition().state is SourceState.REFUSED


def test_a_source_that_cannot_be_opened_yet_is_opened_later_and_then_kept() -> None:
    inner = Scripted(1, SourceError("cam", "away"), 1)
    opened: list[Source] = []

    def open_one() -> Source:
        opened.append(inner)
        if len(opened) < 3:
            raise SourceError("cam", "is not there")
        return inner

    reopened = ReopenedSource("cam", open_one, is_alone=False, pauses=NoPauses())
    assert len(list(reopened.read())) == 2
    assert len(opened) == 3, "it is opened until that works, and then read again and again"
    assert inner.status is reopened.status


def test_stopping_ends_a_pause_at_once() -> None:
    reopened = ReopenedSource("cam", lambda: Scripted(*[SourceError("cam", "away")] * 9), is_alone=False)
    thread = threading.Thread(target=lambda: list(reopened.read()))
    thread.start()
    with reopened:
        pass
    thread.join(0.4)
    assert not thread.is_alive(), "the shortest pause is half a second, and it was cut short"
