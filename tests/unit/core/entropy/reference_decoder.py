"""A decoder written from docs/format.md alone: slow, in plain integers, without the library that we use."""

from __future__ import annotations

from collections.abc import Sequence

MASK = (1 << 64) - 1


class ReferenceDecoder:
    """Range decoder with 64-bit state, 32-bit words and 24-bit frequencies; bytes beyond the end are zero."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._position = 0
        self._lower, self._extent = 0, MASK
        self._point = self._word() << 32 | self._word()

    def symbol(self, frequencies: Sequence[int]) -> int:
        """Position of the next symbol in `frequencies`."""
        unit = self._extent >> 24
        target = ((self._point - self._lower) & MASK) // unit
        start, index = 0, 0
        while start + frequencies[index] <= target:
            start += frequencies[index]
            index += 1
        self._lower = (self._lower + unit * start) & MASK
        self._extent = unit * frequencies[index]
        if self._extent < 1 << 32:
            self._lower = (self._lower << 32) & MASK
            self._extent <<= 32
            self._point = (self._point << 32 | self._word()) & MASK
        return index

    def batch(self, tables: Sequence[int], all_tables: Sequence[Sequence[int]]) -> list[int]:
        """The values of a batch, by the table of each."""
        values: list[int | None] = [None] * len(tables)
        escaped = []
        for index in sorted(range(len(tables)), key=lambda i: tables[i]):
            frequencies = all_tables[tables[index]]
            half_width = (len(frequencies) - 2) // 2
            position = self.symbol(frequencies)
            if position == len(frequencies) - 1:
                escaped.append(index)
            else:
                values[index] = position - half_width
        escaped.sort()
        class_frequencies = [max(1, (1 << 24) >> k) for k in range(1, 33)]
        class_frequencies[0] += (1 << 24) - sum(class_frequencies)
        classes = [self.symbol(class_frequencies) for _ in escaped]
        signs = [self.symbol([1 << 23] * 2) for _ in escaped]
        codes = [1 << size for size in classes]
        for size in sorted(set(classes)):
            for shift in range(0, size, 16):
                bits = min(16, size - shift)
                for i, other in enumerate(classes):
                    if other == size:
                        codes[i] |= self.symbol([1 << (24 - bits)] * (1 << bits)) << shift
        for index, code, sign in zip(escaped, codes, signs, strict=True):
            half_width = (len(all_tables[tables[index]]) - 2) // 2
            values[index] = -(code + half_width) if sign else code + half_width
        return [value for value in values if value is not None]

    def _word(self) -> int:
        word = self._data[self._position : self._position + 4].ljust(4, b"\0")
        self._position += 4
        return int.from_bytes(word, "big")
