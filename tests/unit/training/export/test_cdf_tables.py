from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from scipy.stats import norm

from shared.codec.cdf_tables import CdfTables
from training.export.cdf_tables import gaussian_cdf_tables, save_cdf_tables
from training.networks.codec_spec import gaussian_scales


def test_the_standard_tables_are_accepted_by_the_codec(tmp_path: Path) -> None:
    made = save_cdf_tables(tmp_path / "cdf_tables.npz")
    read = CdfTables.load(tmp_path / "cdf_tables.npz")
    assert read.scales == 64
    assert np.array_equal(read.radius, made.radius)
    assert read.radius.max() == 96
    assert (tmp_path / "cdf_tables.npz").stat().st_size < 200_000


def test_scales_are_log_spaced() -> None:
    scales = gaussian_scales()
    assert (scales[0], scales[-1]) == pytest.approx((0.11, 32.0))
    assert np.ptp(np.diff(np.log(scales))) < 1e-12


@pytest.mark.parametrize("s", [1, 5, 20, 40, 63])
@pytest.mark.parametrize("f", [0, 3, 8, 15])
def test_frequencies_are_the_gaussians(s: int, f: int) -> None:
    scales = gaussian_scales()
    made = gaussian_cdf_tables(scales)
    radius, begin = int(made.radius[s]), int(made.offset[s, f])
    table = made.cdf[begin : begin + 2 * radius + 3].astype(float)
    edges = np.arange(-radius, radius + 2) - 0.5
    density = np.diff(norm.cdf(edges, loc=(f - 8) / 16, scale=scales[s]))
    frequencies = np.diff(table)[:-1]
    assert np.abs(frequencies - 65536 * density).max() < 0.004 * 65536
    possible = density > 0
    density, frequencies = density[possible], frequencies[possible]
    cost_bits_per_symbol = float((density * np.log2(density / (frequencies / 65536))).sum())
    assert cost_bits_per_symbol < 0.001


def test_the_escape_keeps_at_most_its_share_where_the_radius_allows() -> None:
    made = gaussian_cdf_tables(gaussian_scales())
    for s in range(1, 64):
        for f in range(16):
            end = int(made.offset[s, f]) + 2 * int(made.radius[s]) + 2
            escape = int(made.cdf[end]) - int(made.cdf[end - 1])
            assert escape >= 1
            if made.radius[s] < 96:
                assert escape <= 1 + 65536 / 2**14 + 1


def test_tables_mirror_each_other() -> None:
    """The density at mean -m is that at m reversed, so fraction 8 - k reads backwards as 8 + k."""
    made = gaussian_cdf_tables(gaussian_scales())
    for s in (1, 30, 63):
        length = 2 * int(made.radius[s]) + 3
        low, high = (
            np.diff(made.cdf[made.offset[s, f] : made.offset[s, f] + length].astype(int))[:-1] for f in (8 - 5, 8 + 5)
        )
        assert np.abs(low - high[::-1]).max() <= 1


def test_impossible_scales_are_refused() -> None:
    for scales in (np.array([1.0]), np.array([1.0, 0.0]), np.ones((2, 2))):
        with pytest.raises(ValueError, match="scales must be"):
            gaussian_cdf_tables(scales)
