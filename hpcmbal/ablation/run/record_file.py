"""`record.json`: what a study keeps of a run, beside the run's logs and checkpoints."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

from hpcmbal.ablation.run.records import RunRecord, Sample
from hpcmbal.atomic_file import write_text
from hpcmbal.errors import CheckpointError

RECORD_FILE = "record.json"


def write_record(folder: Path, record: RunRecord) -> None:
    """Write the record of the run in `folder`: there is the whole of it, or what was there before.

    Raises:
        CheckpointError: It cannot be written.
    """
    path = folder / RECORD_FILE
    try:
        write_text(path, json.dumps(dataclasses.asdict(record), indent=1, allow_nan=False) + "\n")
    except OSError as error:
        raise CheckpointError(
            f"Cannot write {path}: {error.strerror}. Free some space or choose another --output; the training's "
            "checkpoint is kept, and the same command goes on from it."
        ) from error


def read_record(folder: Path) -> RunRecord | None:
    """The record of the run in `folder`; None if it has none yet.

    Raises:
        CheckpointError: It is not a record.
    """
    path = folder / RECORD_FILE
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
        samples = tuple(Sample(**sample) for sample in values.pop("samples"))
        return RunRecord(**values, samples=samples)
    except FileNotFoundError:
        return None
    except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
        raise CheckpointError(
            f"{path} is not a record of a run: {error}. Remove it; the run is then evaluated anew."
        ) from error
