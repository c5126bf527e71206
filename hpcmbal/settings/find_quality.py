"""Settings of `find-quality`."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field

from hpcmbal.errors import setting
from hpcmbal.settings.check import Contradiction
from hpcmbal.settings.section import CommandSettings, Device, PathText


class FindQualitySettings(CommandSettings):
    """Which quality gives a wanted rate or PSNR on one image: a target, and a model or an anchor.

    Without either, the default model is meant.
    """

    image: Path = Field(description="The image.")
    target_bpp: float | None = Field(None, gt=0, description="Best quality of at most so many bits per pixel.")
    target_psnr: float | None = Field(None, gt=0, description="Smallest file of at least this PSNR, in dB.")
    model: PathText | None = Field(
        None, description="A model of variable rate, by any of its names; else the default model."
    )
    anchor: str | None = Field(None, min_length=1, description="A classical codec, such as jpeg, in place of a model.")
    device: Device = Field("cpu", description="Where the model runs: auto, cpu, cuda, cuda:N.")

    def contradictions(self) -> list[Contradiction]:
        """See `CommandSettings`."""
        found = []
        for path, first, other, second in (
            ("target_bpp", self.target_bpp, "target_psnr", self.target_psnr),
            ("model", self.model, "anchor", self.anchor),
        ):
            if first is not None and second is not None:
                found.append(Contradiction(path, f"contradicts {setting(other)}; leave one of them out", (other,)))
            elif path == "target_bpp" and first is None and second is None:
                found.append(Contradiction(path, f"is missing; give either this or {setting(other)}", (other,)))
        return found
