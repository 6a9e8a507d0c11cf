"""One line on stderr that says how far a long command is: rewritten in place on a terminal, now and then elsewhere."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterable, Iterator
from typing import TextIO

TERMINAL_SECONDS, LOG_SECONDS = 0.2, 15.0


def progress(items: Iterable[int], total: int, what: str, stream: TextIO | None = None) -> Iterator[int]:
    """Pass the items on, reporting how many of the total have been done."""
    out = sys.stderr if stream is None else stream
    terminal = out.isatty()
    begun = reported = time.monotonic()
    for done, item in enumerate(items, start=1):
        yield item
        now = time.monotonic()
        if done < total and now - reported < (TERMINAL_SECONDS if terminal else LOG_SECONDS):
            continue
        reported = now
        speed = done / max(now - begun, 1e-9)
        left = round((total - done) / speed)
        line = f"{what} {done}/{total}, {speed:.1f} frames/s, {left // 60}:{left % 60:02d} left"
        print(f"\r{line}\x1b[K" if terminal else line, end="" if terminal else "\n", file=out, flush=True)
    if terminal:
        print(file=out)
