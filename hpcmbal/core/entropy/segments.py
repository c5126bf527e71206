"""The parts of a coded image, in the order in which they are decoded."""

from __future__ import annotations

from typing import NamedTuple

SEGMENTS = ("z", "s1", "s2", "s3")
"""Side information first, then the latents coarse to fine; each part needs those before it."""


class Segment(NamedTuple):
    """One coded part of an image: its bytes, and the CRC-32 of the symbols that they decode to (None: do not check)."""

    data: bytes
    symbols_crc: int | None = None
