"""Experiment trackers for real: a tiny training writes to each, and what it wrote is read back."""

from __future__ import annotations

import json
import math
import struct
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from hpcmbal.cli.app import main
from hpcmbal.training.trackers import LOG_FILE, read_log

STEPS = 3
CLOCK = "time/seconds"


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    folder = tmp_path / "photos"
    folder.mkdir()
    generator = np.random.default_rng(0)
    for number in range(2):
        Image.fromarray(generator.integers(0, 256, (80, 72, 3), dtype=np.uint8)).save(folder / f"{number}.png")
    return folder


def train_with(tracker: str, photos: Path, run: Path, *more: str) -> int:
    line = ["train", "--preset", "standard-nano", "--train-data", str(photos), "--val-data", str(photos)]
    line += ["--batch-size", "1", "--patch-size", "64", "--max-steps", str(STEPS), "--device", "cpu"]
    line += ["--set", "training.num_threads=1", "--set", "output.log_every=1"]
    return main([*line, "--save-path", str(run), "--tracker", tracker, *more])


def logged(run: Path) -> dict[tuple[int, str], float]:
    """Every value of the JSONL log, by step and name. Values that are not finite are null there and left out."""
    lines = read_log(run / "logs" / LOG_FILE)
    pairs = [(line["step"], name, value) for line in lines for name, value in line.items() if name != "step"]
    return {(step, name): value for step, name, value in pairs if value is not None and name != CLOCK}


def check_same(found: dict[tuple[int, str], float], run: Path) -> None:
    """`found` is what the JSONL log says (float32 in some trackers), for every step, training and validation."""
    expected = logged(run)
    assert {step for step, _ in expected} == set(range(STEPS + 1))
    assert {"train/j", "train/bpp", "val/j"} <= {name for _, name in expected}
    finite = {key: value for key, value in found.items() if key[1] != CLOCK and math.isfinite(value)}
    assert finite == pytest.approx(expected, rel=1e-6)


@pytest.mark.slow
def test_tensorboard_event_files_have_every_metric_of_the_log(photos: Path, tmp_path: Path) -> None:
    pytest.importorskip("tensorboard", reason="needs the extra 'tensorboard'")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    run = tmp_path / "run"
    assert train_with("tensorboard", photos, run) == 0
    events = EventAccumulator(str(run / "logs" / "tensorboard")).Reload()
    found = {(item.step, tag): item.value for tag in events.Tags()["scalars"] for item in events.Scalars(tag)}
    check_same(found, run)


def wandb_records(file: Path) -> list[Any]:
    """The records of an offline run's file: LevelDB's log format after a header of 7 bytes."""
    from wandb.proto.wandb_internal_pb2 import Record

    block, header, full_or_first = 32768, 7, (1, 2)
    data, position, parts = file.read_bytes(), 7, []
    while position + header <= len(data):
        if block - position % block < header:  # the rest of a block is too short for a record: padding
            position += block - position % block
            continue
        length, kind = struct.unpack_from("<HB", data, position + 4)
        payload = data[position + header : position + header + length]
        if kind in full_or_first:
            parts.append(payload)
        elif parts:
            parts[-1] += payload
        position += header + length
    return [Record.FromString(part) for part in parts]


@pytest.mark.slow
@pytest.mark.filterwarnings("default")  # wandb's own
def test_wandb_offline_has_every_metric_of_the_log_the_names_and_the_settings(
    photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("wandb", reason="needs the extra 'wandb'")
    monkeypatch.setenv("WANDB_MODE", "offline")
    monkeypatch.setenv("WANDB_SILENT", "true")
    run = tmp_path / "run"
    assert train_with("wandb", photos, run, "--wandb-project", "codecs", "--wandb-name", "first") == 0
    (file,) = (run / "logs").glob("wandb/offline-run-*/run-*.wandb")
    found = {}
    for record in wandb_records(file):
        if record.WhichOneof("record_type") == "history":
            items = record.history.item
            values = {item.key or "/".join(item.nested_key): json.loads(item.value_json) for item in items}
            step = values["_step"]
            numbers = {name: value for name, value in values.items() if isinstance(value, float | int)}
            found.update({(step, name): float(value) for name, value in numbers.items() if not name.startswith("_")})
        if record.WhichOneof("record_type") == "run":
            assert (record.run.project, record.run.display_name) == ("codecs", "first")
            config = {item.key: json.loads(item.value_json) for item in record.run.config.update}
            assert config["training"]["max_steps"] == STEPS
    check_same(found, run)


PACKAGES = {"wandb": "wandb", "tensorboard": "torch.utils.tensorboard"}


@pytest.mark.parametrize("tracker", PACKAGES)
def test_a_missing_package_gets_the_install_command(
    tracker: str,
    photos: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setitem(sys.modules, PACKAGES[tracker], None)
    assert train_with(tracker, photos, tmp_path / "run") == 2
    errors = capsys.readouterr().err
    assert errors == (
        f"hpcmbal: --tracker {tracker} needs the optional extra '{tracker}'. "
        f"Install it: pip install 'hpcmbal[{tracker}]'\n"
    )


def test_wandb_that_does_not_start_is_explained(
    photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    class Stub:
        class Error(Exception):
            pass

        @staticmethod
        def init(**_settings: object) -> None:
            raise Stub.Error("No API key configured")

    monkeypatch.setitem(sys.modules, "wandb", Stub)
    assert train_with("wandb", photos, tmp_path / "run") == 2
    errors = capsys.readouterr().err
    assert "did not start: No API key configured. Run `wandb login`, or set WANDB_MODE=offline." in errors
    assert errors.count("\n") == 1
