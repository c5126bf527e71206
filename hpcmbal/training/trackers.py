"""Where metrics go: a JSONL log always, an experiment tracker if wanted."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol

from hpcmbal.atomic_file import append_to, check_log, write_text
from hpcmbal.errors import CheckpointError, DataError, MissingExtraError, SettingsError, setting
from hpcmbal.settings import TrainSettings

LOG_FILE = "metrics.jsonl"
LOG_FOLDER = "logs"
"""Of a run, unless `output.log_dir` names another."""
_LINE_START = '{"step"'
_HUGE = 1e300  # arithmetic with larger ones overflows


class Tracker(Protocol):
    """Receives the metrics of a run."""

    def log(self, step: int, metrics: Mapping[str, float]) -> None:
        """Record `metrics` after `step` steps."""

    def close(self) -> None:
        """Write what is still in memory."""


class JsonlTracker:
    """One JSON object a line: `{"step": 10, "train/j": 2.61, ...}`. Values that are not finite are written as null.

    Args:
        folder: Where the log goes.
        resume_step: Lines beyond this step are dropped first: they are about to be made again.

    Raises:
        CheckpointError: The folder or the log cannot be written.
        DataError: The log that is there cannot be read, or is a link.
    """

    def __init__(self, folder: Path, resume_step: int = 0) -> None:
        self.path = folder / LOG_FILE
        _make_folder(folder)
        try:
            check_log(self.path)
            if self.path.exists():
                self._drop_after(resume_step)
            self._file = append_to(self.path)
        except OSError as error:
            raise _cannot_write(self.path, error) from error

    def _drop_after(self, step: int) -> None:
        kept = [line for line in read_log(self.path) if line["step"] <= step and step > 0]
        write_text(self.path, "".join(json.dumps(line) + "\n" for line in kept))

    def log(self, step: int, metrics: Mapping[str, float]) -> None:
        """Append a line."""
        finite = {name: value if math.isfinite(value) else None for name, value in metrics.items()}
        self._file.write(json.dumps({"step": step, **finite}) + "\n")
        self._file.flush()

    def close(self) -> None:
        """Close the file."""
        self._file.close()


class WandbTracker:
    """Weights & Biases; offline with WANDB_MODE=offline."""

    def __init__(self, settings: TrainSettings, folder: Path) -> None:
        try:
            import wandb
        except ImportError as error:
            raise MissingExtraError(setting("tracking.tracker", "wandb"), "wandb") from error
        _make_folder(folder)
        try:
            self._run = wandb.init(
                project=settings.tracking.wandb_project or "hpcmbal",
                name=settings.tracking.wandb_name,
                dir=str(folder),
                config=settings.model_dump(mode="json"),
            )
        except wandb.Error as error:
            raise SettingsError(
                f"{setting('tracking.tracker', 'wandb')}: Weights & Biases did not start: {error}. Run `wandb login`, "
                "or set WANDB_MODE=offline."
            ) from error

    def log(self, step: int, metrics: Mapping[str, float]) -> None:
        """Send the metrics."""
        self._run.log(dict(metrics), step=step)

    def close(self) -> None:
        """Finish the run."""
        self._run.finish()


class TensorBoardTracker:
    """Event files for TensorBoard."""

    def __init__(self, settings: TrainSettings, folder: Path) -> None:
        del settings
        try:
            from torch.utils.tensorboard import SummaryWriter
        except ImportError as error:
            raise MissingExtraError(setting("tracking.tracker", "tensorboard"), "tensorboard") from error
        self._writer: Any = SummaryWriter(str(folder / "tensorboard"))

    def log(self, step: int, metrics: Mapping[str, float]) -> None:
        """Write one scalar per metric."""
        for name, value in metrics.items():
            self._writer.add_scalar(name, value, step)

    def close(self) -> None:
        """Flush and close."""
        self._writer.close()


TRACKERS: dict[str, type[WandbTracker | TensorBoardTracker]] = {
    "wandb": WandbTracker,
    "tensorboard": TensorBoardTracker,
}


def open_trackers(settings: TrainSettings, folder: Path, resume_step: int) -> list[Tracker]:
    """The JSONL log and the tracker that the settings name.

    Raises:
        MissingExtraError: The tracker's package is not installed.
        CheckpointError: `folder` cannot be written.
    """
    _make_folder(folder)
    name = settings.tracking.tracker
    extra: list[Tracker] = [] if name == "none" else [TRACKERS[name](settings, folder)]
    return [JsonlTracker(folder, resume_step), *extra]


def _make_folder(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise _cannot_write(folder, error) from error


def _cannot_write(path: Path, error: OSError) -> CheckpointError:
    return CheckpointError(
        f"Cannot write the log {path}: {error.strerror}. Choose another {setting('output.save_path')} (or "
        f"{setting('output.log_dir')}) that you may write and that has space; what was saved before is untouched."
    )


def log_of(run: Path) -> Path:
    """The log of the run in a folder."""
    return run / LOG_FOLDER / LOG_FILE


def read_log(path: Path) -> list[dict[str, Any]]:
    """The lines of a JSONL log; a last line cut off by a kill is left out.

    Raises:
        DataError: The log cannot be read.
    """
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except OSError as error:
        raise DataError(
            f"The log {path} cannot be read: {error.strerror}. Give the folder of a run, or its {LOG_FILE}."
        ) from error
    except UnicodeDecodeError as error:
        raise DataError(f"{path} is no log of a training. Give the folder of a run, or its {LOG_FILE}.") from error
    records = []
    for number, line in enumerate(lines, start=1):
        try:
            record = json.loads(line)
        except (ValueError, RecursionError) as error:
            if number < len(lines) or not (line.startswith(_LINE_START) or _LINE_START.startswith(line)):
                raise DataError(f"{path}, line {number}: not JSON ({error}); it is no log of a training.") from error
            continue
        if not isinstance(record, dict):
            kind = type(record).__name__
            raise DataError(f"{path}, line {number}: an object is needed; found a {kind}; it is no log of a training.")
        if not _is_record(record):
            raise DataError(
                f"{path}, line {number}: not a step with numbers by their names; it is no log of a training. Give the "
                f"folder of a run, or its {LOG_FILE}."
            )
        records.append(record)
    return records


def _is_record(record: dict[str, Any]) -> bool:
    if type(record.get("step")) is not int:
        return False
    return all(value is None or (isinstance(value, int | float) and abs(value) < _HUGE) for value in record.values())
