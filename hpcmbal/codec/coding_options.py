"""How a picture is coded, as far as the caller chooses; checked in one place."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

from hpcmbal.codec.header import CodingMode
from hpcmbal.codec.targets import Target, is_number
from hpcmbal.errors import SettingsError, setting
from hpcmbal.settings.coding import HIGHEST_EFFORT, CompressSettings

ModeChoice = Literal["auto"] | CodingMode
Precision = Literal["auto", "float32"]
MODES: tuple[str, ...] = ("auto", *get_args(CodingMode))


@dataclass(frozen=True)
class CodingOptions:
    """How a picture is coded.

    Attributes:
        quality: 1 (smallest) to 100 (best), 50 if None; only for models of variable rate.
        target: What the file should reach, instead of a quality.
        mode: `learned`, by the model; `lossless`, exactly, for which no model is needed; or `auto`: lossless where the
            picture is drawn and that is no larger than the learned file.
        effort: 0 (one pass) to 9 (slowest, smallest): refine learned files before they are written.
        precision: Of the encoder's transform: `auto` is bfloat16 where the processor multiplies it; `float32` rounds
            so little that other processors nearly always write the same bytes. Decoders read both alike.

    Raises:
        SettingsError: A choice is out of range, or has no effect beside another.
    """

    quality: float | None = None
    target: Target | None = None
    mode: ModeChoice = "auto"
    effort: int = 0
    precision: Precision = "auto"

    def __post_init__(self) -> None:
        if self.mode not in MODES:
            raise SettingsError(f"{setting('mode')} should be one of {', '.join(MODES)}. Found {self.mode!r}.")
        if self.precision not in get_args(Precision):
            raise SettingsError(f"{setting('precision')} should be auto or float32. Found {self.precision!r}.")
        for name in ("quality", "effort"):
            value = getattr(self, name)
            if value is not None and (not is_number(value) or (name == "effort" and not isinstance(value, int))):
                raise SettingsError(f"{setting(name)} should be a number. Found {value!r}.")
        if self.target is not None and not isinstance(self.target, Target):
            raise SettingsError(f"{setting('target')} should be a Target, such as Target('bytes', 50_000).")
        precision = None if self.precision == "auto" else self.precision
        given = {
            "quality": self.quality,
            "target": self.target,
            "effort": self.effort or None,
            "precision": precision,
        }
        vain = [name for name, value in given.items() if value is not None]
        if self.mode == "lossless" and vain:
            raise SettingsError(
                f"A lossless file keeps every pixel: {' and '.join(map(setting, vain))} cannot change it."
            )
        if self.quality is not None and self.target is not None:
            raise SettingsError(f"Give {setting('quality')} or a target for it to be found, not both.")
        if not 0 <= self.effort <= HIGHEST_EFFORT:
            raise SettingsError(f"{setting('effort')} should be 0 to {HIGHEST_EFFORT}. Found {self.effort}.")


def coding_options(settings: CompressSettings) -> CodingOptions:
    """The choices that the settings of `compress` make."""
    mode: ModeChoice = "lossless" if settings.lossless else "learned" if settings.lossy else "auto"
    target = None
    if settings.target_bytes is not None:
        target = Target("bytes", settings.target_bytes)
    elif settings.target_bpp is not None:
        target = Target("bpp", settings.target_bpp)
    elif settings.target_psnr is not None:
        target = Target("psnr", settings.target_psnr)
    return CodingOptions(settings.quality, target, mode, settings.effort, settings.precision)
