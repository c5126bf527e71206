"""The trainer: learns, resumes exactly, refuses what it must, loses nothing."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from hpcmbal.core.balance import BalancedStep
from hpcmbal.errors import CheckpointError, DataError, NumericalError, SettingsError
from hpcmbal.model_files.find import find_model
from hpcmbal.model_files.store import load_network, read_weights
from hpcmbal.settings import TrainSettings, load_train_settings
from hpcmbal.settings.presets import preset_names
from hpcmbal.training.checkpoint import list_checkpoints, open_checkpoint
from hpcmbal.training.reporting import SilentReporter
from hpcmbal.training.trackers import read_log
from hpcmbal.training.trainer import train

Run = Callable[..., TrainSettings]

OPTIMISERS = ["soap", *(pytest.param(name, marks=pytest.mark.slow) for name in ("adam", "cautious", "muon"))]


def log_without_time(folder: Path) -> list[dict[str, Any]]:
    lines = read_log(folder / "logs" / "metrics.jsonl")
    return [{name: value for name, value in line.items() if not name.startswith("time/")} for line in lines]


def identical(first: Any, second: Any) -> bool:
    """Whether two nested states hold the same values, tensors bit for bit."""
    if isinstance(first, torch.Tensor):
        return isinstance(second, torch.Tensor) and torch.equal(first, second)
    if isinstance(first, dict):
        return first.keys() == second.keys() and all(identical(first[key], second[key]) for key in first)
    if isinstance(first, list | tuple):
        return len(first) == len(second) and all(map(identical, first, second))
    return bool(first == second)


def assert_same_run(first: Path, second: Path) -> None:
    """Weights, whole trainer state and metrics are identical bit for bit."""
    weights, others = read_weights(find_model(first)), read_weights(find_model(second))
    assert weights.keys() == others.keys()
    assert all(torch.equal(weights[name], others[name]) for name in weights)
    assert identical(open_checkpoint(first).trainer_state(), open_checkpoint(second).trainer_state())
    assert log_without_time(first) == log_without_time(second)


def resume(settings: TrainSettings, steps: int) -> TrainSettings:
    training = settings.training.model_copy(update={"max_steps": steps})
    output = settings.output.model_copy(update={"checkpoint": settings.output.save_path})
    return settings.model_copy(update={"training": training, "output": output})


class StopAt(SilentReporter):
    """Asks the process to stop after a step, as Ctrl-C does."""

    def __init__(self, step: int, number: int) -> None:
        self.at, self.number = step, number

    def step(self, step: int, metrics: Any) -> None:
        import signal

        if step == self.at:
            signal.raise_signal(signal.Signals(self.number))


@pytest.mark.parametrize("optimizer", OPTIMISERS)
def test_an_interrupted_run_goes_on_bit_for_bit(tiny_run: Run, optimizer: str) -> None:
    sections: dict[str, Any] = {"optimizer": {"name": optimizer, "learning_rate": 1e-3}}
    whole = tiny_run("whole", **sections)
    parts = tiny_run("parts", **sections)
    train(whole)
    stopped = train(parts, StopAt(4, 15))
    assert stopped.interrupted
    assert stopped.step == 4
    train(resume(parts, 6))
    assert_same_run(whole.output.save_path, parts.output.save_path)


@pytest.mark.parametrize(
    "sections",
    [
        {"training": {"max_steps": 6, "ema_decay": 0.9, "device": "cpu", "num_threads": 1}},
        pytest.param(
            {"training": {"max_steps": 6, "accumulate": 2, "device": "cpu", "num_threads": 1}}, marks=pytest.mark.slow
        ),
        pytest.param({"loss": {"variable_rate": True}}, marks=pytest.mark.slow),
        pytest.param({"schedule": {"name": "step", "milestones": (0.5,)}}, marks=pytest.mark.slow),
        pytest.param({"data": {"drawn_fraction": 0.5}}, marks=pytest.mark.slow),
    ],
    ids=["moving average", "accumulation", "variable rate", "step schedule", "drawn pictures"],
)
def test_everything_that_changes_over_a_run_is_in_its_checkpoint(tiny_run: Run, sections: dict[str, Any]) -> None:
    whole, parts = tiny_run("whole", **sections), tiny_run("parts", **sections)
    train(whole)
    train(parts, StopAt(2, 2))
    train(resume(parts, 6))
    assert_same_run(whole.output.save_path, parts.output.save_path)


BALANCINGS: dict[str, dict[str, object]] = {
    "qp": {"loss.tasks": "five", "balancing.name": "qp"},
    "torchjd": {"loss.tasks": "five", "balancing.name": "torchjd"},
    "log1p": {"loss.tasks": "five", "balancing.name": "log1p", "balancing.update_every": 2},
    "next batch": {"loss.tasks": "five", "balancing.name": "linear", "balancing.update_mode": "next_batch"},
    "learned shares": {"loss.tasks": "five", "loss.decomposition": "learned", "balancing.name": "linear"},
    "annealed": {"loss.tasks": "five", "balancing.name": "linear", "balancing.anneal_from": 0.3},
    "annealed qp": {"loss.tasks": "five", "balancing.name": "qp", "balancing.anneal_from": 0.3},
    "variable rate, images weighed, part of the batch": {
        "loss.variable_rate": True,
        "loss.lmbda_power": 0.8,
        "loss.tasks": "five",
        "balancing.name": "linear",
        "balancing.update_every": 2,
        "balancing.update_fraction": 0.5,
    },
}
"""What no preset has."""


QUICK = ["standard-nano", "hierarchical-adaptive-nano", "variable-nano-2", "finetune-encoder-nano", "learned shares"]
"""The recipes that every `make test` tries; the others come with the slow tests."""


@pytest.mark.parametrize(
    "recipe",
    [
        recipe if recipe in QUICK else pytest.param(recipe, marks=pytest.mark.slow)
        for recipe in (*preset_names(), *BALANCINGS)
    ],
)
def test_every_recipe_goes_on_bit_for_bit(tiny_start: Path, photos: Path, tmp_path: Path, recipe: str) -> None:
    """Stopped in the middle, in the second epoch, between two updates of the balancing."""
    if recipe == "torchjd":
        pytest.importorskip("torchjd", reason="the extra hpcmbal[torchjd] is not installed")
    changes = BALANCINGS.get(recipe, {}) | {
        "model.name": "hpcm-nano",
        "data.train": photos,
        "data.val": photos,
        "data.batch_size": 2,
        "data.patch_size": 64,
        "training.max_steps": 10,
        "training.device": "cpu",
        "training.num_threads": 1,
        "output.log_every": 1,
        "output.validate_every": 4,
    }
    if recipe.startswith(("finetune", "distill")):
        changes["finetune.init_from"] = str(tiny_start)
    if recipe == "distill-nano":
        changes["finetune.teacher"] = str(tiny_start)

    def settings(name: str) -> TrainSettings:
        preset = "standard-nano" if recipe in BALANCINGS else recipe
        return load_train_settings(preset, changes | {"output.save_path": tmp_path / name})

    train(settings("whole"))
    assert train(settings("parts"), StopAt(5, 15)).step == 5
    train(resume(settings("parts"), 10))
    assert_same_run(tmp_path / "whole", tmp_path / "parts")


@pytest.mark.parametrize(("number", "name"), [(2, "Ctrl-C"), (15, "SIGTERM")])
def test_a_wish_to_stop_is_acknowledged_and_the_way_on_is_told(tiny_run: Run, number: int, name: str) -> None:
    class Told(StopAt):
        told = threading.Event()

        def message(self, text: str) -> None:
            assert text.startswith(f"{name}: the step in work is finished and saved first.")
            self.told.set()

    shown, settings = Told(2, number), tiny_run()
    shown.told.clear()
    result = train(settings, shown)
    assert shown.told.wait(10)
    assert result.summary.endswith(f"Go on with: hpcmbal train --checkpoint {settings.output.save_path}")


def test_j_falls(tiny_run: Run) -> None:
    settings = tiny_run(
        training={"max_steps": 60, "device": "cpu", "num_threads": 1}, optimizer={"name": "soap", "learning_rate": 5e-3}
    )
    result = train(settings)
    first = read_log(settings.output.save_path / "logs" / "metrics.jsonl")[0]
    assert result.validation["j"] < 0.7 * first["val/j"]


def test_validation_runs_before_the_first_step(tiny_run: Run) -> None:
    settings = tiny_run()
    train(settings)
    first = read_log(settings.output.save_path / "logs" / "metrics.jsonl")[0]
    assert first["step"] == 0
    assert first["val/j"] > 0


@pytest.mark.slow
def test_accumulation_of_two_halves_equals_one_batch(tiny_run: Run) -> None:
    whole = tiny_run("whole", data={"batch_size": 4})
    halves = tiny_run(
        "halves", training={"accumulate": 2, "max_steps": 6, "device": "cpu", "num_threads": 1}, data={"batch_size": 2}
    )
    train(whole)
    train(halves)
    one, two = (read_weights(find_model(run.output.save_path)) for run in (whole, halves))
    for name in one:
        torch.testing.assert_close(one[name], two[name], atol=2e-5, rtol=1e-4, msg=name)


def test_the_checkpoint_holds_the_moving_average_for_coding(tiny_run: Run) -> None:
    settings = tiny_run(training={"ema_decay": 0.5, "max_steps": 6, "device": "cpu", "num_threads": 1})
    train(settings)
    state = open_checkpoint(settings.output.save_path).trainer_state()
    stored = read_weights(find_model(settings.output.save_path))
    assert any(not torch.equal(stored[name], state["model"][name]) for name in stored)
    assert all(torch.equal(stored[name], state["average"][f"module.{name}"]) for name in stored)


def test_only_the_newest_checkpoints_are_kept(tiny_run: Run) -> None:
    settings = tiny_run(output={"save_freq": 1, "keep": 2})
    train(settings)
    assert [folder.name for folder in list_checkpoints(settings.output.save_path)] == ["step-00000005", "step-00000006"]


def test_a_folder_with_a_run_in_it_is_not_overwritten(tiny_run: Run) -> None:
    settings = tiny_run()
    train(settings)
    with pytest.raises(SettingsError, match="already holds a run.*output.checkpoint="):
        train(settings)


def test_a_checkpoint_of_another_variant_is_refused(tiny_run: Run) -> None:
    settings = tiny_run()
    train(settings)
    other = resume(settings, 8).model_copy(update={"model": settings.model.model_copy(update={"name": "hpcm-small"})})
    with pytest.raises(CheckpointError, match="holds hpcm-nano, not hpcm-small"):
        train(other)


def test_a_resumed_run_cannot_change_its_optimiser(tiny_run: Run) -> None:
    settings = tiny_run()
    train(settings)
    optimizer = settings.optimizer.model_copy(update={"name": "soap"})
    with pytest.raises(SettingsError, match="optimizer.name was adam, now soap"):
        train(resume(settings, 8).model_copy(update={"optimizer": optimizer}))


def test_a_damaged_checkpoint_is_refused_and_named(tiny_run: Run) -> None:
    settings = tiny_run()
    train(settings)
    newest = list_checkpoints(settings.output.save_path)[-1]
    data = bytearray((newest / "trainer.pt").read_bytes())
    data[len(data) // 2] ^= 1
    (newest / "trainer.pt").write_bytes(data)
    with pytest.raises(CheckpointError, match="missing or damaged.*earlier checkpoint"):
        train(resume(settings, 8))
    train(
        resume(settings.model_copy(update={"output": settings.output}), 8).model_copy(
            update={"output": settings.output.model_copy(update={"checkpoint": newest.parent / "step-00000003"})}
        )
    )


def test_a_full_disk_loses_nothing(tiny_run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = tiny_run(output={"save_freq": 2})

    def no_space(state: object, file: object) -> None:
        raise OSError(28, "No space left on device")

    train(tiny_run(output={"save_freq": 2}, training={"max_steps": 2, "device": "cpu", "num_threads": 1}))
    monkeypatch.setattr("hpcmbal.training.checkpoint.torch.save", no_space)
    with pytest.raises(CheckpointError, match="No space left.*Earlier checkpoints are untouched"):
        train(resume(settings, 6))
    left = settings.output.save_path / "checkpoints"
    assert [path.name for path in left.iterdir()] == ["step-00000002"]
    load_network(find_model(settings.output.save_path))


def test_a_step_without_a_finite_gradient_is_skipped_and_counted(
    tiny_run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    original = BalancedStep._clip
    norms = iter([True, False, True, True, False, True])
    nan = torch.tensor(float("nan"))
    monkeypatch.setattr(BalancedStep, "_clip", lambda self: original(self) if next(norms) else nan)
    settings = tiny_run()
    result = train(settings)
    assert result.skipped_steps == 2
    assert result.step == 6
    assert all(bool(tensor.isfinite().all()) for tensor in read_weights(find_model(settings.output.save_path)).values())


@pytest.mark.slow
def test_many_skipped_steps_in_a_row_end_the_run(tiny_run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(BalancedStep, "_clip", lambda self: torch.tensor(float("inf")))
    settings = tiny_run(training={"max_steps": 30, "device": "cpu", "num_threads": 1})
    with pytest.raises(NumericalError, match="20 steps in a row were skipped.*optimizer.learning_rate"):
        train(settings)


def test_a_missing_folder_is_told(tiny_run: Run, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="nowhere"):
        train(tiny_run(data={"train": tmp_path / "nowhere"}))


def test_lines_of_the_log_are_json_with_null_for_what_is_not_finite(
    tiny_run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(BalancedStep, "_clip", lambda self: torch.tensor(float("nan")))
    settings = tiny_run(training={"max_steps": 1, "device": "cpu", "num_threads": 1})
    train(settings)
    lines = (settings.output.save_path / "logs" / "metrics.jsonl").read_text().splitlines()
    assert json.loads(lines[1])["train/grad_norm"] is None
