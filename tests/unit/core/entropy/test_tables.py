"""The tables are part of the format: pinned, normalised, symmetric, and close to the model's distribution."""

from __future__ import annotations

import hashlib
from itertools import pairwise

import numpy as np
import pytest
import torch

from hpcmbal.core.entropy.generalized_gaussian import GeneralizedGaussian
from hpcmbal.core.entropy.tables import (
    PRECISION,
    SCALE_COUNT,
    frequency_tables,
    scale_grid,
    scale_indices,
    scale_thresholds,
)

TABLES_SHA256 = "52ea1dfbade1833b21ecdbab477ed996264e0b91c52c4ee2aca04d0aa9b80edf"
"""Of all frequencies of all tables as 32-bit little-endian integers. A change makes every file undecodable."""


def test_tables_are_those_of_format_version_1() -> None:
    frequencies = [value for table in frequency_tables() for value in table.frequencies]
    assert hashlib.sha256(np.array(frequencies, dtype="<u4").tobytes()).hexdigest() == TABLES_SHA256


def test_frequencies_are_positive_symmetric_and_complete() -> None:
    for table in frequency_tables():
        symbols = table.frequencies[: table.escape]
        assert len(table.frequencies) == 2 * table.half_width + 2
        assert min(table.frequencies) > 0
        assert sum(table.frequencies) == 1 << PRECISION
        assert symbols == symbols[::-1]


def test_scales_are_spaced_evenly_in_their_logarithm() -> None:
    scales = np.array(scale_grid())
    assert len(scales) == SCALE_COUNT
    assert (scales[0], scales[-1]) == (round(0.12 * 1024), 64 * 1024)
    steps = np.diff(np.log(scales))
    assert steps.max() - steps.min() < 2 / scales[0]


def test_an_index_changes_exactly_at_its_threshold() -> None:
    thresholds = np.array(scale_thresholds(), dtype=np.float64)
    below = np.arange(SCALE_COUNT - 1)
    np.testing.assert_array_equal(scale_indices(thresholds - 1), below)
    np.testing.assert_array_equal(scale_indices(thresholds), below + 1)
    assert [scale_indices(np.array([value]))[0] for value in (-5.0, 0.0, 1e9)] == [0, 0, SCALE_COUNT - 1]


def test_thresholds_are_geometric_means_rounded_up() -> None:
    for threshold, (low, high) in zip(scale_thresholds(), pairwise(scale_grid()), strict=True):
        assert (threshold - 1) ** 2 < low * high <= threshold**2


@pytest.mark.parametrize("index", [0, 7, 30, 63])
def test_a_table_costs_what_the_model_estimates(index: int) -> None:
    table = frequency_tables()[index]
    values = torch.arange(-table.half_width, table.half_width + 1, dtype=torch.float64)
    scale = torch.tensor(scale_grid()[index] / 1024, dtype=torch.float64)
    likelihood = GeneralizedGaussian().double()(values, scale).numpy()
    frequencies = np.array(table.frequencies[: table.escape]) / (1 << PRECISION)
    entropy = -(likelihood * np.log2(likelihood)).sum()
    cost = -(likelihood * np.log2(frequencies)).sum()
    assert cost == pytest.approx(entropy, rel=2e-4)
