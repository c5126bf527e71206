"""Where a model spends its bits on one picture, and where it errs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from PIL import Image

from hpcmbal.codec.codec import compress, decompress
from hpcmbal.codec.codec_model import CodecModel
from hpcmbal.core.loss.bands import COARSE_BLOCK
from hpcmbal.core.model.estimate import check_finite, estimate
from hpcmbal.core.scales import SCALES
from hpcmbal.evaluation.image_tensor import image_tensor
from hpcmbal.images.psnr import psnr_db
from hpcmbal.images.rgb_image import RgbImage

Map = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Preview:
    """What a decoder shows that has read the file up to some scale.

    Attributes:
        image: `[H, W, 3]` uint8.
        file_bytes: Of the file so far, with its header.
        psnr_db: Against the original.
    """

    image: RgbImage
    file_bytes: int
    psnr_db: float


@dataclass(frozen=True)
class Inspection:
    """One picture through one model.

    Attributes:
        original: `[H, W, 3]` uint8.
        bits: By segment (z, s1, s2, s3), the bits of each block, estimated from likelihoods. `[h, w]`, of whole blocks,
            which may reach over the picture's border at the right and bottom.
        blocks: By segment, the side of its blocks in pixels.
        channel_bits: By scale, bits of each latent channel, `[M]`.
        errors: `coarse` and `fine`, root mean square over the colours, in levels of 8 bits, `[H, W]`; their squares add
            up to that of the whole error, within each block of 4x4 pixels.
        previews: By the last segment that was read.
    """

    original: RgbImage
    bits: Mapping[str, Map]
    blocks: Mapping[str, int]
    channel_bits: Mapping[str, Map]
    errors: Mapping[str, Map]
    previews: Mapping[str, Preview]

    @property
    def bpp(self) -> float:
        """Estimated bits per pixel, of the padded picture as it would be coded."""
        return sum(float(values.sum()) for values in self.bits.values()) / self.original[..., 0].size


def inspect_image(model: CodecModel, image: RgbImage, quality: float | None = None) -> Inspection:
    """Look at one picture.

    Args:
        model: The model.
        image: `[H, W, 3]` uint8.
        quality: 1 to 100, 50 if None; None for models of one rate.

    Raises:
        NumericalError: The network returned NaN or infinity.
        SettingsError: The model does not have that quality.
    """
    network = model.network
    x = image_tensor(image, model.device)
    output = estimate(network, x, network.rates.lmbda_at(quality))
    check_finite(output, f"an image of {image.shape[1]}x{image.shape[0]} pixels")
    y_bits, z_bits = (-output["likelihoods"][name][0].double().log2() for name in ("y", "z"))
    plan = network.plan(y_bits.shape[1], y_bits.shape[2], y_bits.device)
    bits, channel_bits = {"z": _plain(z_bits.sum(0))}, {}
    for name, positions in zip(SCALES, plan.coding_order.split(list(plan.scale_sizes)), strict=True):
        part = torch.zeros_like(y_bits).flatten()
        part[positions] = y_bits.flatten()[positions]
        part = part.view_as(y_bits)
        bits[name], channel_bits[name] = _plain(part.sum(0)), _plain(part.sum((1, 2)))
    multiple = network.variant.pad_multiple
    padded = -(-image.shape[0] // multiple) * multiple
    previews = _previews(model, image, quality)
    return Inspection(
        image,
        bits,
        {name: padded // values.shape[0] for name, values in bits.items()},
        channel_bits,
        error_bands(image, previews[SCALES[-1]].image),
        previews,
    )


def error_bands(image: RgbImage, other: RgbImage) -> dict[str, Map]:
    """The error's means over blocks of 4x4 pixels, and what is left; root mean square over the colours, `[H, W]`.

    At the right and bottom border, blocks are as large as there are pixels.
    """
    error = other.astype(np.float64) - image
    height, width = error.shape[:2]
    rows, columns = (np.arange(0, side, COARSE_BLOCK) for side in (height, width))
    sums = np.add.reduceat(np.add.reduceat(error, rows, axis=0), columns, axis=1)
    counts = np.outer(np.diff([*rows, height]), np.diff([*columns, width]))[..., None]
    means = np.repeat(np.repeat(sums / counts, COARSE_BLOCK, axis=0), COARSE_BLOCK, axis=1)[:height, :width]
    bands = {"coarse": means, "fine": error - means}
    return {name: np.sqrt((band**2).mean(axis=2)) for name, band in bands.items()}


def _previews(model: CodecModel, image: RgbImage, quality: float | None) -> dict[str, Preview]:
    from hpcmbal.codec.bitstream import read_container

    data = compress(Image.fromarray(image), model, quality, mode="learned")
    sizes = [len(segment.data) for segment in read_container(data).segments]
    header = len(data) - sum(sizes)
    previews = {}
    for count, name in enumerate(("z", *SCALES)):
        pixels = np.array(decompress(data, model=model, scales=count).convert("RGB"))
        previews[name] = Preview(pixels, header + sum(sizes[: count + 1]), psnr_db(image, pixels))
    return previews


def _plain(values: torch.Tensor) -> Map:
    plain: Map = values.cpu().numpy()
    return plain
