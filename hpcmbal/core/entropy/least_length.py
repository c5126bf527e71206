"""How short coded data can be: what refuses a few bytes that claim a huge picture before any work is done for them.

A symbol costs at least -log2 of its table's largest probability. The number that a range coder ends on may happen to
have zero bytes at its end, which are not stored, so data may be shorter than its symbols cost: by k bytes with the
probability 256^-k. Decoders leave 8 bytes for that; encoders fill up with zeros if it should not be enough.
"""

from __future__ import annotations

import math
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from hpcmbal.core.entropy.tables import PRECISION, SCALE_COUNT, frequency_tables

UNIT_BITS = 20
"""Costs are counted in units of 2^-20 bits, rounded down, so that all machines agree."""
SPARED_BYTES = 8


def least_units(tables: npt.NDArray[np.uint8]) -> int:
    """What symbols with these tables cost at least, in units of 2^-20 bits."""
    counts = np.bincount(tables, minlength=SCALE_COUNT)
    return sum(int(count) * cost for count, cost in zip(counts, table_costs(), strict=True))


def least_bytes(units: int) -> int:
    """The shortest data that decoders accept for symbols of this cost."""
    return max(0, (units >> (UNIT_BITS + 3)) - SPARED_BYTES)


@lru_cache(maxsize=1)
def table_costs() -> tuple[int, ...]:
    """The cost of every table's most probable symbol, in units of 2^-20 bits."""
    return tuple(
        math.floor((PRECISION - math.log2(max(table.frequencies))) * (1 << UNIT_BITS)) for table in frequency_tables()
    )
