"""The qualities that a codec knows, by number: from the smallest files to the best pictures."""

from __future__ import annotations

import math
from dataclasses import dataclass


@dataclass(frozen=True)
class QualityScale:
    """The qualities of a codec.

    Attributes:
        lowest: The quality of the smallest files.
        highest: That of the best pictures; below `lowest` for codecs that count downwards, such as a QP.
        step: The smallest difference that the codec knows.
    """

    lowest: float
    highest: float
    step: float = 1.0

    def at(self, number: int) -> float:
        """Quality number 0 (smallest files) to `count` (best)."""
        return self.lowest + math.copysign(number * self.step, self.highest - self.lowest)

    @property
    def count(self) -> int:
        """The number of steps."""
        return round(abs(self.highest - self.lowest) / self.step)
