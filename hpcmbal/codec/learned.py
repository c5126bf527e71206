"""Pictures coded by a model: from pixels to the segments of a file and back."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from torch import Tensor

from hpcmbal.codec.bitstream import Container, write_container
from hpcmbal.codec.codec_model import CodecModel
from hpcmbal.codec.header import MAX_SIDE, RATE_STEPS, Header
from hpcmbal.codec.metadata import metadata_chunks, read_metadata, stored_source
from hpcmbal.codec.plane import decode_plane, encode_plane
from hpcmbal.codec.refine import Progress, refine_latents
from hpcmbal.codec.streaming import Pixels, analyse, encoder_dtype, synthesise
from hpcmbal.core.model.latent_codec import LATENT_STRIDE, decode_latents, encode_latents
from hpcmbal.errors import BitstreamError, DataError, SettingsError, setting
from hpcmbal.images.picture import Picture
from hpcmbal.images.psnr import mean_squared_error


@dataclass(frozen=True)
class Coded:
    """A picture as a model coded it.

    Attributes:
        container: The file.
        y_hat: Latents `[1, M, h, w]` that a decoder reads from it.
    """

    container: Container
    y_hat: Tensor


class LearnedEncoder:
    """Codes one picture with one model, at as many qualities as asked: `g_a` runs once, the gains follow.

    Args:
        picture: What to code.
        model: The model.
        precision: Of `g_a`: `auto` or `float32`, see `encoder_transform`.

    Raises:
        DataError: A side has more than 65,535 pixels.
    """

    def __init__(self, picture: Picture, model: CodecModel, precision: str = "auto") -> None:
        height, width = picture.pixels.shape[:2]
        if max(height, width) > MAX_SIDE:
            raise DataError(
                f"The image has {width} x {height} pixels; a side may have at most {MAX_SIDE:,}. Scale it down."
            )
        self.picture = picture
        self.model = model
        self._precision = precision

    def encode(self, rate: int) -> Coded:
        """The file at a rate of the header (see `CodecModel.rate_of`)."""
        y, z = self.latents(rate)
        return self.coded(y, z, rate)

    def latents(self, rate: int) -> tuple[Tensor, Tensor]:
        """`y` `[1, M, h, w]` and `z` `[1, N, h/4, w/4]` at a rate, before they are rounded."""
        network = self.model.network
        with torch.no_grad():
            y = network.scale(self._analysed, self.model.lmbda_of(rate))
            return y, network.h_a(y)

    def coded(self, y: Tensor, z: Tensor, rate: int) -> Coded:
        """The file of given latents, for example of refined ones."""
        height, width = self.picture.pixels.shape[:2]
        latents = encode_latents(self.model.exact, y, z)
        header = Header(self.model.model_id, width, height, rate, self.picture.gray, source=stored_source(self.picture))
        return Coded(Container(header, tuple(latents.segments[0]), self._chunks), latents.y_hat)

    def refined(self, rate: int, effort: int, progress: Progress | None = None) -> Coded:
        """The file at a rate, its latents refined by gradient; or as it is without, if that is better by J.

        Args:
            rate: See `encode`.
            effort: 0 to 9; the steps of each are in `hpcmbal.codec.refine`.
            progress: Is told how far it is.

        Raises:
            SettingsError: The model does not say at which lmbda it codes.
        """
        y, z = self.latents(rate)
        plain = self.coded(y, z, rate)
        if not effort:
            return plain
        lmbda = self.model.rates.lmbda_at(rate / RATE_STEPS if rate else None)
        if lmbda is None:
            raise SettingsError(
                f"{setting('effort', effort)} weighs bits against errors, and {self.model.name} does not say how: it "
                f"was not trained here. Leave {setting('effort')} out, or take another model."
            )
        dtype = encoder_dtype(self._precision, self.model.device)
        better = refine_latents(
            self.model.network, self._tile, y, z, lmbda=lmbda, effort=effort, dtype=dtype, progress=progress
        )
        refined = self.coded(*better, rate)
        return min(plain, refined, key=lambda coded: self.cost(coded, lmbda))

    def cost(self, coded: Coded, lmbda: float) -> float:
        """J of a file: its bits per pixel + lmbda * MSE, with the MSE in squared steps of 255."""
        height, width = self.picture.pixels.shape[:2]
        bpp = 8 * len(write_container(coded.container)) / (height * width)
        return bpp + lmbda * mean_squared_error(self.picture.pixels, self.pixels(coded))

    def _tile(self, part: tuple[slice, slice]) -> Tensor:
        """The picture where some latents are, `[1, 3, rows, columns]` in [0, 1], without what lies beyond its edge."""
        rows, columns = (slice(side.start * LATENT_STRIDE, side.stop * LATENT_STRIDE) for side in part)
        pixels = self.picture.pixels[rows, columns]
        planes = np.repeat(pixels[None], 3, axis=0) if pixels.ndim == 2 else pixels.transpose(2, 0, 1)
        return torch.from_numpy(np.ascontiguousarray(planes)).to(self.model.device).float()[None] / 255

    def pixels(self, coded: Coded) -> Pixels:
        """What a decoder makes of the file, `[H, W, 3]` or `[H, W]` uint8, without decoding its segments."""
        return _pixels(self.model, coded.y_hat, coded.container.header)

    @cached_property
    def _analysed(self) -> Tensor:
        """What `g_a` makes of the picture, before any gain."""
        multiple = self.model.network.variant.pad_multiple
        return analyse(self.model.encoder(self._precision), self.picture.pixels, multiple)

    @cached_property
    def _chunks(self) -> dict[str, bytes]:
        chunks = metadata_chunks(self.picture)
        if self.picture.alpha is not None:
            chunks["alpha"] = encode_plane(self.picture.alpha)
        return chunks


def decode_learned(container: Container, model: CodecModel, scales: int) -> Picture:
    """The picture of a file that a model coded.

    Args:
        container: The file.
        model: The model that wrote it.
        scales: How many scales to decode, 0 to 3; fewer give a preview.

    Raises:
        BitstreamError: The file is damaged, or was written by another model.
    """
    header = container.header
    if model.model_id != header.model_id:
        raise BitstreamError(
            f"The file was written by the model {header.model_id.hex()}; {model.name} is {model.model_id.hex()}."
        )
    metadata = read_metadata(container)
    alpha = None
    if "alpha" in container.chunks:
        alpha = decode_plane(container.chunks["alpha"], header.height, header.width)
    model.lmbda_of(header.rate)  # refuses a rate that does not suit the model, before anything is decoded
    multiple = model.network.variant.pad_multiple
    y_height, y_width = (-(-side // multiple) * multiple // LATENT_STRIDE for side in (header.height, header.width))
    y_hat = decode_latents(model.exact, [container.segments[: scales + 1]], y_height, y_width, model.device)
    return Picture(_pixels(model, y_hat, header), alpha, **metadata)


def _pixels(model: CodecModel, y_hat: Tensor, header: Header) -> Pixels:
    pixels = synthesise(model.network, y_hat, (header.height, header.width), model.lmbda_of(header.rate))
    if header.gray:
        pixels = np.rint(pixels.mean(axis=2, dtype=np.float32)).astype(np.uint8)
    return pixels
