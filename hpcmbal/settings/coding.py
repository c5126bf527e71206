"""Settings of `compress` and `decompress`: which files, where to, and how they are coded."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, ClassVar, Literal

from pydantic import AfterValidator, BeforeValidator, Field, field_validator

from hpcmbal.errors import setting
from hpcmbal.settings import choices
from hpcmbal.settings.check import Condition, Contradiction
from hpcmbal.settings.engine import EngineSettings
from hpcmbal.settings.section import CommandSettings, Device, Paths, PathText, Quality, no_url

STANDARD_STREAM = "-"
"""Stands for standard input or standard output."""
ALL_SCALES = 3
HIGHEST_EFFORT = 9
TARGETS = ("target_bytes", "target_bpp", "target_psnr")

Place = Annotated[
    PathText,
    BeforeValidator(lambda value: os.fspath(value) if isinstance(value, os.PathLike) else value),
    AfterValidator(no_url),
]
"""A path as it was typed, so that a slash at its end is not lost: that says that it is a folder."""


class FilesSettings(CommandSettings):
    """Files in, files out."""

    inputs: Paths = Field(description="Files, or folders of files; '-' is standard input.")
    output: Place | None = Field(
        None,
        description="File, or with several inputs (or a slash at the end) folder; '-' is standard output; "
        "beside each input if not given.",
    )
    recursive: bool = Field(False, description="Take the subfolders of folders too; the output keeps their tree.")
    force: bool = Field(False, description="Overwrite outputs that exist.")
    skip_existing: bool = Field(False, description="Leave out inputs whose output exists.")
    max_pixels: int | None = Field(
        None,
        ge=1,
        description="Refuse pictures with more pixels (width times height); HPCMBAL_MAX_PIXELS, or 178,956,970, if "
        "not given.",
    )

    @field_validator("inputs")
    @classmethod
    def _some(cls, value: tuple[Path, ...]) -> tuple[Path, ...]:
        if not value:
            raise ValueError("must be at least one file or folder")
        return value

    @property
    def streams(self) -> bool:
        """Whether standard input or output takes part."""
        return Path(STANDARD_STREAM) in self.inputs or self.output == STANDARD_STREAM

    @property
    def writes_stream(self) -> bool:
        """Whether the output is standard output."""
        return self.output == STANDARD_STREAM or (self.output is None and self.inputs == (Path(STANDARD_STREAM),))

    def contradictions(self) -> list[Contradiction]:
        """See `CommandSettings`."""
        found = super().contradictions()
        if Path(STANDARD_STREAM) in self.inputs and len(self.inputs) > 1:
            found.append(Contradiction("inputs", "'-' (standard input) stands alone; leave the other inputs out"))
        if self.output == STANDARD_STREAM and len(self.inputs) > 1:
            found.append(Contradiction("output", "standard output takes one file; give a folder", ("inputs",)))
        if self.force and self.skip_existing:
            rule = f"contradicts {setting('skip_existing')}; leave one of them out"
            found.append(Contradiction("force", rule, ("skip_existing",)))
        return found


class CompressSettings(FilesSettings, EngineSettings):
    """Images to `.hpcm` files."""

    model: PathText | None = Field(None, description=f"{choices.MODEL_HELP}; else the default.")
    quality: Quality | None = Field(
        None, description="1 (smallest) to 100 (best), 50 if not given; for models of variable rate."
    )
    target_bytes: int | None = Field(None, ge=1, description="Find the best quality of files of at most so many bytes.")
    target_bpp: float | None = Field(
        None, gt=0, allow_inf_nan=False, description="Find the best quality of at most so many bits per pixel."
    )
    target_psnr: float | None = Field(
        None, gt=0, allow_inf_nan=False, description="Find the smallest files of at least so many dB."
    )
    total: bool = Field(False, description="The target is for all files together, coded at one quality.")
    lossless: bool = Field(False, description="Keep every pixel exactly; needs no model.")
    lossy: bool = Field(False, description="Never keep pixels exactly, not even of drawn pictures.")
    effort: int = Field(
        0, ge=0, le=HIGHEST_EFFORT, description="0 to 9: refine before coding; slower, and smaller at equal quality."
    )
    precision: Literal["auto", "float32"] = Field(
        "auto",
        description="Of the encoder: auto is bfloat16 where that is faster; with float32, other processors nearly "
        "always write the same bytes.",
    )
    verify: bool = Field(
        False, description="Decode every file again and report its PSNR, or that it is exact; an error if it does not."
    )

    takes_effect_if: ClassVar[Mapping[str, tuple[Condition, ...]]] = {
        **EngineSettings.takes_effect_if,
        **dict.fromkeys(("quality", "effort", "precision", "model", *TARGETS), (Condition("lossless", (False,)),)),
    }

    @property
    def target(self) -> str | None:
        """The name of the target that is given, if one is."""
        return next((name for name in TARGETS if getattr(self, name) is not None), None)

    def contradictions(self) -> list[Contradiction]:
        """See `CommandSettings`."""
        found = super().contradictions()
        if self.engine == "ray" and self.streams:
            rule = "cannot do a standard stream ('-'), which other machines do not have; leave it out"
            found.append(Contradiction("engine", rule, ("inputs", "output")))
        if self.lossless and self.lossy:
            rule = f"contradicts {setting('lossy')}; leave one of them out"
            found.append(Contradiction("lossless", rule, ("lossy",)))
        given = [name for name in ("quality", *TARGETS) if getattr(self, name) is not None]
        for name in given[1:]:
            rule = f"contradicts {setting(given[0])}; leave one of them out"
            found.append(Contradiction(name, rule, (given[0],)))
        if self.total and self.target not in ("target_bytes", "target_bpp"):
            rule = f"needs {setting('target_bytes')} or {setting('target_bpp')}, of which files have a sum"
            found.append(Contradiction("total", rule, TARGETS))
        if self.total and self.effort:
            rule = f"finds the quality of single passes, beyond which {setting('effort')} may go; leave one of them out"
            found.append(Contradiction("total", rule, ("effort",)))
        if self.total and self.engine == "ray":
            rule = f"looks at all files together; use {setting('engine', 'local')}"
            found.append(Contradiction("total", rule, ("engine",)))
        return found


class DecompressSettings(FilesSettings):
    """`.hpcm` files to images."""

    type: Literal["png", "jpg", "webp", "avif", "tif"] | None = Field(
        None,
        description="Format of the images; if not given, what the output's name says, else that of the source.",
    )
    output_quality: int | None = Field(None, ge=1, le=100, description="Quality of lossy images (jpg, webp, avif); 95.")
    background: str | None = Field(
        None, min_length=1, description="Colour to put behind transparent pictures, such as white or #204080."
    )
    model_dirs: Paths = Field((), description="Folders with models to search first; then HPCMBAL_MODEL_DIR.")
    scales: int = Field(ALL_SCALES, ge=0, le=ALL_SCALES, description="Decode only so many scales: a preview.")
    allow_truncated: bool = Field(False, description="Decode what is complete in files that were cut off.")
    device: Device = Field("auto", description="Where the network runs: auto, cpu, cuda, cuda:N.")
    workers: int = Field(1, ge=1, description="Files that are worked on at the same time.")

    takes_effect_if: ClassVar[Mapping[str, tuple[Condition, ...]]] = {}

    def contradictions(self) -> list[Contradiction]:
        """See `CommandSettings`."""
        found = super().contradictions()
        if self.type == "png" and self.output_quality is not None:
            rule = f"has no effect on png, which is lossless; leave it out, or give {setting('type', 'jpg')}"
            found.append(Contradiction("output_quality", rule, ("type",)))
        return found


class InfoSettings(CommandSettings):
    """What a compressed file says about itself."""

    file: Path = Field(description="A compressed file; '-' is standard input.")
