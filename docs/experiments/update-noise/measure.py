"""How noisy FAMO's signal is: log improvements of the five tasks, measured in three ways in the same training steps.

    python docs/experiments/update-noise/measure.py RUN [--steps 200] [--learning-rate LR] [--json FILE]

Continues the training in folder RUN (nothing is written there) at a constant learning rate and measures after each step
how much it improved every task:

    same batch, same noise     the batch of the step, once more with its quantisation noise (update_mode same_batch)
    same batch, other noise    the same, with fresh noise
    next batch                 the following batch, before its own step (update_mode next_batch)
"""

from __future__ import annotations

import argparse
import dataclasses
import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from hpcmbal.core.balance.famo import log_improvement
from hpcmbal.data import Batch, BatchPlan
from hpcmbal.data.loader import StepBatches
from hpcmbal.training.checkpoint import open_checkpoint
from hpcmbal.training.distributed import World
from hpcmbal.training.draws import noise_seed
from hpcmbal.training.run_plan import augmentation, open_data
from hpcmbal.training.state import TrainingState, build_state
from hpcmbal.training.stepper import Stepper

WAYS = ("same batch, same noise", "same batch, other noise", "next batch")


@dataclass(frozen=True)
class Moments:
    """Log improvements in one step, by task.

    Attributes:
        mean: Over steps.
        deviation: Standard deviation over steps.
        relative_deviation: The same after taking off each step's mean over tasks: what tasks share moves no logit.
    """

    mean: list[float]
    deviation: list[float]
    relative_deviation: list[float]

    @classmethod
    def of(cls, changes: NDArray[np.float64]) -> Moments:
        """Moments of `changes` `[steps, K]`."""
        relative = changes - changes.mean(1, keepdims=True)
        return cls(changes.mean(0).tolist(), changes.std(0, ddof=1).tolist(), relative.std(0, ddof=1).tolist())


@dataclass(frozen=True)
class Report:
    """What was measured, from which step on, and how."""

    first_step: int
    learning_rate: float
    steps: int
    tasks: tuple[str, ...]
    ways: dict[str, Moments]


@torch.no_grad()
def task_losses(state: TrainingState, batch: Batch, lmbda: float, noise: int) -> Tensor:
    """Mean task losses `[K]` of a batch with the weights of the moment; `noise` names the quantisation noise."""
    x = batch.images
    weight = x.new_full((len(x),), lmbda)
    output = state.model(x, weight, [noise_seed(noise, sample) for sample in batch.sample_ids])
    return state.loss(output, x, weight).per_image.mean(0).double()


def measure(run: Path, steps: int, learning_rate: float | None) -> Report:
    """Train for `steps` steps; the moments of the log improvements, by way and task."""
    checkpoint = open_checkpoint(run)
    settings = checkpoint.settings
    rate = learning_rate or settings.optimizer.learning_rate
    schedule = settings.schedule.model_copy(update={"name": "constant", "warmup_steps": 0})
    settings = settings.model_copy(
        update={
            "schedule": schedule,
            "training": settings.training.model_copy(update={"precision": "float32"}),
        }
    )
    device = torch.device("cpu")
    state = build_state(settings, device)
    state.load_state_dict(checkpoint.trainer_state())
    for group in state.optimizer.param_groups:
        group["base_lr"] = rate
    images, _ = open_data(settings.data)
    plan = BatchPlan(len(images), settings.data.batch_size, settings.training.seed)
    batches = StepBatches(images, plan, augmentation(settings))
    stepper = Stepper(state, settings, World(), device, 10**9)
    lmbda, seed = settings.loss.lmbda, settings.training.seed
    found: dict[str, list[Tensor]] = {way: [] for way in WAYS}
    following = batches[state.step]
    for _ in range(steps):
        batch, following = following, batches[state.step + 1]
        before = task_losses(state, batch, lmbda, seed)
        stepper.step([batch])
        found[WAYS[0]].append(log_improvement(before, task_losses(state, batch, lmbda, seed)))
        found[WAYS[1]].append(log_improvement(before, task_losses(state, batch, lmbda, seed + 1 + state.step)))
        found[WAYS[2]].append(log_improvement(before, task_losses(state, following, lmbda, seed)))
    changes = {way: torch.stack(values).numpy() for way, values in found.items()}
    moments = {way: Moments.of(values) for way, values in changes.items()}
    return Report(checkpoint.step, rate, steps, state.loss.names, moments)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path)
    parser.add_argument("--steps", type=int, default=200)
    parser.add_argument("--learning-rate", type=float)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    report = measure(arguments.run, arguments.steps, arguments.learning_rate)
    print(f"{report.steps} steps from step {report.first_step}, learning rate {report.learning_rate}")
    print("log improvement in one step, mean ± standard deviation (that of differences between tasks)")
    print(f"{'':26}" + "".join(f"{task:>31}" for task in report.tasks))
    for way, moments in report.ways.items():
        cells = zip(moments.mean, moments.deviation, moments.relative_deviation, strict=True)
        print(f"{way:26}" + "".join(f"{mean:+13.5f} ± {sd:.5f} ({relative:.4f})" for mean, sd, relative in cells))
    if arguments.json:
        arguments.json.write_text(json.dumps(dataclasses.asdict(report), indent=1))


if __name__ == "__main__":
    main()
