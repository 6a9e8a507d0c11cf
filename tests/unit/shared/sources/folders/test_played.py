"""A folder that is played while files come and go."""

from __future__ import annotations

import itertools
from pathlib import Path

import pytest

from shared.errors import SourceError
from shared.sources import open_source
from tests.support.http_camera import jpeg


def write(folder: Path, *numbers: int) -> None:
    for number in numbers:
        (folder / f"frame{number}.jpg").write_bytes(jpeg(number))


def pictures(numbers: list[int]) -> list[bytes]:
    return [jpeg(number) for number in numbers]


def test_a_folder_is_played_in_natural_order(tmp_path: Path) -> None:
    write(tmp_path, 10, 2, 1, 100)
    with open_source(str(tmp_path)) as source:
        assert [reading.picture for reading in source.read()] == pictures([1, 2, 10, 100])


def test_what_comes_while_it_plays_is_played_too_and_nothing_twice(tmp_path: Path) -> None:
    write(tmp_path, 1, 2)
    found = []
    with open_source(str(tmp_path)) as source:
        for reading in source.read():
            found.append(reading.picture)
            if len(found) == 2:
                write(tmp_path, 0, 3)
    assert found == pictures([1, 2, 0, 3])


def test_each_round_of_a_looped_folder_plays_what_is_there(tmp_path: Path) -> None:
    write(tmp_path, 1, 2)
    with open_source(str(tmp_path), fps=20, loop=True) as source:
        readings = source.read()
        assert [next(readings).picture for _ in range(2)] == pictures([1, 2])
        write(tmp_path, 10)
        (tmp_path / "frame1.jpg").unlink()
        later = list(itertools.islice(readings, 4))
    assert [reading.picture for reading in later] == pictures([2, 10, 2, 10])
    assert [reading.due_seconds for reading in later] == pytest.approx([0.1, 0.15, 0.2, 0.25])


def test_a_file_that_vanishes_is_passed_over(tmp_path: Path) -> None:
    write(tmp_path, 1, 2, 3)
    with open_source(str(tmp_path)) as source:
        readings = source.read()
        next(readings)
        (tmp_path / "frame2.jpg").unlink()
        assert [reading.picture for reading in readings] == pictures([3])


def test_a_looped_folder_that_is_emptied_is_an_error(tmp_path: Path) -> None:
    write(tmp_path, 1)
    with open_source(str(tmp_path), loop=True) as source:
        readings = source.read()
        next(readings)
        (tmp_path / "frame1.jpg").unlink()
        with pytest.raises(SourceError, match="no pictures"):
            next(readings)
