"""Compress an image to the bytes of a file, and decompress them. Imports torch only when a model codes."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Literal, get_args

from PIL import Image

from hpcmbal.codec.bitstream import Container, read_container, write_container
from hpcmbal.codec.drawn import may_be_drawn
from hpcmbal.codec.header import DEFAULT_PIXEL_LIMIT, CodingMode
from hpcmbal.codec.lossless import decode_lossless, encode_lossless, lossless_is_available
from hpcmbal.errors import SettingsError
from hpcmbal.images.picture import Picture, image_of, picture_of

if TYPE_CHECKING:
    from hpcmbal.codec.codec_model import CodecModel

ModeChoice = Literal["auto"] | CodingMode
MODES: tuple[str, ...] = ("auto", *get_args(CodingMode))
ALL_SCALES = 3


def compress(
    image: Image.Image,
    model: CodecModel | str | Path | None = None,
    quality: float | None = None,
    *,
    mode: ModeChoice = "auto",
    device: str = "cpu",
) -> bytes:
    """Compress an image.

    Args:
        image: Any single image that Pillow opens; see docs/format.md for what becomes of each image mode.
        model: A loaded model, any name of one (see `hpcmbal.model_files.find`), or None for the packaged default.
        quality: 1 (smallest) to 100 (best), 50 if None; only for models of variable rate.
        mode: `learned`, by the model; `lossless`, exactly, for which no model is loaded; or `auto`: lossless where the
            picture is drawn and that is no larger than the learned file.
        device: Where to load a model that is not loaded yet.

    Returns:
        The bytes of a file.

    Raises:
        DataError: The image is animated, damaged or too large for the format.
        SettingsError: The quality is out of range, the model has one rate, or a quality was given for `lossless`.
        CheckpointError: There is no such model.
    """
    check_mode(mode, quality)
    picture = picture_of(image)
    if mode == "lossless":
        return compress_picture(picture, None, mode=mode)
    from hpcmbal.codec.codec_model import CodecModel, load_codec_model

    loaded = model if isinstance(model, CodecModel) else load_codec_model(model, device=device)
    return compress_picture(picture, loaded, quality, mode=mode)


def compress_picture(
    picture: Picture, model: CodecModel | None, quality: float | None = None, *, mode: ModeChoice = "auto"
) -> bytes:
    """Compress a picture, which was already converted from its image mode; see `compress`.

    Args:
        picture: What to code.
        model: Needed unless `mode` is `lossless`.
        quality: Of the learned file.
        mode: See `compress`.
    """
    check_mode(mode, quality)
    if mode == "lossless":
        return write_container(encode_lossless(picture))
    if model is None:
        raise SettingsError(f"Mode {mode} needs a model. Give one, or choose the mode lossless.")
    from hpcmbal.codec.learned import encode_learned

    learned = write_container(encode_learned(picture, model, quality))
    return learned if mode == "learned" else smaller(picture, learned)


def smaller(picture: Picture, learned: bytes) -> bytes:
    """The lossless file of a drawn picture, if it is no larger than its learned one; else the learned one."""
    if not (may_be_drawn(picture.pixels) and lossless_is_available()):
        return learned
    lossless = write_container(encode_lossless(picture))
    return lossless if len(lossless) <= len(learned) else learned


def check_mode(mode: str, quality: float | None) -> None:
    """Check a coding mode against the other choices.

    Raises:
        SettingsError: There is no such mode, or a quality was given for pixels that are kept exactly.
    """
    if mode not in MODES:
        raise SettingsError(f"The mode should be one of {', '.join(MODES)}. Found {mode!r}.")
    if mode == "lossless" and quality is not None:
        raise SettingsError(
            f"A lossless file keeps every pixel: quality {quality:g} has no effect. Leave --quality out, or --lossless."
        )


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
        model: The model that wrote it, loaded or by any of its names; found by the file's model id if None. A lossless
            file needs none.
        model_dirs: Where to search for the model, before HPCMBAL_MODEL_DIR and the packaged ones.
        scales: How many scales to decode, 0 to 3; fewer give a preview, of which the missing latents are predicted.
            A lossless file has none, and is always decoded whole.
        allow_truncated: Decode what is complete in a file that was cut off.
        pixel_limit: Largest number of pixels that is decoded.
        device: Where to load the model.

    Returns:
        An image of mode L, LA, RGB or RGBA, with ICC profile, EXIF and XMP in its `info`.

    Raises:
        BitstreamError: The file is damaged, cut off, of another version, too large, or of another model.
        CheckpointError: The model that wrote it was not found.
        SettingsError: `scales` is not 0 to 3.
    """
    container = read_container(data, allow_truncated=allow_truncated, pixel_limit=pixel_limit)
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
    if not 0 <= scales <= ALL_SCALES:
        raise SettingsError(f"--scales should be 0 to {ALL_SCALES}. Found {scales}.")
    if container.header.lossless:
        return decode_lossless(container)
    from hpcmbal.codec.codec_model import CodecModel, find_codec_model, load_codec_model
    from hpcmbal.codec.learned import decode_learned

    if model is None:
        model = find_codec_model(container.header.model_id, model_dirs, device=device)
    elif not isinstance(model, CodecModel):
        model = load_codec_model(model, model_dirs=model_dirs, device=device)
    return decode_learned(container, model, scales)
