"""Markdown tables and the numbers in them."""

from __future__ import annotations

import re
import statistics
import textwrap
from collections.abc import Sequence

from experiments.report.names import BYTES_OF_BPP, Quantity

NONE = "–"
WIDTH = 120
"""Characters of a line of prose."""
BPP, BYTES, RATIO = Quantity("bpp"), Quantity("bytes", "", 1.0, 1), Quantity("ratio", " x", 1.0, 2)

_SENTENCE_END = re.compile(r"(?<=[.!?]) (?=\S)|(?<=[.!?]\*\*) (?=\S)|(?<=[.!?]\)) (?=\S)")


def table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A Markdown table, the first column to the left and the others to the right; raises ValueError for a row of another length."""
    for row in rows:
        if len(row) != len(header):
            raise ValueError(f"a row of {len(row)} cells in a table of {len(header)} columns: {row}")
    lines = [tuple(header), ("---", *("---:" for _ in header[1:])), *rows]
    return "\n".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines)


def spread(values: Sequence[float], shown: Quantity) -> str:
    """Mean ± standard deviation over seeds (n - 1); the value alone of one seed, a dash of none. The unit stands behind."""
    if not values:
        return NONE
    mean = shown.number(statistics.fmean(values))
    if len(values) == 1:
        return mean + shown.unit
    return f"{mean} ± {shown.number(statistics.stdev(values))}{shown.unit}"


def maybe(value: float | None, shown: Quantity, otherwise: str = NONE) -> str:
    """A value that may be missing."""
    return otherwise if value is None else shown.text(value)


def ratio(value: float | None) -> str:
    """A rate ratio; None is of curves that share no range of figures."""
    return maybe(value, RATIO, "no common range")


def rate(bpp: float | None, decimals: int = BPP.decimals) -> list[str]:
    """Bytes a frame and bits per pixel, as two cells; `decimals` of the latter."""
    return [maybe(None if bpp is None else bpp * BYTES_OF_BPP, BYTES), maybe(bpp, BPP.printed(decimals))]


def italic(cells: Sequence[str]) -> list[str]:
    """A row of the paper's figures, set apart from ours; empty cells and dashes stay as they are."""
    return [cell if cell in ("", NONE) else f"*{cell}*" for cell in cells]


def paragraphs(*parts: str) -> str:
    """Return a document: its parts with an empty line between them, prose laid out, and one line break at the end."""
    return "\n\n".join(_laid_out(part.strip("\n")) for part in parts if part.strip()) + "\n"


def _laid_out(part: str) -> str:
    """Return a part with one sentence of prose a line; tables, code, headings and pictures stay as they are."""
    lines: list[str] = []
    for line in part.split("\n"):
        if line.startswith(("|", "#", "    ", "![")):
            lines.append(line)
            continue
        for sentence in _SENTENCE_END.split(line):
            lines += textwrap.wrap(sentence, WIDTH, break_long_words=False, break_on_hyphens=False) or [""]
    return "\n".join(lines)


def prose(text: str) -> str:
    """A paragraph written over several lines of code, as one line."""
    return " ".join(text.split())
