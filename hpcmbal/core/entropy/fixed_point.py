"""Real functions evaluated in integer arithmetic, so that every machine gets the same bits.

Values are integers in units of 2^-`FRACTION_BITS`. The error of every function here is below 2^-100, far below the
2^-24 to which tables are rounded: what a table holds is the correctly rounded real number, however it is computed.
"""

from __future__ import annotations

from math import isqrt

FRACTION_BITS = 160
ONE = 1 << FRACTION_BITS

_GAMMA_2_3 = 13541179394264004169452880281545137855193272660567936983940225338827877410413024
"""Gamma(2/3) times 10^79."""
_GAMMA_2_3_SCALE = 10**79


def half_mass(distance: int, scale: int) -> int:
    """Mass of the generalised Gaussian of shape 3/2 within `distance` of its mean, as a fixed-point number in [0, 1].

    The regularised lower incomplete gamma function P(2/3, x) at x = t^(3/2), t = distance / scale, by its power series
    x^(2/3) * sum_n (-x)^n / (n! (n + 2/3)); the factor in front is simply t.

    Args:
        distance, scale: Positive integers in any common unit; `distance / scale` at most 12, where the rest is 1e-18.
    """
    t = distance * ONE // scale
    x = t * isqrt(t << FRACTION_BITS) >> FRACTION_BITS
    power, total, n = ONE, 0, 0
    while power:
        term = 3 * power // (3 * n + 2)
        total += -term if n % 2 else term
        n += 1
        power = (power * x >> FRACTION_BITS) // n
    return t * total * _GAMMA_2_3_SCALE // _GAMMA_2_3 >> FRACTION_BITS


def exp_negative_table(step_bits: int, value_bits: int) -> list[int]:
    """`round(2^value_bits * exp(-i / 2^step_bits))` for i = 0, 1, ... up to the last entry that is not zero."""
    ratio = _exp_negative(ONE >> step_bits)
    shift = FRACTION_BITS - value_bits
    half = 1 << (shift - 1)
    value, table = ONE, []
    while entry := (value + half) >> shift:
        table.append(entry)
        value = value * ratio >> FRACTION_BITS
    return table


def _exp_negative(x: int) -> int:
    """exp(-x) for 0 <= x <= 1, by its Taylor series."""
    term, total, n = ONE, 0, 0
    while term:
        total += -term if n % 2 else term
        n += 1
        term = (term * x >> FRACTION_BITS) // n
    return total
