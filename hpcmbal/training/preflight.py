"""What can be known before the first step: that the data are readable, what the model weighs, how long it will take."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

import torch

from hpcmbal.core.device import choose_device
from hpcmbal.core.model import get_variant
from hpcmbal.core.model.complexity import complexity
from hpcmbal.data import Batch, BatchPlan, CachedImages, ImageFolder
from hpcmbal.data.loader import StepBatches
from hpcmbal.errors import DataError
from hpcmbal.settings import TrainSettings, cpu_twin, load_train_settings
from hpcmbal.training.distributed import World
from hpcmbal.training.early_stopping import ended_early
from hpcmbal.training.run_plan import (
    augmentation,
    checkpoint_to_resume,
    open_data,
    planned_steps,
    total_steps,
    with_begun_decay,
)
from hpcmbal.training.state import TrainingState, build_state
from hpcmbal.training.stepper import Stepper
from hpcmbal.training.trained_parts import trained_parts
from hpcmbal.training.warm_start import WarmStart

SMALL_PRESET = "standard-nano"
LONG_SECONDS = 2 * 86400.0
"""A run longer than this on a CPU is worth a warning and a smaller proposal."""
QUICK_STEP_SECONDS = 0.5
"""If a step with one crop takes less than this, a step with the whole batch is measured as well."""
PROCESS_BYTES = 600 << 20
"""What the process takes before it holds a model: the interpreter and torch."""


@dataclass(frozen=True)
class PreflightItem:
    """One line of the pre-flight.

    Attributes:
        name: What was checked.
        status: "ok", "warning" (the training starts all the same) or "error" (it would stop there).
        detail: What was found.
        step_seconds: Time of a training step, where one was measured.
    """

    name: str
    status: Literal["ok", "warning", "error"]
    detail: str
    step_seconds: float | None = None


def run_preflight(settings: TrainSettings, *, preset: str | None = None) -> Iterator[PreflightItem]:
    """Check data, model, device, duration and memory, with one or two real training steps on throw-away weights.

    Each item comes when it is known: a step of a large network takes its time. A finished run that is resumed has no
    steps left: nothing is measured then, and the duration says so.

    Args:
        settings: Of the run.
        preset: The recipe that they come from, whose CPU-sized twin is named where a run would take days.

    Raises:
        HpcmbalError: Something that no training could survive, such as a missing folder.
    """
    parts = trained_parts(settings) if settings.finetune.partial else ()
    train_images, validation_images = open_data(settings.data)
    device = choose_device(settings.training.device)
    if settings.training.num_threads is not None:
        torch.set_num_threads(settings.training.num_threads)
    checkpoint = checkpoint_to_resume(settings)
    if checkpoint is not None:
        settings = with_begun_decay(settings, checkpoint)
    steps = planned_steps(settings, len(train_images))
    left = None if steps is None else steps - (checkpoint.step if checkpoint else 0)
    yield _data_item(settings, train_images, validation_images)
    yield _model_item(settings)
    if parts:
        yield PreflightItem("trains", "ok", "; ".join(map(str, parts)))
    yield _device_item(device)
    ended = None if checkpoint is None or settings.finetune.early_stopping is None else ended_early(checkpoint)
    if ended is not None or (left is not None and left <= 0):
        done = ended or f"all {steps} steps are done. Raise --max-steps or --epochs to train on"
        detail = f"nothing left to do: {done}"
        yield PreflightItem("duration", "ok", detail)
        return
    measured = measure_step(settings, train_images, device, steps)
    if measured.start is not None:
        yield PreflightItem("start", "warning" if measured.start.missing else "ok", str(measured.start))
    yield _memory_item(settings, measured, device)
    yield _duration_item(settings, measured, left, device, preset)


@dataclass(frozen=True)
class MeasuredStep:
    """What a training step costs.

    Attributes:
        seconds: Of one optimiser step at the full batch.
        activation_bytes: Kept for the backward pass, for the full batch on this device.
        state_bytes: Weights, gradients, optimiser state and moving average.
        start: What a model gave to the start, if there is one.
    """

    seconds: float
    activation_bytes: int
    state_bytes: int
    start: WarmStart | None = None


def measure_step(
    settings: TrainSettings, images: CachedImages, device: torch.device, steps: int | None
) -> MeasuredStep:
    """Do one or two steps with a fresh state that is thrown away.

    Where a step with one crop is slow, the batch's time is taken as that of its crops one by one, which is an upper
    bound.
    """
    state = build_state(settings, device)
    stepper = Stepper(state, settings, World(), device, steps)
    one = _batch(settings, images, 1)
    kept = _SavedBytes()
    with torch.autograd.graph.saved_tensors_hooks(kept.pack, kept.unpack):
        stepper.step([one])
    count = settings.data.batch_size * settings.training.accumulate
    seconds = min(_timed(stepper, one, device) for _ in range(2))  # the quicker one met less other load
    if seconds < QUICK_STEP_SECONDS and settings.data.batch_size > 1:
        whole = _batch(settings, images, settings.data.batch_size)
        stepper.step([whole])
        seconds = min(_timed(stepper, whole, device) for _ in range(2)) * settings.training.accumulate
    else:
        seconds *= count
    return MeasuredStep(seconds, kept.total * settings.data.batch_size, _state_bytes(state), state.start)


def readable_seconds(seconds: float) -> str:
    """A duration as a person would say it: "41 days", "3 hours", "2 minutes"."""
    for unit, length in (("day", 86400.0), ("hour", 3600.0), ("minute", 60.0)):
        if seconds >= 1.5 * length:
            return f"{seconds / length:.0f} {unit}s"
    return "1 second" if round(seconds) == 1 else f"{seconds:.0f} seconds"


def _batch(settings: TrainSettings, images: CachedImages, size: int) -> Batch:
    plan = BatchPlan(len(images), size, settings.training.seed)
    batch = StepBatches(images, plan, augmentation(settings))[0]
    if batch.bad_files:
        raise DataError(batch.bad_files[0].reason)
    return batch


def _timed(stepper: Stepper, batch: Batch, device: torch.device) -> float:
    start = time.perf_counter()
    stepper.step([batch])
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    return time.perf_counter() - start


class _SavedBytes:
    """Counts the bytes of distinct storages that autograd keeps."""

    def __init__(self) -> None:
        self._seen: set[int] = set()
        self.total = 0

    def pack(self, tensor: torch.Tensor) -> torch.Tensor:
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in self._seen:
            self._seen.add(storage.data_ptr())
            self.total += storage.nbytes()
        return tensor

    def unpack(self, tensor: torch.Tensor) -> torch.Tensor:
        return tensor


def _state_bytes(state: TrainingState) -> int:
    weights = sum(parameter.numel() * parameter.element_size() for parameter in state.parameters())
    held = [value for slots in state.optimizer.state.values() for value in slots.values()]
    flat = [item for value in held for item in (value if isinstance(value, list) else [value])]
    slots = sum(item.numel() * item.element_size() for item in flat if isinstance(item, torch.Tensor))
    return weights * (2 if state.average is None else 3) + slots


def _data_item(settings: TrainSettings, train: CachedImages, validation: CachedImages) -> PreflightItem:
    counts = f"{len(train)} training images"
    folders, source = settings.data.train, train.source
    if folders is not None and len(folders) > 1 and isinstance(source, ImageFolder):
        parts = zip(source.counts, folders, strict=True)
        counts += f" ({', '.join(f'{count} in {folder}' for count, folder in parts)})"
    if settings.data.drawn_fraction:
        counts += f", {100 * settings.data.drawn_fraction:g} % of the crops drawn"
    return PreflightItem("data", "ok", f"{counts}; {len(validation)} for validation")


def _model_item(settings: TrainSettings) -> PreflightItem:
    cost = complexity(get_variant(settings.model.name))
    detail = (
        f"{settings.model.name}: {cost.parameters / 1e6:.2f} M parameters; "
        f"per pixel {cost.encode_macs_per_pixel / 1e3:.1f} kMAC "
        f"to encode, {cost.decode_macs_per_pixel / 1e3:.1f} to decode"
    )
    return PreflightItem("model", "ok", detail)


def _device_item(device: torch.device) -> PreflightItem:
    if device.type == "cuda":
        return PreflightItem("device", "ok", f"{device}: {torch.cuda.get_device_name(device)}")
    count = torch.get_num_threads()
    return PreflightItem("device", "ok", f"{device}, {'1 thread' if count == 1 else f'{count} threads'}")


def _duration_item(
    settings: TrainSettings, measured: MeasuredStep, steps: int | None, device: torch.device, preset: str | None
) -> PreflightItem:
    hours = settings.training.max_hours
    where = "this CPU" if device.type == "cpu" else str(device)
    if hours is not None and (steps is None or steps * measured.seconds > hours * 3600):
        detail = (
            f"{readable_seconds(hours * 3600)} by --max-hours, about {hours * 3600 / measured.seconds:.0f} "
            f"{'' if steps is None else f'of {steps} '}steps on {where} ({measured.seconds:.2f} s a step, measured)"
        )
        return PreflightItem("duration", "ok", detail, measured.seconds)
    seconds = (steps or 0) * measured.seconds
    count = "1 step" if steps == 1 else f"{steps} steps"
    detail = f"{count}, about {readable_seconds(seconds)} on {where} ({measured.seconds:.2f} s a step, measured)"
    if seconds < LONG_SECONDS or device.type != "cpu":
        return PreflightItem("duration", "ok", detail, measured.seconds)
    twin = (preset and cpu_twin(preset)) or SMALL_PRESET
    small_seconds = _small_preset_seconds(twin, settings, device)
    if small_seconds < seconds:
        detail += f"; `--preset {twin}` takes {readable_seconds(small_seconds)}"
    return PreflightItem("duration", "warning", detail, measured.seconds)


def _small_preset_seconds(preset: str, settings: TrainSettings, device: torch.device) -> float:
    """How long a small preset would take on the same images and device, with the threads that are set already."""
    folders = {"--train-data": settings.data.train, "--val-data": settings.data.val}
    small = load_train_settings(preset, flags=folders)
    images = open_data(small.data)[0]
    steps = total_steps(small, len(images))
    return steps * measure_step(small, images, device, steps).seconds


def _memory_item(settings: TrainSettings, measured: MeasuredStep, device: torch.device) -> PreflightItem:
    if device.type == "cuda":
        available = torch.cuda.mem_get_info(device)[1]
        needed = measured.state_bytes + measured.activation_bytes
    else:
        available = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
        needed = measured.state_bytes + measured.activation_bytes + PROCESS_BYTES
        needed += settings.data.cache_mebibytes << 20
    detail = f"about {needed / 2**30:.1f} GiB of {available / 2**30:.1f} GiB"
    if needed < available:
        return PreflightItem("memory", "ok", detail)
    return PreflightItem("memory", "warning", detail + "; use a smaller --batch-size with --set training.accumulate=N")
