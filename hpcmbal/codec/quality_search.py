"""The search for a quality by coding: few trials, on any scale of qualities, for any value that rises with quality."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True)
class Goal:
    """What is wanted of a value that rises with quality.

    Attributes:
        value: The bound, positive.
        at_most: The best quality whose value is at most `value`; else the lowest whose value is at least `value`.
        tolerance: How far inside of the bound the search may end: relative to `value` if `at_most`, else absolute.
        resolution: Qualities so close are as good as each other.
    """

    value: float
    at_most: bool
    tolerance: float = 0.0
    resolution: int = 1

    def met_by(self, found: float) -> bool:
        """Whether a value is within the bound."""
        return found <= self.value if self.at_most else found >= self.value

    def near(self, found: float) -> bool:
        """Whether a value is within the bound, and so little inside of it that the search may end."""
        room = self.tolerance * (self.value if self.at_most else 1.0)
        return room > 0 and self.met_by(found) and abs(found - self.value) <= room


@dataclass(frozen=True)
class Found:
    """What a search ended with.

    Attributes:
        number: The quality's number.
        met: Whether it meets the goal; if not, it is the end of the scale that comes closest.
        measured: The value of every number that was tried, in their order.
    """

    number: int
    met: bool
    measured: dict[int, float]


def search_quality(measure: Callable[[int], float], highest: int, goal: Goal) -> Found:
    """The number of the quality that suits a goal best.

    A bracket is narrowed by secants, of the logarithm where values are bounded from above, as those are sizes; by
    halves where secants did not narrow it by half, or where nothing but the exact number will do.

    Args:
        measure: The value at a number 0 to `highest`; should not fall, but for small steps.
        highest: The last number.
        goal: What is wanted.
    """
    measured: dict[int, float] = {}
    low, high = -1, highest + 1  # the last number known to be on the lower side of the bound, the first on the upper
    widths = [high - low]
    while high - low > (goal.resolution if low >= 0 and high <= highest else 1):
        halve = not goal.tolerance or (len(widths) > 2 and widths[-1] > widths[-3] // 2)
        number = _next_number(measured, low, high, highest, goal, halve=halve)
        value = measured[number] = measure(number)
        if goal.near(value):
            return Found(number, True, measured)
        if goal.met_by(value) == goal.at_most:
            low = number
        else:
            high = number
        widths.append(high - low)
    number = low if goal.at_most else high
    met = 0 <= number <= highest
    return Found(min(max(number, 0), highest), met, measured)


def _next_number(measured: dict[int, float], low: int, high: int, highest: int, goal: Goal, *, halve: bool) -> int:
    """The number to try, strictly between `low` and `high`: where the line through two measured points meets the goal.

    These are the ends of the bracket, or, while one of them is not measured, the last two points.
    """
    middle = (low + high) // 2
    ends = [end for end in (low, high) if end in measured]
    points = ends if len(ends) == 2 else list(measured)[-2:]
    if halve or len(points) < 2:
        return middle
    (a, at_a), (b, at_b) = ((point, _scaled(measured[point], goal)) for point in points)
    if at_a == at_b or not (math.isfinite(at_a) and math.isfinite(at_b)):
        return middle
    inside = 0.5 * goal.tolerance
    aim = _scaled(goal.value * (1 - inside) if goal.at_most else goal.value + inside, goal)
    number = a + (aim - at_a) * (b - a) / (at_b - at_a)
    return min(max(round(number), low + 1), high - 1, highest) if math.isfinite(number) else middle


def _scaled(value: float, goal: Goal) -> float:
    return math.log(max(value, 1e-12)) if goal.at_most else value
