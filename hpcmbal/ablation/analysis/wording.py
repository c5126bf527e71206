"""Numbers as people write them: in sentences, tables and reports."""

from __future__ import annotations

import math

from hpcmbal.ablation.analysis.effect import Effect

MINUS = "−"


def interval_text(effect: Effect) -> str:
    """Mean and interval: "−3.2 % (95 % interval −4.9 to −1.5)"."""
    unit = effect.metric.unit
    digits = 3 if unit == "dB" else 2
    mean = f"{signed(effect.mean, digits)} {unit}"
    if effect.low is None or effect.high is None:
        return f"{mean} (no interval)"
    return f"{mean} (95 % interval {signed(effect.low, digits)} to {signed(effect.high, digits)})"


def signed(value: float, digits: int = 2) -> str:
    """A number with its sign, as people write it; huge ones (intervals of two seeds) in few digits.

    >>> signed(-1.234), signed(0.0), signed(123456.7)
    ('−1.23', '+0.00', '+1e+05')
    """
    text = f"{value:+.{digits}f}" if abs(value) < 10_000 or math.isinf(value) else f"{value:+.0e}"
    return text.replace("-", MINUS, 1) if text.startswith("-") else text


def size_text(value: float) -> str:
    """A size in percent, in the digits that matter.

    >>> size_text(1.234), size_text(0.0123), size_text(1234.5)
    ('1.2 %', '0.012 %', 'more than 1,000 %')
    """
    return f"{value:.2g} %" if value < 99.5 else (f"{value:.0f} %" if value <= 1000 else "more than 1,000 %")


def p_text(p_value: float) -> str:
    """A p-value: never "0".

    >>> p_text(0.0421), p_text(1e-9)
    ('p = 0.042', 'p < 0.001')
    """
    return "p < 0.001" if p_value < 0.001 else f"p = {p_value:.2g}" if p_value < 0.995 else "p = 1"


def counted(count: int, noun: str) -> str:
    """A count with its noun.

    >>> counted(1, "seed"), counted(3, "seed")
    ('1 seed', '3 seeds')
    """
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"
