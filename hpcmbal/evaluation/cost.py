"""What a gain costs: operations and parameters for encoding and decoding apart, time by pixels, memory."""

from __future__ import annotations

import functools
import multiprocessing
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path

from hpcmbal.core.model.complexity import Complexity, complexity
from hpcmbal.core.model.variants import get_variant
from hpcmbal.evaluation.codecs.image_codec import DECODE_SECONDS, ENCODE_SECONDS, FILE_BYTES, ImageCodec
from hpcmbal.evaluation.codecs.model_codec import ModelCodec
from hpcmbal.evaluation.curves.curve import BPP, Curve
from hpcmbal.images.image_file import read_rgb

STATUS = Path("/proc/self/status")


@dataclass(frozen=True)
class Cost:
    """What a codec asks for; None where it is not known.

    Attributes:
        encode_kmacs_per_pixel: Thousands of multiply-accumulate operations, of networks.
        decode_kmacs_per_pixel: Likewise.
        encode_parameters: That encoding reads.
        decode_parameters: That decoding reads.
        encode_seconds_per_megapixel: Mean over images and points, on one thread of a CPU or on the model's device.
        decode_seconds_per_megapixel: Likewise.
        peak_memory_mib: Of a process of its own that codes the first image once, Python and libraries included; not
            measured of programs.
    """

    encode_kmacs_per_pixel: float | None = None
    decode_kmacs_per_pixel: float | None = None
    encode_parameters: int | None = None
    decode_parameters: int | None = None
    encode_seconds_per_megapixel: float | None = None
    decode_seconds_per_megapixel: float | None = None
    peak_memory_mib: float | None = None

    def known(self) -> dict[str, float]:
        """What is known, for `Curve.meta`."""
        return {key: value for key, value in asdict(self).items() if value is not None}


def cost_of(codec: ImageCodec, curve: Curve, image: Path | None = None) -> Cost:
    """The cost of a codec that was measured as `curve`; its memory too if there is an `image` to code for it."""
    found = _complexity(curve) if isinstance(codec, ModelCodec) else None
    return Cost(
        None if found is None else found.encode_macs_per_pixel / 1000,
        None if found is None else found.decode_macs_per_pixel / 1000,
        None if found is None else found.encode_parameters,
        None if found is None else found.decode_parameters,
        _seconds_per_megapixel(curve, ENCODE_SECONDS),
        _seconds_per_megapixel(curve, DECODE_SECONDS),
        None if image is None else _peak_memory(codec, image),
    )


def _complexity(curve: Curve) -> Complexity | None:
    """Of the one variant of a curve; points of several have several costs."""
    codec = curve.meta.get("codec")
    variants = str(codec.get("model")).split(", ") if isinstance(codec, dict) else []
    return _counted(variants[0]) if len(variants) == 1 else None


@functools.cache
def _counted(variant: str) -> Complexity:
    return complexity(get_variant(variant))


def _seconds_per_megapixel(curve: Curve, key: str) -> float | None:
    found = []
    for columns in curve.samples.values():
        for seconds, size, bpp in zip(columns[key], columns[FILE_BYTES], columns[BPP], strict=True):
            if seconds is None or not size or not bpp:
                return None
            found.append(seconds / (8 * size / bpp) * 1e6)
    return sum(found) / len(found) if found else None


def _peak_memory(codec: ImageCodec, image: Path) -> float | None:
    if not STATUS.exists() or "program" in codec.describe() or "encode_command" in codec.describe():
        return None
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(1, mp_context=context) as pool:
        return pool.submit(_peak_of, codec, image).result()


def _peak_of(codec: ImageCodec, image: Path) -> float:
    import torch

    torch.set_num_threads(1)
    codec.code(read_rgb(image), len(codec.points) // 2)
    # Not getrusage: its maximum contains that of the process that started this one.
    (line,) = [line for line in STATUS.read_text(encoding="ascii").splitlines() if line.startswith("VmHWM:")]
    return int(line.split()[1]) / 1024
