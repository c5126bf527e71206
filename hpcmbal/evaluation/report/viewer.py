"""Pictures for the report's comparison viewer: the original, a model, and anchors at the nearest rate."""

from __future__ import annotations

import base64
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from hpcmbal.evaluation.curves.curve import BPP, PSNR, Curve
from hpcmbal.images.image_file import read_rgb

if TYPE_CHECKING:
    from hpcmbal.evaluation.codecs.image_codec import ImageCodec
    from hpcmbal.evaluation.runner import TestImages
    from hpcmbal.images.rgb_image import RgbImage

MAX_SIDE = 1024
"""Larger images are cropped to their middle, or the report would grow to hundreds of megabytes."""


@dataclass(frozen=True)
class Picture:
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
class ViewerImage:
    """One image of the viewer, with everything that can be compared on it."""

    name: str
    width: int
    height: int
    pictures: tuple[Picture, ...]


def viewer_images(
    images: TestImages, codecs: Mapping[str, ImageCodec], curves: Sequence[Curve], count: int
) -> list[ViewerImage]:
    """Code the first `count` images again, for their pictures.

    The first curve that was measured here gives the rate: that of its middle point. The others show their point of the
    nearest rate on the same image.

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


def nearest_point(curve: Curve, image: str, bpp: float) -> int:
    """The operating point of `curve` whose rate on `image` is nearest to `bpp`, by ratio."""
    rates = curve.samples[image][BPP]
    return min(range(len(rates)), key=lambda point: _ratio(rates[point] or 0.0, bpp))


def _viewer_image(
    images: TestImages, index: int, codecs: Mapping[str, ImageCodec], curves: Sequence[Curve]
) -> ViewerImage:
    image, name = read_rgb(images.paths[index]), images.names[index]
    first = curves[0].samples[name][BPP]
    middle = sorted(range(len(first)), key=lambda point: first[point] or 0.0)[len(first) // 2]
    target = first[middle] or 0.0
    pictures = [Picture("Original", "Original", _data_uri(image))]
    for curve in curves:
        point = middle if curve is curves[0] else nearest_point(curve, name, target)
        coded = codecs[curve.name].code(image, point)
        columns = curve.samples[name]
        caption = f"{curve.name}: {columns[BPP][point]:.4f} bpp, {columns[PSNR][point]:.2f} dB"
        pictures.append(Picture(curve.name, caption, _data_uri(coded.reconstruction)))
    height, width = _middle(image).shape[:2]
    return ViewerImage(name, width, height, tuple(pictures))


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
