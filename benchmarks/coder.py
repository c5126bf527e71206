"""Speed of the entropy coder: 500,000 symbols spread over all tables, in 11 batches, as in one image.

Run: python benchmarks/coder.py
"""

from __future__ import annotations

import statistics
import time

import numpy as np

from hpcmbal.core.entropy.coder import SymbolDecoder, SymbolEncoder
from hpcmbal.core.entropy.tables import SCALE_COUNT, frequency_tables, scale_grid

COUNT = 500_000
BATCHES = 11
REPEATS = 7


def main() -> None:
    """Measure and print."""
    generator = np.random.default_rng(0)
    tables = generator.integers(0, SCALE_COUNT, COUNT).astype(np.uint8)
    alpha = np.array(scale_grid())[tables] / 1024
    magnitudes = generator.gamma(2 / 3, size=COUNT) ** (2 / 3) * alpha
    values = np.rint(magnitudes * generator.choice([-1, 1], COUNT)).astype(np.int32)
    batches = list(zip(np.array_split(values, BATCHES), np.array_split(tables, BATCHES), strict=True))
    frequency_tables()
    encode_seconds, decode_seconds = [], []
    for _ in range(REPEATS):
        start = time.perf_counter()
        encoder = SymbolEncoder()
        for batch in batches:
            encoder.encode(*batch)
        data = encoder.finish()
        encode_seconds.append(time.perf_counter() - start)
        start = time.perf_counter()
        decoder = SymbolDecoder(data)
        decoded = [decoder.decode(batch_tables) for _, batch_tables in batches]
        decode_seconds.append(time.perf_counter() - start)
        if not np.array_equal(np.concatenate(decoded), values):
            raise SystemExit("decoded symbols differ")
    print(f"{COUNT} symbols, {SCALE_COUNT} tables, {len(data)} bytes: median of {REPEATS} runs")
    encode_ms, decode_ms = (1e3 * statistics.median(seconds) for seconds in (encode_seconds, decode_seconds))
    print(f"encode {encode_ms:.1f} ms, decode {decode_ms:.1f} ms")


if __name__ == "__main__":
    main()
