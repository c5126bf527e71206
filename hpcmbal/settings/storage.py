"""Settings of what is read and written: images, checkpoints, logs."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from pydantic import Field

from hpcmbal.settings import choices
from hpcmbal.settings.section import Paths, Section, one_of


class DataSettings(Section):
    """Training and validation images."""

    train: Paths | None = Field(
        None,
        min_length=1,
        description="Folder of training images, searched recursively; several are one training set. The bundled "
        "photographs if not given.",
    )
    val: Path | None = Field(None, description="Folder of validation images; bundled photographs if not given.")
    batch_size: int = Field(8, ge=1, description="Crops in a batch, over all ranks together.")
    patch_size: int = Field(128, ge=64, multiple_of=16, description="Side of the square crops, in pixels.")
    num_workers: int = Field(0, ge=0, description="Processes per rank that load images; 0 loads in the main process.")
    flips: bool = Field(True, description="Flip crops at random, horizontally and vertically.")
    min_downscale: float = Field(
        1.0, gt=0, le=1, description="Smallest factor of random downscaling before cropping; 1 turns it off."
    )
    drawn_fraction: float = Field(
        0.0,
        ge=0,
        le=1,
        description="Part of the training crops that is drawn: text, charts, interfaces, line art, gradients, pixels.",
    )
    cache_mebibytes: int = Field(
        choices.CACHE_MEBIBYTES, ge=0, description="Memory for decoded training images, in MiB."
    )
    pixel_limit: int | None = Field(
        None,
        ge=1,
        description="Largest image that is read, in pixels; larger ones are bad files. HPCMBAL_MAX_PIXELS, or "
        "178,956,970, if not given.",
    )


class OutputSettings(Section):
    """Where checkpoints and logs go, and how often."""

    save_path: Path = Field(Path("runs/run"), description="Folder of the run; runs/PRESET if not given.")
    log_dir: Path | None = Field(None, description="Folder of the logs; SAVE_PATH/logs if not given.")
    save_freq: int = Field(1000, ge=1, description="Steps between two checkpoints; the last step is always saved.")
    keep: int = Field(3, ge=1, description="Newest checkpoints that are kept.")
    log_every: int = Field(10, ge=1, description="Steps between two lines of the log.")
    validate_every: int = Field(
        500, ge=1, description="Steps between two validations; there is one before the first step as well."
    )
    checkpoint: Path | None = Field(None, description="Checkpoint or run folder to resume from.")


class TrackingSettings(Section):
    """An experiment tracker beside the JSONL log, which is always written."""

    tracker: Annotated[str, one_of(choices.TRACKERS)] = Field(
        "none", description="Tracker beside the JSONL log: none, wandb, tensorboard."
    )
    wandb_project: str | None = Field(None, min_length=1, description="Project in Weights & Biases.")
    wandb_name: str | None = Field(None, min_length=1, description="Name of the run in Weights & Biases.")
