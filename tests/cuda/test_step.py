"""Training steps on a CUDA device: the numbers of the CPU, no waiting, and the ways of running them faster."""

from __future__ import annotations

import copy
import dataclasses
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import torch
from tiny import TINY_NANO, write_photos

from hpcmbal.core.balance import HierarchicalBalanced
from hpcmbal.core.loss import HierarchicalLoss
from hpcmbal.core.model import HPCM, variants
from hpcmbal.data import Batch, BatchPlan
from hpcmbal.data.loader import StepBatches
from hpcmbal.errors import NumericalError
from hpcmbal.settings import TrainSettings
from hpcmbal.training.distributed import World
from hpcmbal.training.run_plan import augmentation, open_data
from hpcmbal.training.state import build_state
from hpcmbal.training.stepper import Stepper

CUDA, CPU = torch.device("cuda"), torch.device("cpu")
FIVE: dict[str, dict[str, Any]] = {
    "loss": {"tasks": "five"},
    "balancing": {"name": "linear", "update_every": 1, "gamma_strategy": "hierarchical", "anneal_from": 0.5},
}


@pytest.fixture(autouse=True)
def tiny_model(monkeypatch: pytest.MonkeyPatch) -> None:
    """Replace hpcm-nano by a much smaller network of the same kind."""
    monkeypatch.setitem(variants.VARIANTS, "hpcm-nano", TINY_NANO)


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Six smooth random images, 96x80."""
    return write_photos(tmp_path_factory.mktemp("photos"), 6)


def settings_of(photos: Path, **sections: dict[str, Any]) -> TrainSettings:
    base: dict[str, dict[str, Any]] = {
        "optimizer": {"learning_rate": 1e-3},
        "schedule": {"warmup_steps": 2},
        "data": {"train": photos, "val": photos, "batch_size": 2, "patch_size": 64},
        "training": {"max_steps": 20},
    }
    for section, values in sections.items():
        base[section] = base.get(section, {}) | values
    return TrainSettings.model_validate(base)


def ready(settings: TrainSettings, device: torch.device = CUDA) -> tuple[Stepper, list[Batch]]:
    """A stepper on the device, and its first eight batches, in page-locked memory as the trainer has them."""
    images, _ = open_data(settings.data)
    batches = StepBatches(images, BatchPlan(len(images), settings.data.batch_size, 0), augmentation(settings))
    stepper = Stepper(build_state(settings, device), settings, World(), device, 20)
    return stepper, [batches[step].pin_memory() for step in range(8)]


@contextmanager
def no_waiting() -> Iterator[None]:
    """Raise where the host would wait for the device."""
    torch.cuda.set_sync_debug_mode("error")
    try:
        yield
    finally:
        torch.cuda.set_sync_debug_mode("default")


def same_start(settings: TrainSettings, other: TrainSettings, devices: tuple[torch.device, torch.device]) -> Any:
    """Two steppers with the same weights, and their batches."""
    (first, batches), (second, _) = ready(settings, devices[0]), ready(other, devices[1])
    second.state.model.load_state_dict(first.state.model.state_dict())
    return first, second, batches


def gradients(stepper: Stepper, batch: Batch) -> tuple[float, torch.Tensor]:
    """J of a batch and the gradient of it, on the CPU. Noise differs between devices: the model rounds instead."""
    model = stepper.state.model.eval()
    losses = stepper._losses(batch)
    losses.total.backward()
    model.train()
    flat = torch.cat([p.grad.flatten() for p in model.parameters() if p.grad is not None])
    return float(losses.total.detach()), flat.float().cpu()


def test_a_float32_step_has_the_gradient_of_the_cpu(photos: Path) -> None:
    settings = settings_of(photos, training={"precision": "float32"}, **FIVE)
    torch.backends.cudnn.allow_tf32 = False
    first, second, batches = same_start(settings, settings, (CPU, CUDA))
    (j, expected), (other_j, found) = gradients(first, batches[0]), gradients(second, batches[0])
    assert other_j == pytest.approx(j, rel=1e-4)
    assert torch.nn.functional.cosine_similarity(expected, found, dim=0) > 0.9999


def test_a_bfloat16_step_is_close_to_a_float32_step(photos: Path) -> None:
    precise = settings_of(photos, training={"precision": "float32"}, **FIVE)
    short = settings_of(photos, training={"precision": "bfloat16"}, **FIVE)
    first, second, batches = same_start(precise, short, (CUDA, CUDA))
    (j, expected), (other_j, found) = gradients(first, batches[0]), gradients(second, batches[0])
    assert other_j == pytest.approx(j, rel=0.02)
    assert torch.nn.functional.cosine_similarity(expected, found, dim=0) > 0.98
    for stepper in (first, second):
        for batch in batches:
            assert stepper.step([batch]).metrics()["train/grad_norm"] > 0


def test_channels_last_changes_nothing_but_rounding(photos: Path) -> None:
    last = settings_of(photos, training={"precision": "float32", "channels_last": True})
    first = settings_of(photos, training={"precision": "float32", "channels_last": False})
    one, two, batches = same_start(last, first, (CUDA, CUDA))
    (j, expected), (other_j, found) = gradients(one, batches[0]), gradients(two, batches[0])
    assert other_j == pytest.approx(j, rel=1e-3)
    assert torch.nn.functional.cosine_similarity(expected, found, dim=0) > 0.999


@pytest.mark.parametrize(
    "sections",
    [
        {},
        FIVE,
        {"loss": {"tasks": "five", "decomposition": "learned"}, "balancing": {"name": "log1p"}},
        {"loss": {"tasks": "five", "decomposition": "fixed"}, "balancing": {"name": "linear"}},
        {"loss": {"tasks": "five"}, "balancing": {"name": "linear", "update_mode": "next_batch"}},
        {"loss": {"variable_rate": True, "lmbda_power": 0.8}},
        {"training": {"ema_decay": 0.9}},
        {"optimizer": {"name": "cautious"}},
    ],
    ids=["plain", "balanced", "learned", "fixed", "next batch", "variable rate", "moving average", "cautious"],
)
def test_the_host_never_waits_within_a_step(photos: Path, sections: dict[str, dict[str, Any]]) -> None:
    stepper, batches = ready(settings_of(photos, **sections))
    stepper.step([batches[0]])  # plans and kernels are made in the first
    torch.cuda.synchronize()
    with no_waiting():
        for batch in batches[1:]:
            result = stepper.step([batch])
    assert result.metrics()["train/j"] > 0
    stepper.check()


@pytest.mark.parametrize("optimizer", ["adam", "cautious", "soap", "muon"])
def test_a_step_that_is_not_finite_is_undone_on_the_device_and_counted(photos: Path, optimizer: str) -> None:
    settings = settings_of(photos, optimizer={"name": optimizer}, training={"ema_decay": 0.9}, **FIVE)
    stepper, batches = ready(settings)
    for batch in batches[:3]:
        stepper.step([batch])
    state = stepper.state
    weights = copy.deepcopy([*state.model.parameters(), *state.average.module.parameters()])  # type: ignore[union-attr]
    logits = copy.deepcopy(state.balancer.state_dict()["logits"])
    bad = dataclasses.replace(batches[3], images=torch.full_like(batches[3].images, float("nan")))
    for _ in range(2):
        stepper.step([bad])
    after = [*state.model.parameters(), *state.average.module.parameters()]  # type: ignore[union-attr]
    assert all(torch.equal(one, other) for one, other in zip(weights, after, strict=True))
    assert torch.equal(state.balancer.state_dict()["logits"]["w"], logits["w"])
    assert (int(state.skipped.total), int(state.skipped.in_a_row)) == (2, 2)
    stepper.step([batches[4]])
    assert int(state.skipped.in_a_row) == 0
    assert not torch.equal(next(state.model.parameters()), weights[0])
    assert all(bool(parameter.isfinite().all()) for parameter in state.model.parameters())


def test_twenty_in_a_row_raise_when_the_log_asks(photos: Path) -> None:
    stepper, batches = ready(settings_of(photos))
    bad = dataclasses.replace(batches[0], images=torch.full_like(batches[0].images, float("nan")))
    for _ in range(20):
        stepper.step([bad])
    with pytest.raises(NumericalError, match="20 steps in a row were skipped"):
        stepper.check()


@pytest.mark.slow
def test_a_compiled_step_is_the_plain_one_but_for_rounding(photos: Path) -> None:
    plain = settings_of(photos, training={"precision": "float32"})
    compiled = settings_of(photos, training={"precision": "float32", "compile": True})
    one, two, batches = same_start(plain, compiled, (CUDA, CUDA))
    for batch in batches[:3]:
        j, other = (stepper.step([batch]).metrics()["train/j"] for stepper in (one, two))
        assert other == pytest.approx(j, rel=1e-3)


@pytest.mark.slow
@torch.no_grad()
def test_the_eleven_context_steps_run_as_cuda_graphs() -> None:
    """`reduce-overhead` records the walk, whose many small kernels are bound by their launches, as CUDA graphs."""
    torch.manual_seed(0)
    model = HPCM("hpcm-nano").to(CUDA).eval()
    params = torch.randn(2, 2 * model.variant.latent_channels, 8, 8, device=CUDA)

    def walk(params: torch.Tensor) -> torch.Tensor:
        return model.walk(params, lambda _step, _scales, means: means.round())

    recorded = torch.compile(walk, mode="reduce-overhead")
    for _ in range(4):
        found = recorded(params).clone()
        torch.testing.assert_close(found, walk(params), atol=1e-4, rtol=1e-3)


def test_a_loop_of_ones_own_runs_on_the_device_too() -> None:
    torch.manual_seed(0)
    model, loss = HPCM("hpcm-nano").to(CUDA), HierarchicalLoss().to(CUDA)
    optimizer = HierarchicalBalanced(torch.optim.Adam(model.parameters(), lr=1e-3), update_every=2)
    x = torch.rand(2, 3, 64, 64, device=CUDA)
    for step in range(6):
        optimizer.step(lambda step=step: loss(model(x, 0.013, [step, step + 100]), x, 0.013))
    optimizer.step(lambda: loss(model(x, 0.013), x, 0.013).tasks * float("nan"))
    assert optimizer.skipped_steps == 1
    assert max(abs(weight - 0.2) for weight in optimizer.get_task_weights().values()) > 0.001
