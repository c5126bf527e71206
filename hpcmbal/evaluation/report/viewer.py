"""Pictures for the report's comparison viewer: the original, a model, and anchors at the nearest rate."""

from __future__ import annotations

import base64
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from hpcmbal.evaluation.codecs.image_codec import AdjustableCodec, CodedImage, ImageCodec
from hpcmbal.evaluation.curves.curve import BPP, Curve
from hpcmbal.images.image_file import read_rgb
from hpcmbal.images.psnr import psnr_db

if TYPE_CHECKING:
    from hpcmbal.evaluation.evaluation_images import EvaluationImages
    from hpcmbal.images.rgb_image import RgbImage

MAX_SIDE = 768
"""Larger images are cropped to their middle, or the report would grow to hundreds of megabytes."""

LEVELS = 3
"""Rates among which the reader may choose."""


@dataclass(frozen=True)
class Side:
    """One side of the slider.

    Attributes:
        label: Of the codec.
        caption: With its rate and PSNR on this image.
        source: The pixels, without loss, as a data URI.
    """

    label: str
    caption: str
    source: str


@dataclass(frozen=True)
class Level:
    """What can be compared at one rate.

    Attributes:
        label: The rate, in words.
        pictures: One for each codec.
    """

    label: str
    pictures: tuple[Side, ...]


@dataclass(frozen=True)
class ViewerImage:
    """One image of the viewer, with everything that can be compared on it."""

    name: str
    width: int
    height: int
    original: Side
    levels: tuple[Level, ...]


def viewer_images(
    images: EvaluationImages, codecs: Mapping[str, ImageCodec], curves: Sequence[Curve], count: int
) -> list[ViewerImage]:
    """Code the first `count` images again, for their pictures.

    The first curve that was measured here gives the rates: those of a low, the middle and a high point. The others show
    the nearest rate that they have on the same image: of all their qualities if they can be asked for any, else of
    their points.

    Args:
        images: The test images.
        codecs: By curve name; curves without a codec (published points) are left out.
        curves: In the order of the report.
        count: How many images; 0 for none.
    """
    chosen = [curve for curve in curves if curve.name in codecs]
    if not chosen:
        return []
    return [_viewer_image(images, index, codecs, chosen) for index in range(min(count, len(images.paths)))]


def nearest_coding(codec: ImageCodec, curve: Curve, image: RgbImage, name: str, bpp: float) -> CodedImage:
    """The image coded by `codec` at the rate that is nearest to `bpp`, by ratio."""
    point = nearest_point(curve, name, bpp)
    if not isinstance(codec, AdjustableCodec):
        return codec.code(image, point)
    scale, pixels = codec.scale, image.shape[0] * image.shape[1]
    tried: dict[int, CodedImage] = {}

    def rate(number: int) -> float:
        if number not in tried:
            tried[number] = codec.code_at(image, scale.at(number))
        return tried[number].file_bytes * 8 / pixels

    # Between the measured points around the wanted rate, the first quality that exceeds it, and the one before.
    numbers = [round(abs(quality - scale.lowest) / scale.step) for quality in codec.qualities]
    known = sorted((number, found or 0.0) for number, found in zip(numbers, curve.samples[name][BPP], strict=True))
    low = max((number for number, found in known if found <= bpp), default=0)
    high = min((number for number, found in known if found > bpp), default=scale.count)
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if rate(middle) > bpp else (middle, high)
    return tried[min((low, high), key=lambda number: _ratio(rate(number), bpp))]


def nearest_point(curve: Curve, image: str, bpp: float) -> int:
    """The operating point of `curve` whose rate on `image` is nearest to `bpp`, by ratio."""
    rates = curve.samples[image][BPP]
    return min(range(len(rates)), key=lambda point: _ratio(rates[point] or 0.0, bpp))


def _viewer_image(
    images: EvaluationImages, index: int, codecs: Mapping[str, ImageCodec], curves: Sequence[Curve]
) -> ViewerImage:
    image, name = read_rgb(images.paths[index]), images.names[index]
    first = curves[0].samples[name][BPP]
    order = sorted(range(len(first)), key=lambda point: first[point] or 0.0)
    shares = [(2 * level + 1) / (2 * LEVELS) for level in range(LEVELS)]
    points = list(dict.fromkeys(order[int(share * len(order))] for share in shares))
    levels = []
    for point in points:
        target = first[point] or 0.0
        coded = {curves[0].name: codecs[curves[0].name].code(image, point)}
        coded |= {curve.name: nearest_coding(codecs[curve.name], curve, image, name, target) for curve in curves[1:]}
        levels.append(Level(f"{target:.3f} bpp", tuple(_picture(label, image, item) for label, item in coded.items())))
    height, width = _middle(image).shape[:2]
    return ViewerImage(name, width, height, Side("Original", "Original", _data_uri(image)), tuple(levels))


def _picture(label: str, image: RgbImage, coded: CodedImage) -> Side:
    bpp = coded.file_bytes * 8 / (image.shape[0] * image.shape[1])
    psnr = psnr_db(image, coded.reconstruction)
    return Side(label, f"{label}: {bpp:.4f} bpp, {psnr:.2f} dB", _data_uri(coded.reconstruction))


def _ratio(rate: float, target: float) -> float:
    return max(rate, target) / max(min(rate, target), 1e-12)


def _middle(image: RgbImage) -> RgbImage:
    top, left = (max(side - MAX_SIDE, 0) // 2 for side in image.shape[:2])
    return image[top : top + MAX_SIDE, left : left + MAX_SIDE]


def _data_uri(image: RgbImage) -> str:
    from PIL import Image

    stream = io.BytesIO()
    Image.fromarray(_middle(image).copy()).save(stream, "WEBP", lossless=True, quality=50, method=2)
    return "data:image/webp;base64," + base64.b64encode(stream.getvalue()).decode()
