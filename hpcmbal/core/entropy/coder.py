"""Symbols to bytes and back: constriction's range coder with the tables of `hpcmbal.core.entropy.tables`.

Symbols are coded in batches. Within a batch they are grouped by table (tables ascending, order kept inside a group), so
that one call codes a whole group; then follow the magnitudes of those that were escaped, in the order of the batch:

```
batch  values [n], tables [n]  ->  group of table 0 | ... | group of table 63 | escape classes | signs | mantissas
```

An escaped value v of a table that ends at m has the excess e = |v| - m - 1. Its class is the number of bits of e + 1,
less one (Exp-Golomb of order 0), coded with probabilities 1/2, 1/4, ...; its mantissa is the rest of e + 1 below the
top bit.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from typing import Any

import constriction
import numpy as np
import numpy.typing as npt

from hpcmbal.core.entropy.least_length import least_bytes, least_units
from hpcmbal.core.entropy.range_tail import shortest_tail
from hpcmbal.core.entropy.tables import PRECISION, SCALE_COUNT, frequency_tables
from hpcmbal.errors import BitstreamError, NumericalError

Symbols = npt.NDArray[np.int32]
Tables = npt.NDArray[np.uint8]

ESCAPE_CLASSES = 32
"""Classes of escaped magnitudes; enough for every 32-bit value."""
_WORD_BYTES = 4
_LOW_BITS = 16
"""Mantissas are coded in parts of at most this many bits, the lowest first."""


class SymbolEncoder:
    """Writes batches of symbols; `finish` gives the bytes."""

    def __init__(self) -> None:
        self._coder = constriction.stream.queue.RangeEncoder()
        self._units = 0

    def encode(self, values: npt.NDArray[np.integer[Any]], tables: Tables) -> None:
        """Append a batch: integers `values` `[n]`, 32 bit at most, and the table of each, `[n]` in 0..63.

        Raises:
            NumericalError: A value does not fit 32 bits, or a table does not exist.
        """
        _check_batch(values, tables)
        self._units += least_units(tables)
        half_widths = _half_widths()[tables]
        escaped = np.abs(values.astype(np.int64)) > half_widths
        positions = np.where(escaped, 2 * half_widths + 1, values + half_widths).astype(np.int32)
        order = np.argsort(tables, kind="stable")
        grouped = positions[order]
        for table, start, stop in _groups(tables):
            self._coder.encode(grouped[start:stop], _table_model(table))
        if escaped.any():
            self._encode_escapes(values[escaped].astype(np.int64), half_widths[escaped])

    def finish(self) -> bytes:
        """The shortest bytes that decode to everything encoded so far; missing bytes read as zeros.

        Never shorter than what decoders ask for.
        """
        words = self._coder.get_compressed()
        position, (lower, extent) = self._coder.pos()
        return shortest_tail(words, position, lower, extent).ljust(least_bytes(self._units), b"\0")

    def _encode_escapes(self, values: npt.NDArray[np.int64], half_widths: npt.NDArray[np.int64]) -> None:
        codes = np.abs(values) - half_widths
        classes = (np.frexp(codes.astype(np.float64))[1] - 1).astype(np.int32)
        self._coder.encode(classes, _class_model())
        self._coder.encode((values < 0).astype(np.int32), _uniform_model(1))
        for chosen, shift, bits in _mantissa_parts(classes):
            part = codes[chosen] >> shift & ((1 << bits) - 1)
            self._coder.encode(part.astype(np.int32), _uniform_model(bits))


class SymbolDecoder:
    """Reads batches of symbols, in the order and with the tables with which they were written."""

    def __init__(self, data: bytes) -> None:
        self._bytes = len(data)
        self._units = 0
        padded = data + bytes(-len(data) % _WORD_BYTES)
        self._coder = constriction.stream.queue.RangeDecoder(np.frombuffer(padded, dtype=">u4").astype(np.uint32))

    def decode(self, tables: Tables) -> Symbols:
        """The next batch: values `[n]` for the tables `[n]`.

        Raises:
            BitstreamError: The bytes are not what an encoder writes for these tables, or fewer than any symbols could
                need. Not all damage is found here.
        """
        self._units += least_units(tables)
        if self._bytes < (needed := least_bytes(self._units)):
            raise BitstreamError(
                f"The coded data is damaged: {self._bytes} bytes are too short for its symbols, which need {needed:,}."
            )
        half_widths = _half_widths()[tables]
        grouped = np.empty(tables.size, dtype=np.int32)
        for table, start, stop in _groups(tables):
            grouped[start:stop] = self._read(_table_model(table), stop - start)
        positions = np.empty_like(grouped)
        positions[np.argsort(tables, kind="stable")] = grouped
        values = positions - half_widths
        escaped = values > half_widths
        if escaped.any():
            values[escaped] = self._decode_escapes(half_widths[escaped])
        return values.astype(np.int32)

    def _decode_escapes(self, half_widths: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
        classes = self._read(_class_model(), half_widths.size)
        signs = self._read(_uniform_model(1), half_widths.size)
        codes = np.int64(1) << classes.astype(np.int64)
        for chosen, shift, bits in _mantissa_parts(classes):
            part = self._read(_uniform_model(bits), int(np.count_nonzero(chosen))).astype(np.int64)
            codes[chosen] |= part << shift
        magnitudes = codes + half_widths
        if magnitudes.max() > np.iinfo(np.int32).max:
            raise BitstreamError("The coded data holds a symbol of more than 32 bits: the file is damaged.")
        return np.where(signs == 1, -magnitudes, magnitudes)

    def _read(self, model: constriction.stream.model.Model, count: int) -> Symbols:
        try:
            symbols: Symbols = self._coder.decode(model, count)
        except AssertionError as error:  # constriction's way of saying that no encoder writes such data
            raise BitstreamError("The coded data is not valid for this model: the file is damaged.") from error
        return symbols


def _check_batch(values: npt.NDArray[np.integer[Any]], tables: Tables) -> None:
    if values.size and np.abs(values.astype(np.int64)).max() > np.iinfo(np.int32).max:
        raise NumericalError("A symbol does not fit 32 bits: the latents of this model are out of any sensible range.")
    if tables.size and tables.max() >= SCALE_COUNT:
        raise NumericalError(f"Tables should be 0..{SCALE_COUNT - 1}. Found {tables.max()}.")


def _groups(tables: Tables) -> Iterator[tuple[int, int, int]]:
    """(table, start, stop) of every table that occurs, in a batch sorted by table."""
    counts = np.bincount(tables, minlength=SCALE_COUNT)
    stops = np.cumsum(counts)
    for table in np.flatnonzero(counts):
        yield int(table), int(stops[table] - counts[table]), int(stops[table])


def _mantissa_parts(classes: Symbols) -> Iterator[tuple[npt.NDArray[np.bool_], int, int]]:
    """(which symbols, shift, bits) of every part of the mantissas: classes ascending, low bits first."""
    for size in np.unique(classes):
        chosen = classes == size
        for shift in range(0, int(size), _LOW_BITS):
            yield chosen, shift, min(_LOW_BITS, int(size) - shift)


@lru_cache(maxsize=1)
def _half_widths() -> npt.NDArray[np.int64]:
    return np.array([table.half_width for table in frequency_tables()], dtype=np.int64)


@lru_cache(maxsize=SCALE_COUNT)
def _table_model(table: int) -> constriction.stream.model.Model:
    return _exact_model(np.array(frequency_tables()[table].frequencies))


@lru_cache(maxsize=1)
def _class_model() -> constriction.stream.model.Model:
    """Probabilities 1/2, 1/4, ..., never below 2^-24; what that adds is taken from the first."""
    frequencies = np.maximum(1, (1 << PRECISION) >> np.arange(1, ESCAPE_CLASSES + 1))
    frequencies[0] += (1 << PRECISION) - frequencies.sum()
    return _exact_model(frequencies)


@lru_cache(maxsize=_LOW_BITS)
def _uniform_model(bits: int) -> constriction.stream.model.Model:
    return _exact_model(np.full(1 << bits, 1 << (PRECISION - bits)))


def _exact_model(frequencies: npt.NDArray[np.int64]) -> constriction.stream.model.Model:
    """A model with exactly these integer frequencies (positive, sum 2^24).

    Without `perfect`, constriction gives each of n symbols 1 and shares 2^24 - n out in proportion to the numbers it is
    given. These add up to 2^24 - n themselves, so each symbol gets its own number, with nothing to round.
    """
    return constriction.stream.model.Categorical((frequencies - 1).astype(np.float64), perfect=False, lazy=False)
