"""A wanted size or PSNR instead of a quality: which quality reaches it, found with a few codings of one analysis."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, get_args

from hpcmbal.codec.bitstream import write_container
from hpcmbal.codec.header import RATE_MAX, RATE_STEPS
from hpcmbal.codec.quality_search import Found, Goal, search_quality
from hpcmbal.errors import SettingsError, setting
from hpcmbal.images.psnr import psnr_db

if TYPE_CHECKING:
    from hpcmbal.codec.codec_model import CodecModel
    from hpcmbal.codec.learned import Coded, LearnedEncoder

TargetKind = Literal["bytes", "bpp", "psnr"]
RATE_TOLERANCE = 0.005
"""The search ends as soon as a file is at most this share smaller than what was allowed."""
PSNR_TOLERANCE_DB = 0.02
RATE_RESOLUTION = RATE_STEPS // 8
"""Qualities closer than an eighth are as good as each other."""


def is_number(value: object) -> bool:
    """Whether a choice is a number, which True and a text are not."""
    return isinstance(value, int | float) and not isinstance(value, bool)


@dataclass(frozen=True)
class Target:
    """What a file should reach.

    Attributes:
        kind: `bytes` or `bpp`, bits per pixel, of the whole file: the best quality that needs at most `value`.
            `psnr`, in dB over all channels: the smallest file that has at least `value`.
        value: Positive.

    Raises:
        SettingsError: The value is not a positive number.
    """

    kind: TargetKind
    value: float

    def __post_init__(self) -> None:
        if self.kind not in get_args(TargetKind):
            raise SettingsError(f"A target should be one of {', '.join(get_args(TargetKind))}. Found {self.kind!r}.")
        if not is_number(self.value) or not 0 < self.value < float("inf"):
            raise SettingsError(f"{setting(f'target_{self.kind}')} should be a positive number. Found {self.value!r}.")

    def goal(self, pixels: int) -> Goal:
        """What the search looks for in a picture, or pictures, of so many pixels: bytes, or dB."""
        if self.kind == "psnr":
            return Goal(self.value, at_most=False, tolerance=PSNR_TOLERANCE_DB, resolution=RATE_RESOLUTION)
        allowed = self.value if self.kind == "bytes" else self.value * pixels / 8
        return Goal(allowed, at_most=True, tolerance=RATE_TOLERANCE, resolution=RATE_RESOLUTION)

    def allows(self, size_bytes: int, pixels: int) -> bool:
        """Whether a file of this size, whose pixels are exact, is the best that was asked for."""
        return self.kind != "psnr" and self.goal(pixels).met_by(size_bytes)

    def measure(self, encoder: LearnedEncoder, coded: Coded) -> float:
        """Bytes, or dB, of a coded picture."""
        if self.kind == "psnr":
            return psnr_db(encoder.picture.pixels, encoder.pixels(coded))
        return len(write_container(coded.container))

    def met_by(self, encoder: LearnedEncoder, coded: Coded) -> bool:
        """Whether a coded picture reaches it."""
        height, width = encoder.picture.pixels.shape[:2]
        return self.goal(height * width).met_by(self.measure(encoder, coded))

    def told(self, found: float, pixels: int) -> str:
        """A value that a search measured, in the target's unit."""
        match self.kind:
            case "bytes":
                return f"{found:,.0f} bytes"
            case "bpp":
                return f"{8 * found / pixels:.4f} bpp"
            case _:
                return f"{found:.2f} dB"


class OutOfReachError(SettingsError):
    """No quality of the model reaches a target."""


@dataclass(frozen=True)
class Reached:
    """The file that a search ended with.

    Attributes:
        coded: It.
        rate: Its rate (see `CodecModel.rate_of`).
        trials: How many times the picture was coded.
    """

    coded: Coded
    rate: int
    trials: int


def reach(encoder: LearnedEncoder, target: Target) -> Reached:
    """Code a picture at the quality that suits a target.

    Raises:
        SettingsError: The model has one rate.
        OutOfReachError: No quality reaches the target; the message gives what they reach.
    """
    coded: dict[int, Coded] = {}

    def measure(rate: int) -> float:
        coded.clear()  # only the last one can be the answer, or the one before is coded again
        coded[rate] = encoder.encode(rate)
        return target.measure(encoder, coded[rate])

    height, width = encoder.picture.pixels.shape[:2]
    rate, found = search_rate(encoder.model, measure, target, height * width)
    return Reached(coded[rate] if rate in coded else encoder.encode(rate), rate, len(found.measured))


def search_rate(model: CodecModel, measure: Callable[[int], float], target: Target, pixels: int) -> tuple[int, Found]:
    """The rate of a header that suits a target.

    Args:
        model: Of variable rate.
        measure: Bytes, or dB, at a rate.
        target: What is wanted.
        pixels: Of all pictures that are measured.

    Raises:
        SettingsError: The model has one rate.
        OutOfReachError: No quality reaches the target.
    """
    check_variable(model, f"target_{target.kind}")
    found = search_quality(lambda number: measure(RATE_STEPS + number), RATE_MAX - RATE_STEPS, target.goal(pixels))
    if not found.met:
        end, what, ask = (RATE_MAX, "at most", "less") if target.kind == "psnr" else (RATE_STEPS, "at least", "more")
        reached = target.told(found.measured[end - RATE_STEPS], pixels)
        wanted = setting(f"target_{target.kind}", f"{target.value:.15g}")
        raise OutOfReachError(
            f"{wanted} is out of reach: {model.name} gives {what} {reached} here, at quality {end // RATE_STEPS}. "
            f"Ask for {ask}."
        )
    return RATE_STEPS + found.number, found


def check_variable(model: CodecModel, target: str | None) -> None:
    """Check that a model has qualities to choose from; `target` is the setting that asks for one.

    Raises:
        SettingsError: It has one rate.
    """
    if target is not None and not model.variable_rate:
        raise SettingsError(
            f"{model.name} has {model.rates}, so there is no quality to find. Leave {setting(target)} out, or take "
            "another model."
        )
