"""Pages and docstrings can be read: lines that fit a screen, sentences that fit a breath (CONTRIBUTING.md, "Prose").

Law: no line of a page is wider than 250 characters outside of tables and code. A page that people write has prose lines of at most
120 characters, one sentence a line. No sentence of a page or of a product's docstring has more than 40 words.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.prose import docstring_sentences, page_paragraphs, prose_lines, sentences, words
from tests.support.source_tree import NOT_OURS, ROOT, docstrings, product_files

WIDEST = 250
WIDTH = 120
LONGEST = 40
PAGES = [
    page
    for page in sorted(ROOT.rglob("*.md"))
    if not any(part in NOT_OURS or part.startswith(".") for part in page.relative_to(ROOT).parts)
]
NOT_FREE = {
    "models/indoor/2/MODEL_CARD.md": "its digest is in the bundle's, which every bitstream carries: another word would be another bundle",
}
"""Pages that cannot be changed by hand, with the reason."""


def name_of(page: Path) -> str:
    return page.relative_to(ROOT).as_posix()


FREE = [page for page in PAGES if name_of(page) not in NOT_FREE]


def is_one_word(line: str) -> bool:
    """Return True for a picture, or for a line that cannot be broken: it has one word or one link."""
    text = line.strip().lstrip("-*> ")
    return (
        text.startswith("![")
        or (text.startswith("[") and text.endswith(")") and text.count("](") == 1)
        or " " not in text
    )


@pytest.mark.parametrize("page", FREE, ids=name_of)
def test_no_line_is_wider_than_any_screen(page: Path) -> None:
    wide = [f"line {number}: {len(line)}" for number, line in prose_lines(page.read_text()) if len(line) > WIDEST]
    assert not wide


@pytest.mark.parametrize("page", FREE, ids=name_of)
def test_lines_of_prose_fit_the_width(page: Path) -> None:
    wide = [
        f"line {number}: {len(line)}"
        for number, line in prose_lines(page.read_text())
        if len(line) > WIDTH and not is_one_word(line)
    ]
    assert not wide


@pytest.mark.parametrize("page", FREE, ids=name_of)
def test_a_sentence_begins_a_line(page: Path) -> None:
    crowded = [
        f"line {paragraph.line + index}: {line.strip()}"
        for paragraph in page_paragraphs(page.read_text())
        for index, line in enumerate(paragraph.lines)
        if len(sentences(line)) > 1
    ]
    assert not crowded


@pytest.mark.parametrize("page", FREE, ids=name_of)
def test_sentences_of_a_page_are_short(page: Path) -> None:
    text = page.read_text()
    cells = [cell for line in text.splitlines() if line.startswith("|") for cell in line.strip("|").split(" | ")]
    long = [
        f"{words(sentence)} words: {sentence}"
        for block in [*(paragraph.text for paragraph in page_paragraphs(text)), *cells]
        for sentence in sentences(block)
        if words(sentence) > LONGEST
    ]
    assert not long


def test_sentences_of_docstrings_are_short() -> None:
    long = [
        f"{file.relative_to(ROOT)}:{line}: {words(sentence)} words: {sentence}"
        for file in product_files()
        for line, docstring in docstrings(file)
        for sentence in docstring_sentences(docstring)
        if words(sentence) > LONGEST
    ]
    assert not long


@pytest.mark.parametrize("page", NOT_FREE)
def test_a_page_that_cannot_be_changed_is_there(page: str) -> None:
    assert (ROOT / page).is_file()


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("One. Two! Three?", 3),
        ("Codes `a. B` and [c. D](e.f.md).", 1),
        ("As eq. 7 has it (Ballé et al.) here, n . d.", 1),
        ("**Bold.** And so on (too large, ...) is one.", 2),
        ("Starts small. mIoU is a word.", 2),
        ("Version 1.2.3 of 0.5 bits", 1),
    ],
)
def test_sentences_are_told_apart(text: str, expected: int) -> None:
    assert len(sentences(text)) == expected


def test_words_are_counted_without_marks_and_code() -> None:
    assert words("The `long name with parts` = [two words](a/very/long/path.md).") == 4


def test_code_tables_and_drawings_are_no_prose() -> None:
    page = "# Title\n\nText\nmore.\n\n    code --> here\n\n- item one\n  goes on\n\n| a | b |\n\n```\nx\n```\nEnd.\n"
    assert [(one.line, one.text) for one in page_paragraphs(page)] == [
        (3, "Text more."),
        (8, "item one goes on"),
        (16, "End."),
    ]
    assert [number for number, line in prose_lines(page) if line.strip()] == [1, 3, 4, 8, 9, 16]
    assert list(docstring_sentences("Return it.\n\n    a --> b\n\nLaw: a. B c.")) == ["Return it.", "Law: a.", "B c."]
