"""Which quality of a codec gives a wanted rate or PSNR on one image: a search over real encodings."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Literal, TypeAlias

from hpcmbal.codec.quality_search import Goal, search_quality
from hpcmbal.errors import SettingsError
from hpcmbal.evaluation.codecs.image_codec import AdjustableCodec, CodedImage, Sample, measure_coded
from hpcmbal.evaluation.codecs.quality_scale import QualityScale
from hpcmbal.evaluation.curves.curve import BPP, PSNR

if TYPE_CHECKING:
    from hpcmbal.images.rgb_image import RgbImage
    from hpcmbal.settings.find_quality import FindQualitySettings

Target: TypeAlias = Literal["bpp", "psnr-rgb"]
Coder: TypeAlias = Callable[[float], CodedImage]
"""Codes the image at a quality."""


@dataclass(frozen=True)
class FoundQuality:
    """The quality that was found, and what it gives.

    Attributes:
        quality: Of the codec.
        sample: What was measured there.
        trials: How many times the image was coded.
        is_end: No quality comes closer to the target, which allows more bits or asks for less than the last one gives.
    """

    quality: float
    sample: Sample
    trials: int
    is_end: bool = False


def find_quality(settings: FindQualitySettings) -> FoundQuality:
    """Which quality of a model or a classical codec gives a wanted rate or PSNR on one image, by coding it a few times.

    Raises:
        DataError: The image cannot be read.
        CheckpointError: There is no such model.
        SettingsError: The model has one rate, there is no such anchor, or no quality reaches the target.
    """
    from hpcmbal.images.image_file import read_rgb

    pixels = read_rgb(settings.image)
    code, scale = _codec(pixels, settings)
    if settings.target_bpp is not None:
        return search_codec_quality(pixels, code, scale, "bpp", settings.target_bpp)
    return search_codec_quality(pixels, code, scale, "psnr-rgb", settings.target_psnr or 0.0)


def _codec(pixels: RgbImage, settings: FindQualitySettings) -> tuple[Coder, QualityScale]:
    if settings.anchor is not None:
        from hpcmbal.evaluation.codecs.selection import build_anchor

        anchor = build_anchor(settings.anchor)
        if not isinstance(anchor, AdjustableCodec):
            raise SettingsError(
                f"'{settings.anchor}' is a plug-in with fixed operating points, of which no quality can be asked."
            )
        return partial(anchor.code_at, pixels), anchor.scale
    from hpcmbal.core.device import choose_device
    from hpcmbal.core.model.rates import LmbdaRange
    from hpcmbal.evaluation.codecs.model_codec import ModelCodec, ModelPoint, operating_points
    from hpcmbal.model_files.find import DEFAULT_MODEL, find_model
    from hpcmbal.model_files.store import read_header

    path = find_model(settings.model)
    rates = read_header(path).rates
    if not isinstance(rates, LmbdaRange):
        raise SettingsError(f"The model has {rates}, so there is no quality to find. Take another model.")
    codec = ModelCodec(
        settings.model or DEFAULT_MODEL, operating_points(path, [50.0]), str(choose_device(settings.device))
    )
    return lambda quality: codec.code_at(pixels, ModelPoint(path, quality)), QualityScale(1, 100)


def search_codec_quality(
    image: RgbImage, code: Coder, scale: QualityScale, target: Target, value: float
) -> FoundQuality:
    """The highest quality that needs at most `value` bpp, or the lowest that gives at least `value` dB.

    Assumes that rate and PSNR rise with quality, as they do but for small steps.

    Args:
        image: `[H, W, 3]` uint8.
        code: The codec.
        scale: Its qualities.
        target: What `value` is.
        value: Bits per pixel, or dB.

    Raises:
        SettingsError: No quality reaches it; the message gives the range.
    """
    samples: dict[int, Sample] = {}

    def measure(number: int) -> float:
        samples[number] = measure_coded(image, code(scale.at(number)))
        return _value(samples[number], target)

    found = search_quality(measure, scale.count, Goal(value, at_most=target == BPP))
    if not found.met:
        raise SettingsError(
            f"No quality from {scale.lowest:g} to {scale.highest:g} gives {_wanted(target, value)} on this image: "
            f"the nearest gives {found.measured[found.number]:.4f}. Ask for another value, or use another codec or "
            "model."
        )
    end = scale.count if target == BPP else 0
    return FoundQuality(scale.at(found.number), samples[found.number], len(samples), found.number == end)


def _value(sample: Sample, target: Target) -> float:
    found = sample[BPP if target == BPP else PSNR]
    return math.inf if found is None else found


def _wanted(target: Target, value: float) -> str:
    return f"at most {value:g} bpp" if target == BPP else f"at least {value:g} dB"
