"""Cool-downs: a decay off any checkpoint into a run of its own."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from hpcmbal.errors import SettingsError
from hpcmbal.model_files.find import find_model
from hpcmbal.model_files.store import read_weights
from hpcmbal.settings import TrainSettings
from hpcmbal.training.checkpoint import list_checkpoints, open_checkpoint
from hpcmbal.training.cooldown import cooldown_settings
from hpcmbal.training.reporting import SilentReporter
from hpcmbal.training.trackers import read_log
from hpcmbal.training.trainer import train

Run = Callable[..., TrainSettings]
STABLE = {"name": "wsd", "warmup_steps": 2, "final_factor": 0.0}


class StopAt(SilentReporter):
    """Asks the process to stop after a step."""

    def __init__(self, step: int) -> None:
        self.at = step

    def step(self, step: int, metrics: Any) -> None:
        import signal

        if step == self.at:
            signal.raise_signal(signal.SIGTERM)


def rates(folder: Path) -> list[float]:
    lines = read_log(folder / "logs" / "metrics.jsonl")
    return [line["train/learning_rate"] for line in lines if "train/learning_rate" in line]


def content(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


@pytest.fixture
def stable(tiny_run: Run) -> TrainSettings:
    """A run of which 6 of 100 steps are done, all at the stable rate."""
    settings = tiny_run("long", schedule=STABLE, training={"max_steps": 100, "device": "cpu", "num_threads": 1})
    train(settings, StopAt(6))
    return settings


def test_a_cool_down_falls_from_the_stable_rate_in_its_own_folder(stable: TrainSettings) -> None:
    run = stable.output.save_path
    before = content(run)
    settings = cooldown_settings(open_checkpoint(run), 4)
    result = train(settings)
    assert (result.step, result.total_steps) == (10, 10)
    assert result.checkpoint.parent.parent == run.with_name("long-cooldown-6")
    peak = stable.optimizer.learning_rate
    assert rates(settings.output.save_path) == pytest.approx([peak * (1 - (i / 4) ** 0.5) for i in range(4)])
    assert content(run) == before


@pytest.mark.slow
def test_the_run_goes_on_as_if_nothing_had_branched_off(stable: TrainSettings, tiny_run: Run) -> None:
    run = stable.output.save_path
    train(cooldown_settings(open_checkpoint(run), 4))
    on = stable.model_copy(update={"output": stable.output.model_copy(update={"checkpoint": run})})
    train(on, StopAt(9))
    other = tiny_run("other", schedule=STABLE, training={"max_steps": 100, "device": "cpu", "num_threads": 1})
    train(other, StopAt(9))
    weights, expected = (read_weights(find_model(folder)) for folder in (run, other.output.save_path))
    assert all(torch.equal(weights[name], expected[name]) for name in expected)


def test_a_cool_down_is_resumed_exactly(stable: TrainSettings) -> None:
    settings = cooldown_settings(open_checkpoint(stable.output.save_path), 4)
    train(settings)
    parts = settings.model_copy(
        update={"output": settings.output.model_copy(update={"save_path": stable.output.save_path.with_name("parts")})}
    )
    train(parts, StopAt(8))
    stored = open_checkpoint(parts.output.save_path).settings
    output = stored.output.model_copy(update={"checkpoint": parts.output.save_path})
    train(stored.model_copy(update={"output": output}))
    assert rates(parts.output.save_path) == rates(settings.output.save_path)
    weights, expected = (read_weights(find_model(run.output.save_path)) for run in (parts, settings))
    assert all(torch.equal(weights[name], expected[name]) for name in expected)


def test_a_cool_down_of_a_cosine_begins_at_its_rate(tiny_run: Run) -> None:
    settings = tiny_run("run", schedule={"name": "cosine", "warmup_steps": 0, "final_factor": 0.0})
    train(settings, StopAt(3))
    branch = cooldown_settings(open_checkpoint(settings.output.save_path), 2)
    assert branch.schedule.decay_from == pytest.approx(0.5)
    train(branch)
    half = settings.optimizer.learning_rate / 2
    assert rates(branch.output.save_path) == pytest.approx([half, half * (1 - 0.5**0.5)])


@pytest.mark.slow
def test_what_has_cooled_down_is_refused(stable: TrainSettings) -> None:
    settings = cooldown_settings(open_checkpoint(stable.output.save_path), 4)
    train(settings)
    with pytest.raises(SettingsError, match="is cooled down already.*Take an earlier checkpoint"):
        cooldown_settings(open_checkpoint(settings.output.save_path), 4)


@pytest.mark.slow
def test_a_cool_down_does_not_write_into_another_run(stable: TrainSettings) -> None:
    settings = cooldown_settings(open_checkpoint(stable.output.save_path), 4)
    train(settings)
    with pytest.raises(SettingsError, match="long-cooldown-6 already holds a run. Continue it with output.checkpoint="):
        train(settings)
    assert len(list_checkpoints(settings.output.save_path)) == 2
