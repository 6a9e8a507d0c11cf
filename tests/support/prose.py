"""Reads prose out of pages and docstrings, as the test of prose judges it.

    page, docstring --> paragraphs, with the line where each begins --> sentences --> words

Law: tables, code, drawings and headings are no prose; code in backticks and a link's target count as one word at most.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

_ABBREVIATION = re.compile(r"(?:\b(?:e\.g|i\.e|eq|vs|cf|al|approx)\.)$")
_END = re.compile(r"(?<=\S)(?:[.!?](?:\*\*|[*)\"'_])*)(?=\s|$)")
_CODE = re.compile(r"`+[^`]*`+")
_TARGET = re.compile(r"\]\([^)]*\)")
_LINK = re.compile(r"\[[^\]]*\]\([^)]*\)")
_ITEM = re.compile(r"\s*(?:[-*]|\d+\.)\s+")
_DRAWING = re.compile(r"--|->|<-|→|\S {3,}\S|^\s*[|+]")


@dataclass(frozen=True)
class Paragraph:
    """Text whose lines belong together. line: where it begins, counted from 1."""

    line: int
    lines: tuple[str, ...]

    @property
    def text(self) -> str:
        """Return the lines as one."""
        return " ".join(one.strip() for one in self.lines)


def sentences(text: str) -> list[str]:
    """Return the sentences of a text; a full stop in code, in a link or after an abbreviation ends none."""
    masked = _CODE.sub(lambda found: "x" * len(found[0]), text)
    masked = _LINK.sub(lambda found: "x" * len(found[0]), masked)
    found, begin = [], 0
    for end in _END.finditer(masked):
        before = masked[: end.end()]
        following = masked[end.end() :].lstrip()
        ending = before.rstrip("*)\"'_")
        if _ABBREVIATION.search(ending) or (ending.endswith("...") and following[:1].islower()):
            continue
        found.append(text[begin : end.end()].strip())
        begin = end.end()
    found.append(text[begin:].strip())
    return [one for one in found if one]


def words(sentence: str) -> int:
    """Return the number of words; code in backticks is one word, and marks alone are none."""
    plain = _TARGET.sub("]", _CODE.sub("code", sentence))
    return sum(any(letter.isalnum() for letter in token) for token in plain.split())


def page_paragraphs(page: str) -> Iterator[Paragraph]:
    """Give the paragraphs and list items of a Markdown page."""
    in_code = False
    gathered: list[str] = []
    begin = 1
    for number, line in enumerate([*page.splitlines(), ""], 1):
        if line.lstrip().startswith("```"):
            in_code = not in_code
        is_end = in_code or not line.strip() or line.startswith(("#", "|", "<!--", "```")) or _ITEM.match(line)
        is_indented_code = line.startswith("    ") and not gathered
        if (is_end or is_indented_code) and gathered:
            yield Paragraph(begin, tuple(gathered))
            gathered = []
        if is_indented_code or (is_end and not (_ITEM.match(line) and not in_code)):
            continue
        if not gathered:
            begin = number
        gathered.append(_ITEM.sub("", line, count=1) if _ITEM.match(line) else line)


def prose_lines(page: str) -> Iterator[tuple[int, str]]:
    """Give each line of a page that is neither code nor part of a table, with its number."""
    in_code = False
    was_blank = True
    was_code = False
    for number, line in enumerate(page.splitlines(), 1):
        if line.lstrip().startswith("```"):
            in_code = not in_code
            continue
        is_code = line.startswith("    ") and (was_blank or was_code)
        if not in_code and not is_code and not line.startswith("|"):
            yield number, line
        was_code = is_code
        was_blank = not line.strip()


def docstring_sentences(docstring: str) -> Iterator[str]:
    """Give the sentences of a docstring; drawings, examples and tables are left out."""
    for lines in _blocks(docstring.splitlines()):
        yield from sentences(" ".join(one.strip() for one in lines))


def _blocks(lines: Iterable[str]) -> Iterator[list[str]]:
    gathered: list[str] = []
    for line in [*lines, ""]:
        is_drawing = bool(_DRAWING.search(_CODE.sub("code", line))) or line.startswith((" " * 8, ">>>"))
        if (not line.strip() or is_drawing or _ITEM.match(line)) and gathered:
            yield gathered
            gathered = []
        if line.strip() and not is_drawing:
            gathered.append(_ITEM.sub("", line, count=1))
