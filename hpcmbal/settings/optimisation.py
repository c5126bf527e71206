"""Settings of how training proceeds: the optimiser, the learning-rate schedule, length and machine."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, field_validator

from hpcmbal.settings import choices
from hpcmbal.settings.section import Device, FloatPair, FloatTuple, Options, Section, one_of


class OptimizerSettings(Section):
    """The optimiser of the network's weights; independent of the balancing."""

    name: Annotated[str, one_of(choices.OPTIMIZERS, "optimizers")] = Field(
        "adam", description=f"Optimiser: {', '.join(choices.OPTIMIZERS)}, or a plug-in."
    )
    options: Options = Field(default_factory=dict, description="What a plug-in for the optimiser wants to know.")
    learning_rate: float = Field(1e-4, gt=0, description="Peak learning rate, reached after the warm-up.")
    betas: FloatPair = Field((0.9, 0.999), description="Decay of the first and second moments, each in [0, 1).")
    eps: float = Field(1e-8, gt=0, description="Added to the denominator of the update.")
    weight_decay: float = Field(0.0, ge=0, description="Decoupled weight decay per step, times the learning rate.")
    amsgrad: bool = Field(False, description="Keep the maximum of the second moments (adam, cautious).")
    clip_max_norm: float = Field(1.0, ge=0, description="Largest norm of the whole gradient; 0 turns clipping off.")
    matrix_lr_factor: float = Field(
        10.0, gt=0, description="Learning rate of matrices relative to that of vectors (muon)."
    )

    @field_validator("betas")
    @classmethod
    def _decays(cls, value: tuple[float, float]) -> tuple[float, float]:
        if not all(0 <= beta < 1 for beta in value):
            raise ValueError("must be two numbers in [0, 1)")
        return value


class ScheduleSettings(Section):
    """The learning rate as a function of the fraction of training done."""

    name: Annotated[str, one_of(choices.SCHEDULES, "schedules")] = Field(
        "cosine",
        description=f"Course of the learning rate after the warm-up: {', '.join(choices.SCHEDULES)}, or a plug-in.",
    )
    options: Options = Field(default_factory=dict, description="What a plug-in for the schedule wants to know.")
    warmup_steps: int = Field(100, ge=0, description="Steps over which the learning rate rises linearly from zero.")
    milestones: FloatTuple = Field(
        (0.8,), description="Fractions of the training at which the rate is multiplied by factor (step)."
    )
    factor: float = Field(0.2, gt=0, le=1, description="Multiplier at each milestone (step).")
    final_factor: float = Field(
        0.01, ge=0, le=1, description="Learning rate at the end, relative to its peak (cosine, wsd)."
    )
    decay_fraction: float = Field(
        0.1, gt=0, le=1, description="Last part of the training, in which the rate falls (wsd: warm-up, stable, decay)."
    )
    decay_start: int | None = Field(
        None,
        ge=0,
        description="Step after which the rate falls, from here to the end of the training, instead of decay_fraction "
        "(wsd); --cooldown and --max-hours set it.",
    )
    decay_from: float = Field(
        1.0, gt=0, le=1, description="Learning rate at decay_start, relative to its peak (wsd); --cooldown sets it."
    )

    @field_validator("milestones")
    @classmethod
    def _rising_fractions(cls, value: tuple[float, ...]) -> tuple[float, ...]:
        if list(value) != sorted(set(value)) or not all(0 < fraction < 1 for fraction in value):
            raise ValueError("must be rising fractions of the training between 0 and 1, for example 0.6,0.8")
        return value


class TrainingSettings(Section):
    """Length of the training, reproducibility, and what of the machine it uses."""

    epochs: int | None = Field(None, ge=1, description="Passes over the training images.")
    max_steps: int | None = Field(None, ge=1, description="Optimiser steps; with epochs, whichever ends first.")
    max_hours: float | None = Field(
        None,
        gt=0,
        description="Hours that a call may take: wsd begins its decay in time to finish, others save and stop.",
    )
    seed: int = Field(0, ge=0, lt=2**32, description="Seed of initial weights, crops, noise and order of images.")
    accumulate: int = Field(1, ge=1, description="Batches whose gradients are added up for one optimiser step.")
    ema_decay: float = Field(
        0.0, ge=0, lt=1, description="Decay per step of the moving average of weights; 0 turns it off."
    )
    precision: Literal["auto", "float32", "bfloat16"] = Field(
        "auto", description="Arithmetic of the network: auto is bfloat16 autocast on CUDA and float32 elsewhere."
    )
    channels_last: bool = Field(True, description="Store images and weights with the channels innermost (faster).")
    compile: bool = Field(False, description="Compile the network with torch.compile (slow start, faster steps).")
    deterministic: bool = Field(
        False,
        description="Only kernels that give the same bits every time, which CUDA's do not otherwise: for exact resume "
        "there; slower.",
    )
    num_threads: int | None = Field(None, ge=1, description="CPU threads of torch; its own choice if not given.")
    device: Device = Field(
        "auto",
        description="auto (a CUDA device if there is one), cpu, cuda, or cuda:N.",
    )
