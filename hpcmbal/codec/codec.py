"""Compress an image to the bytes of a file, and decompress them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from hpcmbal.codec.bitstream import DEFAULT_PIXEL_LIMIT, MAX_SIDE, Container, Header, read_container, write_container
from hpcmbal.codec.codec_model import CodecModel, find_codec_model, load_codec_model
from hpcmbal.codec.plane import decode_plane, deflate, encode_plane, inflate
from hpcmbal.codec.tiles import analyse, synthesise
from hpcmbal.core.model.latent_codec import LATENT_STRIDE, decode_latents, encode_latents
from hpcmbal.errors import BitstreamError, DataError, SettingsError
from hpcmbal.images.picture import Picture, image_of, picture_of

METADATA_LIMIT = 64 << 20
"""Bytes to which an ICC profile or EXIF block may unpack."""
ALL_SCALES = 3


def compress(
    image: Image.Image,
    model: CodecModel | str | Path | None = None,
    quality: float | None = None,
    *,
    device: str = "cpu",
) -> bytes:
    """Compress an image.

    Args:
        image: Any single image that Pillow opens; see docs/format.md for what becomes of each mode.
        model: A loaded model, any name of one (see `hpcmbal.model_files.find`), or None for the packaged default.
        quality: 1 (smallest) to 100 (best), 50 if None; only for models of variable rate.
        device: Where to load a model that is not loaded yet.

    Returns:
        The bytes of a file.

    Raises:
        DataError: The image is animated, damaged or too large for the format.
        SettingsError: The quality is out of range, or the model has one rate.
        CheckpointError: There is no such model.
    """
    loaded = model if isinstance(model, CodecModel) else load_codec_model(model, device=device)
    return compress_picture(picture_of(image), loaded, quality)


def compress_picture(picture: Picture, model: CodecModel, quality: float | None = None) -> bytes:
    """Compress a picture, which was already converted from its image mode; see `compress`."""
    height, width = picture.pixels.shape[:2]
    if max(height, width) > MAX_SIDE:
        raise DataError(
            f"The image has {width} x {height} pixels; a side may have at most {MAX_SIDE:,}. Scale it down."
        )
    rate = model.rate_of(quality)
    y = analyse(model.network, picture.pixels, model.lmbda_of(rate))
    with torch.no_grad():
        z = model.network.h_a(y)
    (segments,) = encode_latents(model.exact, y, z).segments
    chunks = {}
    if picture.icc is not None:
        chunks["icc"] = deflate(picture.icc)
    if picture.exif is not None:
        chunks["exif"] = deflate(picture.exif)
    if picture.alpha is not None:
        chunks["alpha"] = encode_plane(picture.alpha)
    header = Header(model.model_id, width, height, rate, picture.gray)
    return write_container(Container(header, tuple(segments), chunks))


def decompress(
    data: bytes,
    *,
    model: CodecModel | str | Path | None = None,
    model_dirs: Sequence[str | Path] = (),
    scales: int = ALL_SCALES,
    allow_truncated: bool = False,
    pixel_limit: int = DEFAULT_PIXEL_LIMIT,
    device: str = "cpu",
) -> Image.Image:
    """Decompress the bytes of a file.

    Args:
        data: The file.
        model: The model that wrote it, loaded or by any of its names; found by the file's model id if None.
        model_dirs: Where to search for the model, before HPCMBAL_MODEL_DIR and the packaged ones.
        scales: How many scales to decode, 0 to 3; fewer give a preview, of which the missing latents are predicted.
        allow_truncated: Decode what is complete in a file that was cut off.
        pixel_limit: Largest number of pixels that is decoded.
        device: Where to load the model.

    Returns:
        An image of mode L, LA, RGB or RGBA, with ICC profile and EXIF in its `info`.

    Raises:
        BitstreamError: The file is damaged, cut off, of another version, too large, or of another model.
        CheckpointError: The model that wrote it was not found.
        SettingsError: `scales` is not 0 to 3.
    """
    container = read_container(data, allow_truncated=allow_truncated, pixel_limit=pixel_limit)
    if model is None:
        loaded = find_codec_model(container.header.model_id, model_dirs, device=device)
    elif isinstance(model, CodecModel):
        loaded = model
    else:
        loaded = load_codec_model(model, model_dirs=model_dirs, device=device)
    return image_of(decompress_container(container, loaded, scales))


def decompress_container(container: Container, model: CodecModel, scales: int = ALL_SCALES) -> Picture:
    """Decode a parsed file; see `decompress`."""
    if not 0 <= scales <= ALL_SCALES:
        raise SettingsError(f"--scales should be 0 to {ALL_SCALES}. Found {scales}.")
    header = container.header
    if model.model_id != header.model_id:
        raise BitstreamError(
            f"The file was written by the model {header.model_id.hex()}; {model.name} is {model.model_id.hex()}."
        )
    icc, exif = (_metadata(container, name) for name in ("icc", "exif"))
    alpha = None
    if "alpha" in container.chunks:
        alpha = decode_plane(container.chunks["alpha"], header.height, header.width)
    lmbda = model.lmbda_of(header.rate)
    multiple = model.network.variant.pad_multiple
    y_height, y_width = (-(-side // multiple) * multiple // LATENT_STRIDE for side in (header.height, header.width))
    y_hat = decode_latents(model.exact, [container.segments[: scales + 1]], y_height, y_width, model.device)
    pixels = synthesise(model.network, y_hat, (header.height, header.width), lmbda)
    if header.gray:
        pixels = np.rint(pixels.mean(axis=2, dtype=np.float32)).astype(np.uint8)
    return Picture(pixels, alpha, icc, exif)


def _metadata(container: Container, name: str) -> bytes | None:
    data = container.chunks.get(name)
    return None if data is None else inflate(data, METADATA_LIMIT, f"chunk {name}")
