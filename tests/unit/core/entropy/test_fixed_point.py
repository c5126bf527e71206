"""Integer arithmetic agrees with the functions that it stands for, far beyond the precision of tables."""

from __future__ import annotations

from decimal import Decimal, localcontext

import pytest
import torch

from hpcmbal.core.entropy.fixed_point import ONE, exp_negative_table, half_mass


@pytest.mark.parametrize("scale", [123, 1000, 65536])
def test_half_mass_is_the_incomplete_gamma_function(scale: int) -> None:
    ratios = torch.tensor([0.01, 0.1, 0.5, 1.0, 2.0, 5.0], dtype=torch.float64)
    distances = (ratios * scale).round()
    expected = torch.special.gammainc(torch.tensor(2 / 3, dtype=torch.float64), (distances / scale) ** 1.5)
    found = [half_mass(int(distance), scale) / ONE for distance in distances if distance > 0]
    assert found == pytest.approx(expected[distances > 0].tolist(), rel=1e-13)


def test_half_mass_grows_to_one_and_no_further() -> None:
    masses = [half_mass(distance, 1000) for distance in range(500, 12_000, 250)]
    assert masses == sorted(masses)
    assert ONE - masses[-1] > 0
    assert (ONE - masses[-1]) / ONE < 1e-16


def test_exponential_is_correctly_rounded() -> None:
    table = exp_negative_table(step_bits=4, value_bits=20)
    with localcontext() as context:
        context.prec = 60
        expected = [int((2**20 * (-Decimal(i) / 16).exp()).to_integral_value()) for i in range(len(table) + 1)]
    assert [*table, 0] == expected
