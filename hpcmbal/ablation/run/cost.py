"""What a study will cost: a few real steps of each kind of arm, under the load of the study itself."""

from __future__ import annotations

import hashlib
import heapq
import json
import os
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch

from hpcmbal.ablation.plan.plan import PlannedRun
from hpcmbal.ablation.run.execution import is_out_of_memory
from hpcmbal.core.device import choose_device
from hpcmbal.data import CachedImages, validation_images
from hpcmbal.engines.engine import Engine, Lost
from hpcmbal.settings import TrainSettings
from hpcmbal.training.preflight import PROCESS_BYTES, measure_step
from hpcmbal.training.run_plan import open_data, total_steps
from hpcmbal.training.state import build_state
from hpcmbal.training.validation import validation_lmbdas

START_SECONDS = 6.0
"""A process starts, imports torch, decodes images and makes a network."""

LOG_LINE_BYTES = 1200

_WITHOUT_COST: dict[str, frozenset[str]] = {
    "loss": frozenset({"lmbda", "lmbda_min", "lmbda_max", "share_learning_rate"}),
    "optimizer": frozenset({"learning_rate", "betas", "eps", "weight_decay", "clip_max_norm", "matrix_lr_factor"}),
    "balancing": frozenset({"w_lr", "gamma_s1", "gamma_s2", "gamma_s3", "scale_weights", "gamma_strategy"}),
    "training": frozenset({"seed"}),
}
"""Settings that do not change how long a step takes."""


@dataclass(frozen=True)
class Cost:
    """What a run of one kind costs.

    Attributes:
        step_seconds: Of an optimiser step, while the other jobs are busy too.
        evaluation_seconds: Of coding all evaluation images once.
        checkpoint_bytes: On disk.
        memory_bytes: Of a process.
    """

    step_seconds: float
    evaluation_seconds: float
    checkpoint_bytes: int
    memory_bytes: int


@dataclass(frozen=True)
class Forecast:
    """What runs cost together.

    Attributes:
        machine_seconds: Of all runs, one after another.
        seconds: With so many at a time as was asked for; None if that is not known.
        disk_bytes: Checkpoints and logs at the end.
        memory_bytes: Of the runs that go on at a time, on each machine's own memory or its GPU's.
        unknown: Kinds that could not be measured, by one run of each, and why; they count nothing.
    """

    machine_seconds: float
    seconds: float | None
    disk_bytes: int
    memory_bytes: int
    unknown: tuple[tuple[PlannedRun, str], ...] = ()


def kind_of(settings: TrainSettings) -> str:
    """Settings with one kind take equally long for a step."""
    content = settings.model_dump(mode="json", exclude={"output", "tracking", "schedule"})
    kept = {
        section: {name: value for name, value in fields.items() if name not in _WITHOUT_COST.get(section, frozenset())}
        for section, fields in content.items()
    }
    return hashlib.sha256(json.dumps(kept, sort_keys=True).encode()).hexdigest()


def measure_cost(settings: TrainSettings) -> Cost | str:
    """Do a few steps with throw-away weights and code one evaluation image; or say why that cannot be done.

    Raises:
        DataError: Images are missing or cannot be read.
    """
    training_images, evaluation_images = open_data(settings.data)
    device = choose_device(settings.training.device)
    try:
        step = measure_step(settings, training_images, device, total_steps(settings, len(training_images)))
        seconds = _image_seconds(settings, evaluation_images, device)
    except (MemoryError, RuntimeError) as error:
        if not is_out_of_memory(error):
            raise
        return "out of memory in the trial steps"
    memory = step.state_bytes + step.activation_bytes + PROCESS_BYTES + (settings.data.cache_mebibytes << 20)
    return Cost(step.seconds, seconds * len(evaluation_images), step.state_bytes, memory)


def measure_costs(runs: Sequence[PlannedRun], engine: Engine, at_once: int = 1) -> dict[str, Cost | str]:
    """The cost of every kind among `runs`.

    Args:
        runs: At least one.
        engine: Does the measurements.
        at_once: How many runs share the machine; so many are measured together.
    """
    kinds = {kind_of(run.settings): run.settings for run in runs}
    tasks = list(kinds.values())
    tasks += [tasks[index % len(kinds)] for index in range(len(kinds), min(at_once, len(runs)))]
    found: dict[str, Cost | str] = {}

    def on_result(index: int, result: Cost | str | Lost) -> None:
        kind = kind_of(tasks[index])
        result = result.reason if isinstance(result, Lost) else result
        before = found.get(kind)
        if before is None or (isinstance(before, Cost) and isinstance(result, Cost) and _slower(result, before)):
            found[kind] = result

    engine.run(measure_cost, tasks, on_result)
    return found


def forecast(
    runs: Sequence[PlannedRun], steps: Sequence[int], costs: Mapping[str, Cost | str], at_once: int | None
) -> Forecast:
    """Time and disk of `runs`, of which `at_once` go on at a time.

    Args:
        runs: Those left to do, in their order.
        steps: Optimiser steps of each.
        costs: From `measure_costs`.
        at_once: None if that is the cluster's affair.
    """
    seconds, disk, memory = [], 0, 0
    unknown: dict[str, tuple[PlannedRun, str]] = {}
    for run, count in zip(runs, steps, strict=True):
        cost = costs[kind_of(run.settings)]
        if isinstance(cost, str):
            unknown.setdefault(cost + kind_of(run.settings), (run, cost))
            continue
        seconds.append(START_SECONDS + count * cost.step_seconds + _evaluations(run, count) * cost.evaluation_seconds)
        disk += cost.checkpoint_bytes * run.settings.output.keep
        memory = max(memory, cost.memory_bytes * min(at_once or 1, len(runs)))
        disk += LOG_LINE_BYTES * count // run.settings.output.log_every
    wall = None if at_once is None else _makespan(seconds, at_once)
    return Forecast(sum(seconds), wall, disk, memory, tuple(unknown.values()))


def _evaluations(run: PlannedRun, steps: int) -> int:
    """How often a run codes all evaluation images at one lambda in so many steps: validations, and records."""
    validations = 1 + len(run.horizons) + -(-steps // run.settings.output.validate_every)
    return validations * len(validation_lmbdas(run.settings)) + (len(run.horizons) or 1) * len(run.lambdas)


def memory_warning(forecast: Forecast, jobs: int) -> str | None:
    """A sentence if runs on CPUs, `jobs` at a time, would need more memory than this machine has."""
    available = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    if forecast.memory_bytes < available or jobs == 1:
        return None
    fitting = max(1, available * jobs // forecast.memory_bytes)
    return (
        f"{jobs} runs at once need about {forecast.memory_bytes / 2**30:.0f} GiB of memory, and there are "
        f"{available / 2**30:.0f}: let {fitting} run at once."
    )


def _makespan(seconds: Sequence[float], jobs: int) -> float:
    """When the last one ends, if each begins as soon as one of `jobs` places is free."""
    places = [0.0] * jobs
    for length in seconds:
        heapq.heappush(places, heapq.heappop(places) + length)
    return max(places)


def _slower(cost: Cost, other: Cost) -> bool:
    return cost.step_seconds > other.step_seconds


@torch.inference_mode()
def _image_seconds(settings: TrainSettings, images: CachedImages, device: torch.device) -> float:
    model = build_state(settings, device).model.eval()
    x = next(validation_images(images)).image.to(device)
    lmbda = torch.full((1,), settings.loss.lmbda, device=device)
    start = time.perf_counter()
    float(model(x, lmbda)["x_hat"].sum())
    return time.perf_counter() - start
