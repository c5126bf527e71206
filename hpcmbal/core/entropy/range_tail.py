"""The shortest ending of a range-coded stream."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

_WORD_BITS = 32
_STATE_BITS = 64


def shortest_tail(words: npt.NDArray[np.uint32], position: int, lower: int, extent: int) -> bytes:
    """Shorten a sealed stream of 32-bit words to the fewest bytes.

    A range coder may end on any number inside its last interval. The decoder reads zeros after the end, so the number
    with the most zero bytes at its end is the shortest; sealing in whole words would cost 2 to 5 bytes more a segment.

    Args:
        words: The sealed stream, most significant word first.
        position: Words that the encoder has let go of.
        lower: Start of the last interval, modulo 2^64, in the 64 bits that follow those words.
        extent: Its length.

    Returns:
        The bytes, most significant first.
    """
    if position == 0 and extent == (1 << _STATE_BITS) - 1:
        return b""
    size_bits = (position + _STATE_BITS // _WORD_BITS) * _WORD_BITS
    sealed = int.from_bytes(words.astype(">u4").tobytes(), "big") << (size_bits - words.size * _WORD_BITS)
    start = sealed - ((sealed - lower) & ((1 << _STATE_BITS) - 1))
    zero_bits = 0
    best = start
    for bits in range(8, _STATE_BITS + 1, 8):
        candidate = -(-start >> bits) << bits
        if candidate >= start + extent:
            break
        zero_bits, best = bits, candidate
    return (best >> zero_bits).to_bytes((size_bits - zero_bits) // 8, "big").rstrip(b"\0")
