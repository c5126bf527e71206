"""Checkpoints of a training: a folder per step, complete or absent.

```
RUN/checkpoints/step-00001000/
    model.safetensors    weights for coding images: the moving average where there is one
    trainer.pt           what is needed to go on: raw weights, optimiser, balancing, counters
    manifest.json        format, step, settings, and the SHA-256 of the files above
```

The folder is written beside its final place and renamed (`atomic_file`): a kill at any moment leaves the checkpoints
that were there. `trainer.pt` is read with `weights_only=True`, which executes nothing.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import torch
from pydantic import BaseModel, Field, ValidationError
from torch import Tensor

from hpcmbal import __version__
from hpcmbal.atomic_file import folder_replacement, replacement, write_text
from hpcmbal.errors import CheckpointError, SettingsError, setting
from hpcmbal.model_files.find import find_model
from hpcmbal.model_files.store import CHECKPOINTS, MODEL_FILE, save_model
from hpcmbal.model_files.torch_file import read_torch_file
from hpcmbal.settings import TrainSettings
from hpcmbal.settings.section import one_of
from hpcmbal.training.rates import trained_rates

_FORMATS = "hpcmbal-checkpoint-"
CHECKPOINT_FORMAT = f"{_FORMATS}2"
TRAINER_FILE = "trainer.pt"
MANIFEST_FILE = "manifest.json"


@dataclass(frozen=True)
class Checkpoint:
    """A checkpoint on disk whose manifest was read.

    Attributes:
        folder: Where it is.
        step: Steps done when it was saved.
        settings: Settings of the run that saved it.
    """

    folder: Path
    step: int
    settings: TrainSettings

    @property
    def run(self) -> Path:
        """Folder of the run that it belongs to, as it is found now; of a checkpoint that was moved, its own."""
        return self.folder.parent.parent if self.folder.parent.name == CHECKPOINTS else self.folder

    def trainer_state(self) -> dict[str, Any]:
        """The trainer's state, on the CPU.

        Raises:
            CheckpointError: A file differs from what the manifest says, or cannot be read.
        """
        self.verify()
        file = self.folder / TRAINER_FILE
        state = read_torch_file(file)
        if not isinstance(state, dict):
            raise CheckpointError(f"{file} holds {type(state).__name__} where the state of a training was expected.")
        return state

    def verify(self) -> None:
        """Raise `CheckpointError` unless every file has the hash that the manifest gives."""
        for name, digest in _read_manifest(self.folder).sha256.items():
            file = self.folder / name
            if not file.is_file() or _sha256(file) != digest:
                raise CheckpointError(
                    f"{file} is missing or damaged: it is not the file that was saved. Resume from an earlier "
                    f"checkpoint in {self.folder.parent}."
                )


def save_checkpoint(
    run: Path,
    step: int,
    settings: TrainSettings,
    *,
    weights: Mapping[str, Tensor],
    trainer_state: Mapping[str, Any],
    stable_until: int | None = None,
) -> Path:
    """Write the checkpoint of `step` and remove the oldest beyond `settings.output.keep`.

    The newest checkpoint at or before step `stable_until`, off which longer runs can branch, is kept beside those.

    Raises:
        CheckpointError: It cannot be written (a full disk, for example); earlier checkpoints are untouched.
    """
    folder = _folder_of(run, step)
    try:
        with folder_replacement(folder) as partial:
            about = {"step": step, "settings": _dump(settings)}
            save_model(partial / MODEL_FILE, settings.model.name, weights, about, rates=trained_rates(settings))
            with replacement(partial / TRAINER_FILE) as file:
                torch.save(dict(trainer_state), file)
            manifest = {
                "format": CHECKPOINT_FORMAT,
                "version": __version__,
                "torch": torch.__version__,
                "step": step,
                "settings": _dump(settings),
                "sha256": {name: _sha256(partial / name) for name in (MODEL_FILE, TRAINER_FILE)},
            }
            write_text(partial / MANIFEST_FILE, json.dumps(manifest, indent=2))
    except (OSError, RuntimeError) as error:  # torch reports a short write as a RuntimeError
        raise CheckpointError(
            f"Cannot save the checkpoint {folder}: {error}. Earlier checkpoints are untouched; free some space and "
            f"resume with {setting('output.checkpoint', run)}."
        ) from error
    others = list_checkpoints(run)
    if stable_until is not None:
        stable = [path for path in others if path <= _folder_of(run, stable_until)]
        others = [path for path in others if path not in stable[-1:]]
    for old in others[: -settings.output.keep]:
        shutil.rmtree(old)
    return folder


def list_checkpoints(run: Path) -> list[Path]:
    """Folders of the complete checkpoints of a run, oldest first."""
    return sorted(path.parent for path in (run / CHECKPOINTS).glob(f"step-*/{MANIFEST_FILE}"))


def open_checkpoint(path: Path) -> Checkpoint:
    """The checkpoint at `path`, or the newest of the run at `path`; or that of the model of this name (`find_model`).

    Raises:
        CheckpointError: There is none, it is a model alone, or of a format that this version does not read.
    """
    folder = path if (path / MANIFEST_FILE).is_file() else next(reversed(list_checkpoints(path)), None)
    if folder is None:
        folder = find_model(path).parent
        if not (folder / MANIFEST_FILE).is_file():
            raise CheckpointError(
                f"{path} is a model without the state of its training: there is nothing to resume. Start a new one "
                f"from it with {setting('finetune.init_from')}, or give the folder of a run or of a checkpoint."
            )
    manifest = _read_manifest(folder)
    try:
        settings = TrainSettings.stored(manifest.settings)
    except SettingsError as error:
        problems = " ".join(str(error).split())
        raise CheckpointError(
            f"The settings in {folder / MANIFEST_FILE} do not fit this version: {problems}"
        ) from error
    return Checkpoint(folder, manifest.step, settings)


def _folder_of(run: Path, step: int) -> Path:
    return run / CHECKPOINTS / f"step-{step:08d}"


class _Manifest(BaseModel):
    """What a manifest must hold; more is welcome."""

    format: Annotated[str, one_of((CHECKPOINT_FORMAT,))]
    step: int = Field(ge=0)
    settings: dict[str, Any]
    sha256: dict[Annotated[str, one_of((MODEL_FILE, TRAINER_FILE))], str] = Field(min_length=2)


def _read_manifest(folder: Path) -> _Manifest:
    file = folder / MANIFEST_FILE
    try:
        content = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise CheckpointError(f"{file} cannot be read: {error}") from error
    found = content.get("format") if isinstance(content, dict) else None
    if isinstance(found, str) and found.startswith(_FORMATS) and found != CHECKPOINT_FORMAT:
        raise CheckpointError(
            f"{folder} cannot be resumed: it has format {found}, this version goes on from {CHECKPOINT_FORMAT}. "
            "Its weights still load, wherever a model is asked for."
        )
    try:
        return _Manifest.model_validate(content)
    except ValidationError as error:
        detail = error.errors()[0]
        where = ".".join(map(str, detail["loc"])) or "the whole"
        raise CheckpointError(f"{file} is no manifest of a checkpoint: {where}: {detail['msg']}.") from error


def _dump(settings: TrainSettings) -> dict[str, Any]:
    return settings.model_dump(mode="json")


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
