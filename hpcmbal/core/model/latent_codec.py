"""Latents to four segments of bytes and back, on the exact path."""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from hpcmbal.core.entropy.coder import SymbolDecoder, SymbolEncoder
from hpcmbal.core.entropy.least_length import least_bytes, table_costs
from hpcmbal.core.entropy.segments import Segment
from hpcmbal.core.model.exact import ExactNetwork
from hpcmbal.core.model.exact.grid import GRID_STEPS, LIMIT
from hpcmbal.core.model.indexing import take
from hpcmbal.core.model.schedule import Step
from hpcmbal.core.scales import SCALES, SEGMENTS
from hpcmbal.errors import BitstreamError, NumericalError

LATENT_STRIDE = 16
"""Pixels per latent, in each direction."""
SCALE_SHARES = (1, 3, 12)
"""Sixteenths of the latents that s1, s2 and s3 add."""


class EncodedLatents(NamedTuple):
    """For each image its four segments, and `y_hat` `[B, M, h, w]` as decoders see it."""

    segments: list[list[Segment]]
    y_hat: Tensor


class _SegmentWriter:
    """Symbols of one segment of one image: coded, and summed up in a CRC."""

    def __init__(self) -> None:
        self._encoder = SymbolEncoder()
        self._crc = 0

    def write(self, symbols: npt.NDArray[np.int32], tables: npt.NDArray[np.uint8]) -> None:
        self._encoder.encode(symbols, tables)
        self._crc = symbols_crc(symbols, self._crc)

    def finish(self) -> Segment:
        return Segment(self._encoder.finish(), self._crc)


class _SegmentReader:
    """The counterpart of `_SegmentWriter`."""

    def __init__(self, segment: Segment, name: str) -> None:
        self._decoder = SymbolDecoder(segment.data)
        self._expected_crc = segment.symbols_crc
        self._name = name
        self._crc = 0

    def read(self, tables: npt.NDArray[np.uint8]) -> npt.NDArray[np.int32]:
        try:
            symbols = self._decoder.decode(tables)
        except BitstreamError as error:
            raise BitstreamError(f"Segment {self._name}: {error}") from error
        self._crc = symbols_crc(symbols, self._crc)
        return symbols

    def check(self) -> None:
        """Compare the CRC of all symbols read with the one that the encoder saw."""
        if self._expected_crc is not None and self._crc != self._expected_crc:
            raise BitstreamError(
                f"Segment {self._name} decodes to other symbols than were encoded (CRC {self._crc:08x}, written "
                f"{self._expected_crc:08x}): the file is damaged, or the model is not the one that wrote it."
            )


class _Writing:
    """Coder of the walk that quantises latents and writes them (`LatentCoder`)."""

    def __init__(self, network: ExactNetwork, y: Tensor) -> None:
        self._network = network
        self._y = y.flatten(1)
        self.writers = [[_SegmentWriter() for _ in SCALES] for _ in range(y.shape[0])]

    def __call__(self, step: Step, scales: Tensor, means: Tensor) -> Tensor:
        symbols = (take(self._y, step.latent_index).double() - means.double() / GRID_STEPS).round_()
        tables = self._network.table_indices(scales).cpu().numpy()
        values = symbols.to(torch.int32).cpu().numpy()
        for image, writers in enumerate(self.writers):
            writers[step.scale].write(values[image], tables[image])
        return self._network.dequantise(symbols, means)


class _Reading:
    """Coder of the walk that reads latents (`LatentCoder`); checks a scale as soon as the next one begins."""

    def __init__(self, network: ExactNetwork, readers: list[list[_SegmentReader]]) -> None:
        self._network = network
        self._readers = readers

    def __call__(self, step: Step, scales: Tensor, means: Tensor) -> Tensor:
        if step.scale and step.number == 0:
            self.check(step.scale - 1)
        tables = self._network.table_indices(scales).cpu().numpy()
        values = np.stack([readers[step.scale].read(tables[image]) for image, readers in enumerate(self._readers)])
        return self._network.dequantise(torch.from_numpy(values).to(means.device), means)

    def check(self, scale: int) -> None:
        for readers in self._readers:
            readers[scale].check()


@torch.no_grad()
def encode_latents(network: ExactNetwork, y: Tensor, z: Tensor) -> EncodedLatents:
    """Code latents of a batch of images.

    Args:
        network: The exact path of the model.
        y: Latents `[B, M, h, w]`, h and w multiples of 4; clamped to +-2^13, the limit of the exact path.
        z: Side information `[B, N, h/4, w/4]` from `h_a`.

    Raises:
        NumericalError: A latent is NaN or infinite.
    """
    bound = LIMIT / GRID_STEPS
    y, z = _finite(y, "y").clamp(-bound, bound), _finite(z, "z").clamp(-bound, bound)
    z_symbols = (z.double() - network.means_hyper / GRID_STEPS).round_()
    z_values = z_symbols.to(torch.int32).flatten(1).cpu().numpy()
    z_tables = _z_tables(network, z.shape[2], z.shape[3])
    writing = _Writing(network, y)
    y_hat = network.walk(network.hyper_params(z_symbols), writing)
    segments = []
    for values, writers in zip(z_values, writing.writers, strict=True):
        z_writer = _SegmentWriter()
        z_writer.write(values, z_tables)
        segments.append([z_writer.finish(), *(writer.finish() for writer in writers)])
    return EncodedLatents(segments, y_hat / GRID_STEPS)


@torch.no_grad()
def decode_latents(
    network: ExactNetwork, images: Sequence[Sequence[Segment]], height: int, width: int, device: torch.device
) -> Tensor:
    """Decode the latents of a batch of images.

    Args:
        network: The exact path of the model that encoded.
        images: For each image its segments in the order of `SEGMENTS`; `z` at least, and as many for every image.
            Latents of missing scales take their predicted means.
        height, width: Of `y`; multiples of 4.
        device: Where the network is.

    Returns:
        `y_hat` `[B, M, h, w]`, float32, which holds every value on the grid exactly.

    Raises:
        BitstreamError: A segment does not decode, decodes to other symbols than were encoded, or is shorter than its
            symbols could possibly be, which is found before the network runs.
    """
    for segments in images:
        _check_lengths(segments, network.variant.latent_channels * height * width)
    readers = [
        [_SegmentReader(segment, name) for segment, name in zip(segments, SEGMENTS, strict=False)]
        for segments in images
    ]
    z_tables = _z_tables(network, height // 4, width // 4)
    z_values = np.stack([reader[0].read(z_tables) for reader in readers])
    for reader in readers:
        reader[0].check()
    z_symbols = torch.from_numpy(z_values).to(device).view(len(images), -1, height // 4, width // 4)
    reading = _Reading(network, [reader[1:] for reader in readers])
    scales = len(images[0]) - 1
    y_hat = network.walk(network.hyper_params(z_symbols), reading, scales)
    if scales:
        reading.check(scales - 1)
    return y_hat / GRID_STEPS


def _check_lengths(segments: Sequence[Segment], latents: int) -> None:
    """Refuse segments of `y` that are too short whatever the network will predict.

    z is checked when it is read: its tables are known.
    """
    cheapest = min(table_costs())
    for (data, _), name, share in zip(segments[1:], SCALES, SCALE_SHARES, strict=False):
        symbols = latents * share // 16
        if len(data) < (needed := least_bytes(symbols * cheapest)):
            raise BitstreamError(
                f"Segment {name} is too short: {len(data)} bytes, while {symbols:,} symbols need at least {needed:,}. "
                "The file is damaged, or claims a larger picture than it holds."
            )


def symbols_crc(symbols: npt.NDArray[np.int32], crc: int = 0) -> int:
    """CRC-32 of symbols as 32-bit little-endian integers, continued from `crc`."""
    return zlib.crc32(np.ascontiguousarray(symbols, dtype="<i4").tobytes(), crc)


def _finite(x: Tensor, name: str) -> Tensor:
    if not bool(x.isfinite().all()):
        raise NumericalError(
            f"The latents {name} hold NaN or infinity: the model is broken, or the image is not in [0, 1]."
        )
    return x


def _z_tables(network: ExactNetwork, height: int, width: int) -> npt.NDArray[np.uint8]:
    return np.repeat(network.z_tables, height * width)
