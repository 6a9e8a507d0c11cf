"""Finding the true picture in a gallery."""

from __future__ import annotations

import numpy as np
import pytest

from experiments.privacy.bitstreams import Seen
from experiments.privacy.fingerprint import COPIES, copied, cut, found_in, ranks_of, saved_again
from tests.support.experiments import patches, sources

RNG = np.random.default_rng(4)


def seen(latent: np.ndarray) -> Seen:
    count = len(latent)
    return Seen(
        np.zeros((count, 1, 2, 2), np.float32), latent, np.zeros((count, 3), np.float32), np.zeros(count, np.int64)
    )


def test_the_rank_is_how_many_are_nearer() -> None:
    gallery = np.array([[0.0], [1.0], [2.0], [5.0]])
    assert ranks_of(np.array([[0.1], [1.9]]), gallery).tolist() == [0, 1]
    assert ranks_of(np.array([[9.0]]), gallery).tolist() == [3]


def test_of_equals_the_first_is_taken() -> None:
    assert ranks_of(np.zeros((2, 1)), np.zeros((3, 1))).tolist() == [0, 1]


def test_near_copies_are_found_and_strangers_are_not() -> None:
    stolen, others = RNG.normal(0, 1, (20, 4, 3, 3)), RNG.normal(0, 1, (50, 4, 3, 3))
    found = found_in(seen(stolen), seen(stolen + RNG.normal(0, 0.1, stolen.shape)), seen(others))
    assert (found.first, found.gallery) == (1.0, 70)
    assert 1 / found.gallery == pytest.approx(1 / 70)
    assert found_in(seen(stolen), seen(RNG.normal(0, 1, stolen.shape)), seen(others)).first < 0.3


def test_copies_differ_from_the_picture_as_they_say() -> None:
    picture = patches(6)
    assert np.array_equal(COPIES["the same pixels"](picture), picture)
    again, moved = saved_again(picture), cut(picture)
    assert again.shape == moved.shape == picture.shape
    change, shift = (np.abs(other.astype(int) - picture).mean() for other in (again, moved))
    assert 0 < change < shift


def test_a_copy_is_of_the_whole_picture() -> None:
    source = sources(1, 1)[0]
    assert np.array_equal(np.asarray(copied(source, "saved again as JPEG")), saved_again(patches(0)))
