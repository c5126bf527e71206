"""A resumed run obeys what it is given: the loaded state brings its memory, not its old settings."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from hpcmbal.errors import CheckpointError
from hpcmbal.model_files.find import find_model
from hpcmbal.model_files.store import load_network
from hpcmbal.settings import TrainSettings, load_train_settings
from hpcmbal.training import trainer
from hpcmbal.training.checkpoint import list_checkpoints, open_checkpoint
from hpcmbal.training.reporting import SilentReporter
from hpcmbal.training.state import TrainingState, build_state
from hpcmbal.training.trackers import read_log
from hpcmbal.training.trainer import train

Run = Callable[..., TrainSettings]


class Messages(SilentReporter):
    """Keeps what it is told."""

    def __init__(self) -> None:
        self.told: list[str] = []

    def message(self, text: str) -> None:
        self.told.append(text)


@pytest.fixture
def states(monkeypatch: pytest.MonkeyPatch) -> list[TrainingState]:
    """The states of the trainings of a test, as they are left."""
    kept: list[TrainingState] = []
    build = trainer.build_state

    def keep(*arguments: Any) -> TrainingState:
        kept.append(build(*arguments))
        return kept[-1]

    monkeypatch.setattr(trainer, "build_state", keep)
    return kept


def on(settings: TrainSettings, **changes: object) -> TrainSettings:
    """The same run, resumed, with other values by path (dots as two underscores)."""
    given = {name.replace("__", "."): value for name, value in changes.items()}
    given |= {"output.checkpoint": settings.output.save_path}
    return load_train_settings(None, given, base=settings.model_dump())


@pytest.mark.parametrize(
    "optimizer", ["adam", "soap", *(pytest.param(name, marks=pytest.mark.slow) for name in ("cautious", "muon"))]
)
def test_rate_betas_and_weight_decay_given_anew_are_in_force(
    tiny_run: Run, states: list[TrainingState], optimizer: str
) -> None:
    settings = tiny_run(optimizer={"name": optimizer, "learning_rate": 1e-3}, schedule={"name": "constant"})
    train(settings)
    changes = {"optimizer__learning_rate": 1e-6, "optimizer__betas": (0.5, 0.6), "optimizer__weight_decay": 0.25}
    train(on(settings, training__max_steps=8, **changes))
    old, new = states
    for before, after in zip(old.optimizer.param_groups, new.optimizer.param_groups, strict=True):
        assert after["lr"] == pytest.approx(before["lr"] * 1e-3)
        if "betas" in after:
            assert tuple(after["betas"]) == (0.5, 0.6)
        assert after["weight_decay"] > 0
    lines = read_log(settings.output.save_path / "logs" / "metrics.jsonl")
    rates = [line["train/learning_rate"] for line in lines if "train/learning_rate" in line]
    assert rates[-2:] == pytest.approx([rates[2] * 1e-3] * 2)


def test_gammas_and_scale_weights_given_anew_are_in_force_and_the_logits_go_on(
    tiny_run: Run, states: list[TrainingState]
) -> None:
    settings = tiny_run(loss={"tasks": "five"}, balancing={"name": "linear", "update_every": 1})
    train(settings)
    logits = states[0].balancer.state_dict()["logits"]["w"]
    changes = {"balancing__gamma_s1": 0.9, "balancing__scale_weights": (1, 1, 8), "balancing__w_lr": 1e-9}
    train(on(settings, training__max_steps=8, **changes))
    balancer: Any = states[1].balancer
    assert balancer.gammas.gammas == (0.9, 0.006, 0.004)
    assert balancer.scale_weights == (1, 1, 8)
    torch.testing.assert_close(balancer.logits.values, logits, rtol=0, atol=1e-7)
    assert logits.abs().max() > 0.01


def test_clipping_given_anew_bounds_the_step(tiny_run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = tiny_run()
    train(settings)
    norms: list[float] = []
    clip = torch.nn.utils.clip_grad_norm_
    monkeypatch.setattr(
        torch.nn.utils, "clip_grad_norm_", lambda parameters, norm: norms.append(norm) or clip(parameters, norm)
    )
    train(on(settings, training__max_steps=7, optimizer__clip_max_norm=0.03125))
    assert norms == [0.03125]


@pytest.mark.slow
@pytest.mark.parametrize(("before", "after"), [(0.0, 0.5), (0.5, 0.0), (0.5, 0.9)])
def test_a_moving_average_may_begin_end_and_change(tiny_run: Run, before: float, after: float) -> None:
    settings = tiny_run(training={"ema_decay": before})
    train(settings)
    train(on(settings, training__max_steps=8, training__ema_decay=after))
    checkpoint = open_checkpoint(settings.output.save_path)
    weights, state = load_network(find_model(checkpoint.folder)).state_dict(), checkpoint.trainer_state()
    same = all(torch.equal(weights[name], value) for name, value in state["model"].items())
    assert same == (after == 0)
    assert (state["average"] is not None) == (after > 0)
    if after:
        distance = max(float((weights[name] - value).abs().max()) for name, value in state["model"].items())
        assert distance < 0.05, "an average that begins now begins at the weights loaded"


def test_what_changes_is_told_in_one_line(tiny_run: Run) -> None:
    settings, reporter = tiny_run(), Messages()
    train(settings)
    train(on(settings, training__max_steps=7, loss__lmbda=0.05), reporter)
    (line,) = [text for text in reporter.told if text.startswith("Resumed")]
    assert "after step 6. From here on: loss.lmbda was 0.013, now 0.05; training.max_steps was 6, now 7." in line


def test_a_new_length_moves_the_gammas_at_once(tiny_run: Run, states: list[TrainingState]) -> None:
    settings = tiny_run(loss={"tasks": "five"}, balancing={"name": "linear", "gamma_strategy": "linear"})
    train(settings)
    train(on(settings, training__max_steps=7))
    first, *_ = [line for line in read_log(settings.output.save_path / "logs" / "metrics.jsonl") if line["step"] == 7]
    assert first["gamma/s1"] == pytest.approx(0.008 * 0.5)


MANIFESTS: dict[str, tuple[Callable[[dict[str, Any]], object], str]] = {
    "earlier format": (lambda m: m | {"format": "hpcmbal-checkpoint-1"}, r"cannot be resumed: it has format .*-1"),
    "list": (lambda m: [m], "is no manifest of a checkpoint"),
    "no step": (lambda m: {k: v for k, v in m.items() if k != "step"}, "no manifest.*: step: Field required"),
    "negative step": (lambda m: m | {"step": -1}, "no manifest.*: step: Input should be greater"),
    "no settings": (lambda m: m | {"settings": None}, "no manifest.*: settings"),
    "files elsewhere": (lambda m: m | {"sha256": {"../x": "", "trainer.pt": ""}}, r"no manifest.*: sha256\.\.\./x"),
    "no files": (lambda m: m | {"sha256": {}}, "no manifest.*: sha256"),
    "settings of another version": (
        lambda m: m | {"settings": m["settings"] | {"data": {"patchsize": 3}}},
        "settings in .* do not fit this version: .*patchsize",
    ),
    "settings out of range": (
        lambda m: m | {"settings": m["settings"] | {"data": {"batch_size": 0}, "loss": {"lmbda": -1}}},
        r"do not fit this version: 2 problems .*lmbda.*batch_size",
    ),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", MANIFESTS)
def test_a_manifest_that_does_not_fit_is_one_line_and_the_weights_still_load(tiny_run: Run, name: str) -> None:
    settings = tiny_run()
    train(settings)
    file = list_checkpoints(settings.output.save_path)[-1] / "manifest.json"
    change, message = MANIFESTS[name]
    file.write_text(json.dumps(change(json.loads(file.read_text()))))
    with pytest.raises(CheckpointError, match=message) as caught:
        train(on(settings, training__max_steps=8))
    assert "\n" not in str(caught.value)
    assert caught.value.exit_code == 5
    load_network(find_model(file.parent))


@pytest.mark.slow
@pytest.mark.parametrize("state", [None, [1, 2], {"model": {}}, {}], ids=repr)
def test_a_state_of_another_training_is_one_line(tiny_run: Run, state: object) -> None:
    settings = tiny_run()
    train(settings)
    folder = list_checkpoints(settings.output.save_path)[-1]
    if state is None:
        (folder / "trainer.pt").write_bytes(b"")
    else:
        torch.save(state, folder / "trainer.pt")
    _seal(folder)
    with pytest.raises(
        CheckpointError, match="is no PyTorch checkpoint|was expected|does not hold the state"
    ) as caught:
        train(on(settings, training__max_steps=8))
    assert "\n" not in str(caught.value)


def without(state: dict[str, Any], *path: Any) -> dict[str, Any]:
    """The state without one part."""
    return replaced(state, path[:-1], lambda part: {key: value for key, value in part.items() if key != path[-1]})


def replaced(state: Any, path: tuple[Any, ...], change: Callable[[Any], object]) -> Any:
    """The state with one part changed."""
    if not path:
        return change(state)
    copy = dict(state) if isinstance(state, dict) else list(state)
    copy[path[0]] = replaced(copy[path[0]], path[1:], change)
    return copy


WRONG = [None, "x", -1, math.nan, [1, 2], {"a": 1}, torch.zeros(3, 3, dtype=torch.int64)]
PARTS = [
    *[("step",), ("skipped",), ("skipped", 0), ("epoch_losses",), ("epoch_losses", 0), ("model",), ("balancer",)],
    *[("optimizer",), ("optimizer", "state", 0), ("optimizer", "state", 0, "step")],
    *[("optimizer", "state", 0, "exp_avg"), ("optimizer", "state", 0, "exp_avg_sq")],
    *[("balancer", "logits", "w"), ("balancer", "logits", "adam", "step"), ("balancer", "previous")],
]


FIVE_TASKS = TrainSettings.model_validate(
    {
        "model": {"name": "hpcm-nano"},
        "loss": {"tasks": "five"},
        "balancing": {"name": "linear", "update_every": 1},
        "training": {"max_steps": 4},
    }
)


@pytest.fixture(scope="module")
def saved_state() -> dict[str, Any]:
    """The state of a training of five tasks after a step."""
    state = build_state(FIVE_TASKS, torch.device("cpu"))
    for parameter in state.parameters():
        parameter.grad = torch.ones_like(parameter)
    state.optimizer.step()
    losses = torch.arange(1.0, 6.0, dtype=torch.float64)
    state.balancer.logits.update(losses, losses * 0.9, [0.01] * 5)  # type: ignore[attr-defined]
    state.epoch_losses.add(0, losses)
    state.step = 1
    return state.state_dict()


ALLOWED = {(("balancer", "previous"), "None"), (("skipped",), "[1, 2]")}


@pytest.mark.slow
@pytest.mark.parametrize("path", PARTS, ids=str)
def test_no_part_of_a_state_may_be_anything_else(saved_state: dict[str, Any], path: tuple[Any, ...]) -> None:
    """What is wrong is told when the state is loaded, not by a traceback in the middle of the first step."""
    state = build_state(FIVE_TASKS, torch.device("cpu"))
    state.load_state_dict(saved_state)
    for wrong in WRONG:
        if (path, repr(wrong)) in ALLOWED:
            continue
        with pytest.raises((AttributeError, LookupError, RuntimeError, TypeError, ValueError), match="."):
            state.load_state_dict(replaced(saved_state, path, lambda _, wrong=wrong: wrong))
    if isinstance(path[-1], str):
        with pytest.raises((LookupError, ValueError), match="."):
            state.load_state_dict(without(saved_state, *path))


def test_a_state_of_another_step_than_its_manifest_says_is_refused(tiny_run: Run) -> None:
    settings = tiny_run()
    train(settings)
    file = list_checkpoints(settings.output.save_path)[-1] / "manifest.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | {"step": 10**30}))
    with pytest.raises(CheckpointError, match=r"is of step 6, the manifest says 10{30}\."):
        train(on(settings, training__max_steps=8))


def test_code_in_a_state_is_never_run(tiny_run: Run, tmp_path: Path) -> None:
    settings = tiny_run()
    train(settings)
    folder, trap = list_checkpoints(settings.output.save_path)[-1], tmp_path / "trap"
    torch.save({"step": _Trap(str(trap))}, folder / "trainer.pt")
    _seal(folder)
    with pytest.raises(CheckpointError, match="holds Python objects, which are never loaded"):
        train(on(settings, training__max_steps=8))
    assert not trap.exists()


class _Trap:
    def __init__(self, path: str) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, tuple[str, str]]:
        return open, (self.path, "w")


def _seal(folder: Path) -> None:
    """Make the manifest agree with the files as they are now."""
    manifest = json.loads((folder / "manifest.json").read_text())
    manifest["sha256"]["trainer.pt"] = hashlib.sha256((folder / "trainer.pt").read_bytes()).hexdigest()
    (folder / "manifest.json").write_text(json.dumps(manifest))


def test_a_checkpoint_is_named_as_a_model_is_and_a_model_alone_cannot_be_resumed(tiny_run: Run) -> None:
    settings = tiny_run()
    train(settings)
    newest = list_checkpoints(settings.output.save_path)[-1]
    for name in (settings.output.save_path, newest, newest / "model.safetensors"):
        assert open_checkpoint(name).folder == newest
    with pytest.raises(CheckpointError, match="hpcm-nano is a model without the state of its training.*init_from"):
        open_checkpoint(Path("hpcm-nano"))
    with pytest.raises(CheckpointError, match="There is no model 'nowhere': packaged are:"):
        open_checkpoint(Path("nowhere"))
