"""The parts of a coded image, in the order in which they are decoded."""

from __future__ import annotations

from typing import NamedTuple


class Segment(NamedTuple):
    """One coded part of an image: its bytes, and the CRC-32 of the symbols that they decode to (None: do not check)."""

    data: bytes
    symbols_crc: int | None = None
