"""Settings of `import-checkpoint`, `export-checkpoint` and `export-onnx`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from pydantic import Field

from hpcmbal.settings import choices
from hpcmbal.settings.section import CommandSettings, PathText, one_of


class ImportSettings(CommandSettings):
    """Released HPCM weights to a model file of ours."""

    file: Path = Field(description="Released checkpoint (.pth.tar); names may start with 'module.'.")
    output: Path = Field(description="Folder of the new model file, or a .safetensors file.")
    model_name: Annotated[str, one_of(choices.MODELS)] | None = Field(
        None, description="Variant of the weights; found out from them if not given."
    )
    force: bool = Field(False, description="Overwrite an output that exists.")


class ExportSettings(CommandSettings):
    """The weights of a model as a plain PyTorch state dict."""

    model: PathText = Field(description=f"{choices.MODEL_HELP}.")
    output: Path = Field(description="The state dict to write (.pth).")
    force: bool = Field(False, description="Overwrite an output that exists.")


class OnnxSettings(CommandSettings):
    """The networks of a model as ONNX files."""

    model: PathText = Field(description=f"{choices.MODEL_HELP}.")
    output: Path = Field(description="Folder of the .onnx files and of coding.npz.")
    force: bool = Field(False, description="Overwrite outputs that exist.")
