"""Every batch of integers comes back, the bytes are as few as the tables promise, and damage is an error."""

from __future__ import annotations

import runpy
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from reader_fuzz import reader_fuzz

from hpcmbal.core.entropy.coder import SymbolDecoder, SymbolEncoder
from hpcmbal.core.entropy.least_length import least_bytes, least_units
from hpcmbal.core.entropy.tables import PRECISION, SCALE_COUNT, frequency_tables, scale_grid
from hpcmbal.errors import BitstreamError, NumericalError

REFERENCE: Any = runpy.run_path(str(Path(__file__).with_name("reference_decoder.py")))["ReferenceDecoder"]
LARGEST = 2**31 - 1

Batch = list[tuple[int, int]]
batches = st.lists(
    st.lists(
        st.tuples(
            st.one_of(st.integers(-5, 5), st.integers(-2000, 2000), st.integers(-LARGEST, LARGEST)),
            st.integers(0, SCALE_COUNT - 1),
        ),
        max_size=30,
    ),
    max_size=4,
)


def encode(batches_: list[Batch]) -> bytes:
    encoder = SymbolEncoder()
    for batch in batches_:
        encoder.encode(*columns(batch))
    return encoder.finish()


def columns(batch: Batch) -> tuple[np.ndarray, np.ndarray]:
    return np.array([v for v, _ in batch], dtype=np.int32), np.array([t for _, t in batch], dtype=np.uint8)


def typical_batch(count: int, seed: int) -> Batch:
    """Values that follow their tables' distributions."""
    generator = np.random.default_rng(seed)
    tables = generator.integers(0, SCALE_COUNT, count)
    scales = np.array(scale_grid())[tables] / 1024
    values = np.rint(generator.gamma(2 / 3, size=count) ** (2 / 3) * scales * generator.choice([-1, 1], count))
    return list(zip(values.astype(int).tolist(), tables.tolist(), strict=True))


@given(batches)
@settings(max_examples=60, deadline=None)
def test_every_value_comes_back(batches_: list[Batch]) -> None:
    decoder = SymbolDecoder(encode(batches_))
    for batch in batches_:
        values, tables = columns(batch)
        np.testing.assert_array_equal(decoder.decode(tables), values)


@given(batches)
@settings(max_examples=15, deadline=None)
def test_a_decoder_written_from_the_format_description_agrees(batches_: list[Batch]) -> None:
    frequencies = [table.frequencies for table in frequency_tables()]
    decoder = REFERENCE(encode(batches_))
    for batch in batches_:
        assert decoder.batch([table for _, table in batch], frequencies) == [value for value, _ in batch]


def test_the_reference_decoder_agrees_on_many_symbols() -> None:
    batch = typical_batch(3000, seed=5)
    decoder = REFERENCE(encode([batch]))
    frequencies = [table.frequencies for table in frequency_tables()]
    assert decoder.batch([table for _, table in batch], frequencies) == [value for value, _ in batch]


@pytest.mark.parametrize("value", [LARGEST, -LARGEST, 2**16, -(2**24) - 1])
@pytest.mark.parametrize("table", [0, SCALE_COUNT - 1])
def test_no_magnitude_is_too_large(value: int, table: int) -> None:
    batch = [(0, table), (value, table), (1, table)]
    values, tables = columns(batch)
    np.testing.assert_array_equal(SymbolDecoder(encode([batch])).decode(tables), values)


def test_bytes_are_as_few_as_the_frequencies_say() -> None:
    for seed in range(20):
        batch = typical_batch(200, seed)
        bits = 0.0
        for value, table in batch:
            frequency_table = frequency_tables()[table]
            if abs(value) > frequency_table.half_width:
                break
            bits -= np.log2(frequency_table.frequencies[value + frequency_table.half_width] / 2**PRECISION)
        else:
            assert len(encode([batch])) <= bits / 8 + 1.1


def test_nothing_takes_no_bytes() -> None:
    assert encode([]) == b""
    assert encode([[]]) == b""
    assert SymbolDecoder(b"").decode(np.zeros(0, dtype=np.uint8)).size == 0


def test_likely_symbols_take_no_bytes_either() -> None:
    assert len(encode([[(0, 0)] * 50])) <= 1


@given(st.binary(max_size=64), st.integers(0, 2**32 - 1))
@reader_fuzz(100)
def test_garbage_is_refused_or_decodes_to_some_integers(data: bytes, seed: int) -> None:
    tables = np.random.default_rng(seed).integers(0, SCALE_COUNT, 400).astype(np.uint8)
    try:
        values = SymbolDecoder(data).decode(tables)
    except BitstreamError as error:
        assert "damaged" in str(error)  # noqa: PT017 (it may also succeed)
    else:
        assert values.shape == tables.shape


def test_impossible_data_is_refused() -> None:
    with pytest.raises(BitstreamError, match="not valid for this model"):
        SymbolDecoder(b"\xff" * 256).decode(np.full(1000, 20, dtype=np.uint8))


@pytest.mark.parametrize("table", [0, 5, 20, 63])
def test_data_shorter_than_any_symbols_could_need_are_refused(table: int) -> None:
    tables = np.full(1_000_000, table, dtype=np.uint8)
    encoder = SymbolEncoder()
    encoder.encode(np.zeros(tables.size, dtype=np.int32), tables)
    shortest = encoder.finish()
    np.testing.assert_array_equal(SymbolDecoder(shortest).decode(tables), 0)
    least = least_bytes(least_units(tables))
    assert 0 < least <= len(shortest) - 8
    with pytest.raises(BitstreamError, match=f"{least - 1} bytes are too short for its symbols, which need {least:,}"):
        SymbolDecoder(shortest[: least - 1]).decode(tables)


def test_symbols_that_happen_to_need_no_bytes_get_those_that_decoders_ask_for() -> None:
    """The lowest symbol alone leaves the coder's number at zero, whose bytes are not stored."""
    tables = np.full(5000, 20, dtype=np.uint8)
    lowest = np.full(tables.size, -frequency_tables()[20].half_width, dtype=np.int32)
    encoder = SymbolEncoder()
    encoder.encode(lowest, tables)
    data = encoder.finish()
    assert set(data) == {0}
    np.testing.assert_array_equal(SymbolDecoder(data).decode(tables), lowest)


def test_values_beyond_32_bits_are_refused() -> None:
    with pytest.raises(NumericalError, match="does not fit 32 bits"):
        SymbolEncoder().encode(np.array([2**31]), np.zeros(1, dtype=np.uint8))


def test_tables_that_do_not_exist_are_refused() -> None:
    with pytest.raises(NumericalError, match=r"Tables should be 0\.\.63\. Found 64"):
        SymbolEncoder().encode(np.array([0]), np.array([64], dtype=np.uint8))
