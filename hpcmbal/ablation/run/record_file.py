"""`record.json`: what a study keeps of a run, beside the run's logs and checkpoints."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Sequence
from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from hpcmbal.ablation.run.records import RunRecord
from hpcmbal.atomic_file import write_text
from hpcmbal.errors import CheckpointError, setting

RECORD_FILE = "record.json"

_RECORDS = TypeAdapter(tuple[RunRecord, ...])


def write_records(folder: Path, records: Sequence[RunRecord]) -> None:
    """Write the records of the run in `folder`: there is the whole of them, or what was there before.

    Raises:
        CheckpointError: They cannot be written.
    """
    path = folder / RECORD_FILE
    try:
        values = [dataclasses.asdict(record) for record in records]
        write_text(path, json.dumps(values, indent=1, allow_nan=False) + "\n")
    except OSError as error:
        raise CheckpointError(
            f"Cannot write {path}: {error.strerror}. Free some space or choose another {setting('output')}; the "
            "training's checkpoint is kept, and the same command goes on from it."
        ) from error


def read_records(folder: Path) -> tuple[RunRecord, ...]:
    """The records of the run in `folder`, one for each lambda and horizon; empty if it has none yet.

    Raises:
        CheckpointError: The file does not hold records.
    """
    path = folder / RECORD_FILE
    try:
        return _RECORDS.validate_json(path.read_bytes())
    except FileNotFoundError:
        return ()
    except (OSError, ValidationError) as error:
        raise CheckpointError(
            f"{path} is not a record of a run: {_reason(error)}. Remove it; the run is then evaluated anew."
        ) from error


def _reason(error: OSError | ValidationError) -> str:
    if isinstance(error, OSError):
        return str(error.strerror)
    first = error.errors(include_url=False, include_input=False)[0]
    where = ".".join(map(str, first["loc"]))
    return f"{where}: {first['msg']}" if where else first["msg"]
