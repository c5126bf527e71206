"""Settings of the commands that draw: `reconstruct`, `plot-run`, `plot-gammas`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator, Field

from hpcmbal.settings import choices
from hpcmbal.settings.section import CommandSettings, Device, Paths, PathText, Quality

FIGURE_SUFFIXES = (".png", ".svg", ".pdf")


def _figure_name(path: Path) -> Path:
    if path.suffix.lower() not in FIGURE_SUFFIXES:
        raise ValueError(f"must end in {', '.join(FIGURE_SUFFIXES)}")
    return path


FigurePath = Annotated[Path, AfterValidator(_figure_name)]


class ReconstructSettings(CommandSettings):
    """A photo beside what a model makes of it."""

    image: Path | None = Field(None, description="A photo; a bundled, held-back one if not given.")
    model: PathText = Field("runs/quickstart", description=f"{choices.MODEL_HELP}.")
    output: Path = Field(Path("reconstruction.png"), description="The picture to write.")
    quality: Quality | None = Field(None, description="Quality 1 to 100, for models of variable rate.")
    device: Device = Field("cpu", description="Where the model runs: auto, cpu, cuda, cuda:N.")
    force: bool = Field(False, description="Overwrite an output that exists.")


class PlotRunSettings(CommandSettings):
    """Curves of trainings from their logs."""

    runs: Paths = Field(min_length=1, description="Folders of runs, or their metrics.jsonl.")
    output: FigurePath = Field(Path("run.png"), description="Figure to write: .png, .svg or .pdf.")
    force: bool = Field(False, description="Overwrite an output that exists.")


class PlotGammasSettings(CommandSettings):
    """How each strategy moves the gammas over a training."""

    output: FigurePath = Field(Path("gammas.png"), description="Figure to write: .png, .svg or .pdf.")
    epochs: int = Field(3000, ge=1, description="Length of the training.")
    gamma_s1: float = Field(choices.GAMMAS[0], ge=0, description="Initial gamma of scale s1.")
    gamma_s2: float = Field(choices.GAMMAS[1], ge=0, description="Initial gamma of scale s2.")
    gamma_s3: float = Field(choices.GAMMAS[2], ge=0, description="Initial gamma of scale s3.")
    csv: Path | None = Field(None, description="Also write the values of the table to this file.")
    force: bool = Field(False, description="Overwrite outputs that exist.")
