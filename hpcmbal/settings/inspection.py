"""Settings of `hpcmbal inspect`."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field

from hpcmbal.settings import choices
from hpcmbal.settings.section import CommandSettings, Device, PathText, Quality


class InspectSettings(CommandSettings):
    """Where a model spends its bits on one picture, and where it errs."""

    image: Path = Field(description="The picture.")
    model: PathText | None = Field(None, description=f"{choices.MODEL_HELP}; else the default.")
    output: Path = Field(Path("inspection"), description="Folder for the maps and the page.")
    quality: Quality | None = Field(None, description="Quality 1 to 100, for models of variable rate.")
    device: Device = Field("cpu", description="Where the model runs: auto, cpu, cuda, cuda:N.")
    force: bool = Field(False, description="Overwrite outputs that exist.")
