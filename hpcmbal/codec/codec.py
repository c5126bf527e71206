"""Compress an image to the bytes of a file, and decompress them. Imports torch only when a model codes."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from PIL import Image

from hpcmbal.codec.bitstream import Container, read_container, write_container
from hpcmbal.codec.coding_options import CodingOptions, ModeChoice, Precision
from hpcmbal.codec.drawn import may_be_drawn
from hpcmbal.codec.freed_memory import after_picture
from hpcmbal.codec.header import RATE_STEPS
from hpcmbal.codec.lossless import decode_lossless, encode_lossless, lossless_is_available
from hpcmbal.codec.targets import OutOfReachError, Target, reach
from hpcmbal.core.scales import SEGMENTS
from hpcmbal.errors import DataError, SettingsError, setting
from hpcmbal.images.picture import Picture, PictureWarning, image_of, picture_of
from hpcmbal.settings.coding import ALL_SCALES

if TYPE_CHECKING:
    from hpcmbal.codec.codec_model import CodecModel


_PARTS = {"icc": "ICC profile", "exif": "EXIF", "xmp": "XMP"}
"""Parts of a file by the names that people know."""


@dataclass(frozen=True)
class Compressed:
    """A compressed picture.

    Attributes:
        data: The bytes of the file.
        quality: That it was coded at; None if it is lossless, or the model has one rate.
        trials: How many times it was coded to find that quality; 0 if none was looked for.
        lossless: Every pixel is kept.
    """

    data: bytes
    quality: float | None = None
    trials: int = 0
    lossless: bool = False


def compress(
    image: Image.Image,
    model: CodecModel | str | Path | None = None,
    quality: float | None = None,
    *,
    mode: ModeChoice = "auto",
    target: Target | None = None,
    effort: int = 0,
    precision: Precision = "auto",
    device: str = "cpu",
) -> bytes:
    """Compress an image.

    Args:
        image: Any single image that Pillow opens; see docs/format.md for what becomes of each image mode.
        model: A loaded model, any name of one (see `hpcmbal.model_files.find`), or None for the packaged default.
        quality: See `CodingOptions`; likewise `mode`, `target`, `effort` and `precision`.
        mode: For `lossless` no model is loaded.
        target: For example `Target("bytes", 20_000)`.
        effort: Of the encoder; files of all efforts are decoded alike.
        precision: Of the encoder's transform; likewise.
        device: Where to load a model that is not loaded yet.

    Returns:
        The bytes of a file.

    Raises:
        DataError: The image is animated, damaged or too large for the format.
        SettingsError: A choice is out of range, the model has one rate, or no quality reaches the target.
        CheckpointError: There is no such model.
    """
    options = CodingOptions(quality, target, mode, effort, precision)
    picture = picture_of(image)
    if mode == "lossless":
        return code_picture(picture, None, options).data
    from hpcmbal.codec.codec_model import CodecModel, load_codec_model

    loaded = model if isinstance(model, CodecModel) else load_codec_model(model, device=device)
    return code_picture(picture, loaded, options).data


def compress_picture(
    picture: Picture, model: CodecModel | None, quality: float | None = None, *, mode: ModeChoice = "auto"
) -> bytes:
    """Compress a picture, which was already converted from its image mode; see `compress`."""
    return code_picture(picture, model, CodingOptions(quality, mode=mode)).data


def code_picture(
    picture: Picture, model: CodecModel | None, options: CodingOptions, progress: Callable[[float], None] | None = None
) -> Compressed:
    """Compress a picture, and say how; see `compress`.

    Args:
        picture: What to code.
        model: Needed unless the mode is `lossless`.
        options: How to code it.
        progress: Is told the share of an effort that is done, 0 to 1.
    """
    if options.mode == "lossless":
        if picture.reduced:
            raise DataError(
                f"The image has {picture.reduced}, which 8-bit RGB or gray cannot keep exactly. Leave "
                f"{setting('lossless')} out, or convert it first."
            )
        return Compressed(write_container(encode_lossless(picture)), lossless=True)
    if model is None:
        raise SettingsError(f"Mode {options.mode} needs a model. Give one, or choose the mode lossless.")
    exact = exact_if_drawn(picture) if options.mode == "auto" else None
    target, pixels = options.target, picture.pixels.shape[0] * picture.pixels.shape[1]
    if exact is not None and target is not None and target.allows(len(exact.data), pixels):
        return exact
    try:
        learned = _learned(picture, model, options, progress)
    except OutOfReachError:
        if exact is not None and target is not None and target.kind == "psnr":
            return exact
        raise
    finally:
        after_picture()
    return learned if exact is None or len(exact.data) > len(learned.data) else exact


def exact_if_drawn(picture: Picture) -> Compressed | None:
    """The lossless file of a picture that may be drawn."""
    if not (may_be_drawn(picture.pixels) and lossless_is_available()):
        return None
    return Compressed(write_container(encode_lossless(picture)), lossless=True)


def _learned(
    picture: Picture, model: CodecModel, options: CodingOptions, progress: Callable[[float], None] | None
) -> Compressed:
    from hpcmbal.codec.learned import LearnedEncoder

    encoder = LearnedEncoder(picture, model, options.precision)
    target, trials = options.target, 0
    if target is None:
        rate = model.rate_of(options.quality)
        coded = encoder.refined(rate, options.effort, progress)
    else:
        reached = reach(encoder, target)
        coded, rate, trials = reached.coded, reached.rate, reached.trials
        if options.effort:
            refined = encoder.refined(rate, options.effort, progress)
            coded = refined if target.met_by(encoder, refined) else coded
    return Compressed(write_container(coded.container), rate / RATE_STEPS or None, trials)


def decompress(
    data: bytes,
    *,
    model: CodecModel | str | Path | None = None,
    model_dirs: Sequence[str | Path] = (),
    scales: int = ALL_SCALES,
    allow_truncated: bool = False,
    pixel_limit: int | None = None,
    device: str = "cpu",
) -> Image.Image:
    """Decompress the bytes of a file.

    Args:
        data: The file.
        model: The model that wrote it, loaded or by any of its names; found by the file's model id if None. A lossless
            file needs none.
        model_dirs: Where to search for the model, before HPCMBAL_MODEL_DIR and the packaged ones.
        scales: How many scales to decode, 0 to 3; fewer give a preview, of which the missing latents are predicted.
            A lossless file has none, and is always decoded whole.
        allow_truncated: Decode what is complete in a file that was cut off.
        pixel_limit: Largest number of pixels that is decoded; HPCMBAL_MAX_PIXELS or 178,956,970 if None.
        device: Where to load the model.

    Returns:
        An image of mode L, LA, RGB or RGBA, with ICC profile, EXIF and XMP in its `info`.

    Raises:
        DataError: `data` is no bytes.
        BitstreamError: The file is damaged, cut off, of another version, too large, or of another model.
        CheckpointError: The model that wrote it was not found.
        SettingsError: `scales` is not 0 to 3.
    """
    if not isinstance(data, bytes | bytearray | memoryview):
        raise DataError(f"The bytes of a file are needed. Found {type(data).__name__}. Read the file first.")
    container = read_container(bytes(data), allow_truncated=allow_truncated, pixel_limit=pixel_limit)
    return image_of(decompress_container(container, model, scales, model_dirs=model_dirs, device=device))


def decompress_container(
    container: Container,
    model: CodecModel | str | Path | None = None,
    scales: int = ALL_SCALES,
    *,
    model_dirs: Sequence[str | Path] = (),
    device: str = "cpu",
) -> Picture:
    """Decode a parsed file; see `decompress`."""
    if type(scales) is not int or not 0 <= scales <= ALL_SCALES:
        raise SettingsError(f"{setting('scales')} should be 0 to {ALL_SCALES}. Found {scales!r}.")
    missing = [_PARTS.get(part, part) for part in container.missing if part not in SEGMENTS[scales + 1 :]]
    if missing:
        warnings.warn(f"The file is cut off; missing: {', '.join(missing)}.", PictureWarning, stacklevel=2)
    if container.header.lossless:
        return decode_lossless(container)
    from hpcmbal.codec.codec_model import CodecModel, find_codec_model, load_codec_model
    from hpcmbal.codec.learned import decode_learned

    if model is None:
        model = find_codec_model(container.header.model_id, model_dirs, device=device)
    elif not isinstance(model, CodecModel):
        model = load_codec_model(model, model_dirs=model_dirs, device=device)
    try:
        return decode_learned(container, model, scales)
    finally:
        after_picture()
