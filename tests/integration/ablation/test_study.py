"""A real study of hpcm-nano on the bundled photographs: few steps, small crops, processes that are killed."""

from __future__ import annotations

import csv
import dataclasses
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from hpcmbal.ablation.plan.plan import Plan, plan_study
from hpcmbal.ablation.plan.study_file import read_study
from hpcmbal.ablation.report.outcome import compare_study
from hpcmbal.ablation.report.tables import results_csv
from hpcmbal.ablation.run.records import RunRecord
from hpcmbal.ablation.run.study_runner import collect_records
from hpcmbal.cli.app import main

STUDY = """
question: Does the optimiser matter in eight steps?
base_preset: hierarchical-nano
arms:
  adam: {optimizer.name: adam}
  muon: {optimizer.name: muon}
settings: {data.batch_size: 2, data.patch_size: 64, schedule.warmup_steps: 2, balancing.update_every: 2}
seeds: 2
max_steps: 8
"""

PATIENCE = 1800
"""Seconds for a study of a minute: on a machine that is busy with something else, it gets little of it."""

DRIVER = """
import sys
from pathlib import Path
from hpcmbal.ablation.plan.plan import plan_study
from hpcmbal.ablation.run.storage import LocalStorage
from hpcmbal.ablation.plan.study_file import read_study
from hpcmbal.ablation.run.study_lock import study_lock
from hpcmbal.ablation.run.study_runner import run_study, take_inventory
from hpcmbal.engines.local import LocalEngine

if __name__ == "__main__":
    plan, folder = plan_study(read_study(Path(sys.argv[1]))), Path(sys.argv[2])
    folder.mkdir(exist_ok=True)
    with study_lock(folder):
        run_study(take_inventory(plan, folder), LocalStorage(folder), LocalEngine(jobs=2, threads=1))
"""


@pytest.fixture
def study_path(tmp_path: Path) -> Path:
    path = tmp_path / "small.yaml"
    path.write_text(STUDY, encoding="utf-8")
    return path


@pytest.mark.slow
def test_two_arms_and_two_seeds_from_the_command_line(
    study_path: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    command = ["ablate", "grid", str(study_path), "-o", str(out), "--jobs", "2"]
    assert main(command) == 0
    shown = capsys.readouterr().out
    assert "To do: 4 of 4 runs, 32 steps." in shown
    results = json.loads((out / "results.json").read_text(encoding="utf-8"))
    assert (results["arms"], results["seeds"], results["steps"]) == (["adam", "muon"], [0, 1], [8])
    with (out / "results.csv").open(encoding="utf-8") as file:
        assert {row["arm"] for row in csv.DictReader(file)} == {"adam", "muon"}
    assert (out / "report.html").stat().st_size > 10_000
    plan = plan_study(read_study(out / "study.yaml"))
    records = collect_records(plan.runs, out)
    assert len({record.j for record in records}) == 4
    for seed in (0, 1):
        first = [first_line(out, record) for record in records if record.seed == seed]
        # The same weights and images before the first step, the same crops and noise in the first.
        assert first[0] == first[1]
    stamps = {path: path.stat().st_mtime_ns for path in out.rglob("runs/**/*") if path.is_file()}
    assert main(command) == 0
    assert "All 4 runs are done." in capsys.readouterr().out
    assert {path: path.stat().st_mtime_ns for path in out.rglob("runs/**/*") if path.is_file()} == stamps


def first_line(out: Path, record: RunRecord) -> tuple[float, float]:
    """J of the first validation and of the first step's batch, before the optimiser did anything."""
    log = out / record.folder / "logs" / "metrics.jsonl"
    lines = [json.loads(line) for line in log.read_text(encoding="utf-8").splitlines()]
    validation = next(line["val/j"] for line in lines if "val/j" in line)
    step = next(line["train/j"] for line in lines if "train/j" in line)
    return validation, step


HORIZONS = {
    "seeds: 2\nmax_steps: 8": "seeds: 1\nhorizons: [4, 8]\nqualities: [10, 40, 70, 100]",
    "{data": "{loss.variable_rate: true, data",
}


@pytest.mark.slow
@pytest.mark.parametrize("changes", [{}, HORIZONS], ids=["one lambda", "horizons of all rates"])
def test_a_study_that_is_killed_three_times_gives_the_table_of_one_that_was_not(
    study_path: Path, tmp_path: Path, changes: dict[str, str]
) -> None:
    text = study_path.read_text(encoding="utf-8")
    for old, new in changes.items():
        assert old in text
        text = text.replace(old, new)
    study_path.write_text(text, encoding="utf-8")
    plan = plan_study(read_study(study_path))
    whole = tmp_path / "whole"
    with leader(study_path, whole) as process:
        assert process.wait(timeout=PATIENCE) == 0
    killed = tmp_path / "killed"
    for _ in range(3):
        before = steps_on_disk(plan, killed)
        with leader(study_path, killed) as process:
            wait_until(lambda before=before: steps_on_disk(plan, killed) > before, process)
            os.kill(process.pid, signal.SIGKILL)
            assert process.wait(timeout=30) == -signal.SIGKILL
        assert any(not (killed / run.folder / "record.json").exists() for run in plan.runs)
    with leader(study_path, killed) as process:
        assert process.wait(timeout=PATIENCE) == 0
    records, others = collect_records(plan.runs, whole), collect_records(plan.runs, killed)
    assert timeless(records) == timeless(others)
    assert results_csv(compare_study(plan, timeless(records))) == results_csv(compare_study(plan, timeless(others)))


def leader(study: Path, folder: Path) -> Any:
    """The process that leads the study; ended with everything that it started, whatever happens."""
    return _Leader(study, folder)


class _Leader:
    def __init__(self, study: Path, folder: Path) -> None:
        driver = study.with_name("driver.py")
        driver.write_text(DRIVER, encoding="utf-8")
        self.process = subprocess.Popen([sys.executable, driver, study, folder], start_new_session=True)

    def __enter__(self) -> subprocess.Popen[bytes]:
        return self.process

    def __exit__(self, *_: object) -> None:
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()


def steps_on_disk(plan: Plan, folder: Path) -> int:
    """Steps in the newest checkpoints of all runs."""
    newest = [max((folder / run.folder).glob("checkpoints/step-*/manifest.json"), default=None) for run in plan.runs]
    cooled = len(list(folder.glob("runs/**/horizon-*/model.safetensors")))
    return cooled + sum(int(path.parent.name.partition("-")[2]) for path in newest if path is not None)


def wait_until(condition: Any, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + 120
    while not condition():
        assert process.poll() is None, "the study ended before it was killed"
        assert time.monotonic() < deadline, "nothing was saved"
        time.sleep(0.02)


def timeless(records: list[RunRecord]) -> list[RunRecord]:
    return [dataclasses.replace(record, seconds_per_step=None) for record in records]
