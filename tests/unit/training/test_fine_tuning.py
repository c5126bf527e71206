"""Fine-tuning: frozen parts do not move, rates differ by part, scales stop alone, and all of it is resumed exactly."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, ClassVar

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor

from hpcmbal.core.model import HPCM
from hpcmbal.core.model.parts import part_of
from hpcmbal.errors import CheckpointError, SettingsError
from hpcmbal.model_files.find import model_in as find_weights_file
from hpcmbal.model_files.store import read_weights
from hpcmbal.settings import TrainSettings, load_train_settings
from hpcmbal.settings.finetune import EarlyStoppingSettings, FineTuneSettings
from hpcmbal.training import trainer as trainer_module
from hpcmbal.training.checkpoint import open_checkpoint
from hpcmbal.training.cooldown import cooldown_settings
from hpcmbal.training.early_stopping import EarlyStopping, scale_losses
from hpcmbal.training.preflight import run_preflight
from hpcmbal.training.reporting import SilentReporter
from hpcmbal.training.schedule import learning_rate_factor
from hpcmbal.training.state import build_state
from hpcmbal.training.trackers import read_log
from hpcmbal.training.trained_parts import learning_rate_factors
from hpcmbal.training.trainer import train

Run = Callable[..., TrainSettings]
MACHINE = {"device": "cpu", "num_threads": 1}


class StopAt(SilentReporter):
    """Asks the process to stop after a step."""

    def __init__(self, step: int) -> None:
        self.at = step

    def step(self, step: int, metrics: Any) -> None:
        import signal

        if step == self.at:
            signal.raise_signal(signal.SIGTERM)


def weights_after(settings: TrainSettings) -> dict[str, Tensor]:
    state: dict[str, Tensor] = open_checkpoint(settings.output.save_path).trainer_state()["model"]
    return state


@pytest.mark.parametrize(
    "optimizer",
    ["soap", *(pytest.param(name, marks=pytest.mark.slow) for name in ("adam", "cautious", "muon"))],
)
@pytest.mark.parametrize(
    "frozen",
    [
        ("g_s", "h_s", "context", "entropy", "rate_gains.log_inverse_gain"),
        pytest.param(("g_a", "gains"), marks=pytest.mark.slow),
    ],
)
def test_frozen_parts_are_bit_identical_after_50_steps(
    tiny_run: Run, tiny_start: Path, optimizer: str, frozen: tuple[str, ...]
) -> None:
    settings = tiny_run(
        optimizer={"name": optimizer, "learning_rate": 1e-3, "weight_decay": 0.01},
        loss={"tasks": "five"},
        balancing={"name": "linear"},
        training={"max_steps": 50, **MACHINE},
        output={"validate_every": 1000, "save_freq": 1000, "log_every": 1000},
        finetune={"init_from": str(tiny_start), "freeze": frozen},
    )
    train(settings)
    before, after = read_weights(tiny_start), weights_after(settings)
    factors = learning_rate_factors(settings.finetune, HPCM("hpcm-nano"))
    assert {part_of(name) for name, factor in factors.items() if factor == 0} >= {
        part for part in frozen if "." not in part
    } - {"context"}
    for name, factor in factors.items():
        assert torch.equal(before[name], after[name]) == (factor == 0), name


@pytest.mark.slow
def test_balancing_that_compares_gradients_leaves_frozen_parts_out(tiny_run: Run, tiny_start: Path) -> None:
    settings = tiny_run(
        loss={"tasks": "five"},
        balancing={"name": "qp"},
        finetune={"init_from": str(tiny_start), "freeze": ("g_s", "context")},
    )
    train(settings)
    before, after = read_weights(tiny_start), weights_after(settings)
    assert torch.equal(before["g_s.branch.0.weight"], after["g_s.branch.0.weight"])
    assert not torch.equal(before["g_a.branch.0.weight"], after["g_a.branch.0.weight"])


@pytest.mark.parametrize("optimizer", ["adam", "soap", "muon"])
def test_rates_by_part_follow_the_schedule(tiny_run: Run, optimizer: str) -> None:
    factors = {"g_a": 2.0, "context": 0.25, "context.s3": 0.5, "g_s.*.bias": 0.1}
    settings = tiny_run(optimizer={"name": optimizer, "learning_rate": 1e-3}, finetune={"learning_rates": factors})
    device = torch.device("cpu")
    plain = build_state(settings.model_copy(update={"finetune": FineTuneSettings()}), device)
    base = {id_: group["lr"] for id_, group in by_name(plain).items()}
    state = build_state(settings, device)
    stepper = trainer_module.Stepper(state, settings, trainer_module.World(), device, 20)
    state.step = 7
    stepper._set_learning_rate()
    course = learning_rate_factor(settings.schedule, 7, 20)
    for name, group in by_name(state).items():
        expected = 1.0
        if part_of(name) == "g_a":
            expected = 2.0
        elif part_of(name) == "context.s3":
            expected = 0.5
        elif part_of(name).startswith("context."):
            expected = 0.25
        elif name.startswith("g_s.") and name.endswith(".bias"):
            expected = 0.1
        assert group["lr"] == pytest.approx(base[name] * expected * course), name


def by_name(state: Any) -> dict[str, dict[str, Any]]:
    names = {parameter: name for name, parameter in state.model.named_parameters()}
    return {names[parameter]: group for group in state.optimizer.param_groups for parameter in group["params"]}


def test_rates_fall_with_depth() -> None:
    factors = learning_rate_factors(FineTuneSettings(layer_decay=0.5), HPCM("hpcm-nano"))
    layers = [factors[f"g_a.branch.{i}.weight"] for i in (0,)]
    assert layers[0] == 0.5 ** (len(HPCM("hpcm-nano").g_a.branch) - 1)
    assert [factors[f"adaptive_params_list.{i}"] for i in (0, 1, 9)] == [0.25, 0.5, 1.0]


@pytest.mark.parametrize(
    ("tuning", "message"),
    [
        (
            {"freeze": ("g_x",)},
            r"finetune.freeze = g_x: is no part of this network.* parts are g_a, h_a, gains, entropy",
        ),
        (
            {"freeze": ("g_x",), "learning_rates": {"nothing.*": 2.0}},
            r"(?s)2 problems.*freeze = g_x: is no part.*learning_rates = nothing.\*: is no part of this network",
        ),
        ({"freeze": ("g_a",), "learning_rates": {"g_a.branch.0.weight": 2.0}}, "is frozen; leave it out"),
        ({"freeze": ("*",)}, "everything is frozen"),
    ],
)
def test_what_means_nothing_is_refused(tuning: dict[str, Any], message: str) -> None:
    with pytest.raises(SettingsError, match=message):
        learning_rate_factors(FineTuneSettings(**tuning), HPCM("hpcm-nano"))


def test_the_preflight_lists_what_learns(tiny_run: Run, tiny_start: Path) -> None:
    settings = tiny_run(
        finetune={"init_from": str(tiny_start), "freeze": ("g_s",), "learning_rates": {"g_a": 0.5}},
    )
    (trains,) = [item for item in run_preflight(settings) if item.name == "trains"]
    model = HPCM("hpcm-nano")
    size = sum(parameter.numel() for parameter in model.g_a.parameters())
    assert f"g_a: {size:,} at 0.0005; " in trains.detail
    assert trains.detail.endswith(" frozen")


def test_scale_losses_sum_to_j(tiny_run: Run) -> None:
    result = train(tiny_run(training={"max_steps": 1, **MACHINE}))
    values = result.validation
    assert sum(values[scale] for scale in ("s1", "s2", "s3")) == pytest.approx(values["j"], rel=1e-5)
    record = {
        "distortion": 2.0, "distortion_share_s1": 0.25, "distortion_share_s2": 0.5, "distortion_share_s3": 0.25,
        "bpp_s1": 0.1, "bpp_s2": 0.2, "bpp_s3": 0.3, "bpp_z": 0.4,
    }  # fmt: skip
    assert scale_losses(record) == pytest.approx({"s1": 0.6, "s2": 1.7, "s3": 0.7})


def test_patience_counts_validations_that_are_not_better_by_min_delta() -> None:
    stopping = EarlyStopping(EarlyStoppingSettings(patience=2, min_delta=0.1, per_scale=False))
    weights = {"w": torch.zeros(1)}
    newly = [stopping.note(step, {"j": j}, weights) for step, j in enumerate((3.0, 2.95, 2.8, 2.75, 2.72))]
    assert newly == [[], [], [], [], ["j"]]
    assert stopping.done
    assert (stopping.best_j, stopping.best_step) == (2.72, 4), "best weights need no min_delta"


class Planted:
    """Validations in which s2 no longer falls, and the others fall until a step."""

    def __init__(self, until: int) -> None:
        self.until, self.count = until, 0

    def __call__(self, model: HPCM, *_rest: object) -> dict[str, float]:
        falling = 10.0 - min(self.count, self.until)
        self.count += 1
        return {"j": 2 * falling + 5.0, "s1": falling, "s2": 5.0, "s3": falling}


def planted_run(tiny_run: Run, folder: str, steps: int = 40) -> TrainSettings:
    return tiny_run(
        folder,
        training={"max_steps": steps, **MACHINE},
        output={"validate_every": 2, "save_freq": 2, "log_every": 1, "keep": 100},
        finetune={"early_stopping": {"patience": 3, "min_delta": 0.001}},
    )


def moved(run: Path, first: int, second: int) -> set[str]:
    """Parts whose weights differ between the checkpoints of two steps."""
    states = [
        open_checkpoint(run / "checkpoints" / f"step-{step:08d}").trainer_state()["model"] for step in (first, second)
    ]
    return {part_of(name) for name in states[0] if not torch.equal(states[0][name], states[1][name])}


def test_a_scale_that_does_not_get_better_stops_and_the_others_go_on(
    tiny_run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(trainer_module, "validate", Planted(until=7))
    settings = planted_run(tiny_run, "run")
    result = train(settings)
    run = settings.output.save_path
    assert "context.s2" in moved(run, 2, 6)
    stopped_at = 6  # validations at 0 (the first is the best), 2, 4, 6
    assert "context.s2" not in moved(run, stopped_at, result.step)
    assert {"context.s1", "context.s3", "g_a", "g_s"} <= moved(run, stopped_at, 14)
    assert result.step == 20, "s1 and s3 fall until validation 7, at step 14, and then wait three times"
    assert result.total_steps == 40
    log = read_log(run / "logs" / "metrics.jsonl")
    assert next(line["step"] for line in log if line.get("stopped/s2") == 1.0) == stopped_at
    best = open_checkpoint(run / "checkpoints" / "step-00000014").trainer_state()["model"]
    assert all(torch.equal(best[name], tensor) for name, tensor in read_weights(find_weights_file(run)).items())


@pytest.mark.slow
@pytest.mark.parametrize("stop", [5, 9, 17])
def test_early_stopping_is_resumed_exactly(tiny_run: Run, monkeypatch: pytest.MonkeyPatch, stop: int) -> None:
    monkeypatch.setattr(trainer_module, "validate", Planted(until=7))
    whole = planted_run(tiny_run, "whole")
    train(whole)
    planted = Planted(until=7)
    monkeypatch.setattr(trainer_module, "validate", planted)
    parts = planted_run(tiny_run, "parts")
    train(parts, StopAt(stop))
    output = parts.output.model_copy(update={"checkpoint": parts.output.save_path})
    assert train(parts.model_copy(update={"output": output})).step == 20
    first, second = (open_checkpoint(run.output.save_path).trainer_state() for run in (whole, parts))
    assert same(first, second)
    assert train(parts.model_copy(update={"output": output})).step == 20, "what has ended does not go on"


def test_what_early_stopping_ended_is_told_and_not_prolonged(tiny_run: Run) -> None:
    settings = tiny_run(
        "ended",
        training={"max_steps": 8, **MACHINE},
        output={"validate_every": 1, "save_freq": 1},
        finetune={"early_stopping": {"patience": 1, "min_delta": 100.0}},
    )
    assert train(settings).step == 1
    output = settings.output.model_copy(update={"checkpoint": settings.output.save_path})
    again = settings.model_copy(update={"output": output})
    (*_, duration) = run_preflight(again)
    assert "nothing left to do: early stopping ended" in duration.detail

    class Told(SilentReporter):
        messages: ClassVar[list[str]] = []

        def message(self, text: str) -> None:
            self.messages.append(text)

    assert train(again, Told()).step == 1
    assert any(text.startswith("Early stopping ended") for text in Told.messages)
    longer = again.model_copy(update={"training": again.training.model_copy(update={"max_steps": 20})})
    with pytest.raises(SettingsError, match=r"Early stopping ended .* start a new run with finetune.init_from="):
        train(longer)
    with pytest.raises(SettingsError, match="There is nothing to cool down: early stopping ended"):
        cooldown_settings(open_checkpoint(settings.output.save_path), 2)


def test_a_frozen_part_that_the_start_does_not_fit_is_refused(tiny_run: Run, tiny_start: Path, tmp_path: Path) -> None:
    weights = {name: value for name, value in read_weights(tiny_start).items() if not name.startswith("g_s.branch.0")}
    path = tmp_path / "less.safetensors"
    save_file(weights, path)
    settings = tiny_run(finetune={"init_from": str(path), "freeze": ("g_s", "h_s")})
    with pytest.raises(CheckpointError, match="of g_s something would stay random"):
        build_state(settings, torch.device("cpu"))
    build_state(tiny_run(finetune={"init_from": str(path), "freeze": ("h_s",)}), torch.device("cpu"))


@pytest.mark.parametrize(
    ("field", "typed", "message"),
    [
        ("learning_rates", "g_a=1,g_a=2", "names g_a twice"),
        ("learning_rates", "g_a", "must be NAME=VALUE"),
        ("learning_rates", "g_a=fast", "g_a must be a valid number"),
        ("early_stopping", "true", "must be NAME=VALUE"),
        ("early_stopping", "patience=3,foo=1", "foo is none of its settings"),
    ],
)
def test_typed_mappings_are_told_what_is_wrong(field: str, typed: str, message: str) -> None:
    with pytest.raises(SettingsError, match=message):
        load_train_settings("finetune-nano", {f"finetune.{field}": typed})


def same(first: Any, second: Any) -> bool:
    if isinstance(first, Tensor):
        return torch.equal(first, second)
    if isinstance(first, Mapping):
        return first.keys() == second.keys() and all(same(first[key], second[key]) for key in first)
    if isinstance(first, list | tuple):
        return len(first) == len(second) and all(map(same, first, second))
    return bool(first == second)


def test_the_parts_that_learn_cannot_change_on_resuming(tiny_run: Run, tiny_start: Path) -> None:
    settings = tiny_run(finetune={"init_from": str(tiny_start), "freeze": ("g_s",)})
    train(settings)
    tuning = settings.finetune.model_copy(update={"freeze": ("g_a",)})
    output = settings.output.model_copy(update={"checkpoint": settings.output.save_path})
    with pytest.raises(SettingsError, match=r"A resumed run cannot change: finetune.freeze was"):
        train(settings.model_copy(update={"output": output, "finetune": tuning}))


def test_rounded_latents_freeze_the_encoder_and_are_those_of_real_coding(tiny_run: Run, tiny_start: Path) -> None:
    settings = tiny_run(finetune={"init_from": str(tiny_start), "rounded": True})
    state = build_state(settings, torch.device("cpu"))
    x = torch.rand(2, 3, 64, 64)
    trained = state.model(x, torch.full((2,), 0.01), [1, 2])
    with torch.no_grad():
        real = state.model.eval()(x, torch.full((2,), 0.01))
    torch.testing.assert_close(trained["x_hat"], real["x_hat"])
    torch.testing.assert_close(trained["scale_bits"].total(), real["scale_bits"].total())
    trained["scale_bits"].total().sum().backward()
    learning = {part_of(name) for name, parameter in state.model.named_parameters() if parameter.grad is not None}
    assert learning >= {"h_s", "context.s1", "context.s3", "entropy"}
    train(settings)
    before, after = read_weights(tiny_start), weights_after(settings)
    encoder = ("g_a.", "h_a.", "rate_gains.log_gain")
    assert all(torch.equal(before[name], after[name]) for name in before if name.startswith(encoder))
    assert not torch.equal(before["g_s.branch.0.weight"], after["g_s.branch.0.weight"])
