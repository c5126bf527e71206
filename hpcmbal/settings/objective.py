"""Settings of what is trained and towards what: the model, the loss, the balance between its tasks."""

from __future__ import annotations

from typing import Annotated

from pydantic import BeforeValidator, Field, field_validator

from hpcmbal.settings import choices
from hpcmbal.settings.section import FloatTriple, Options, Section, one_of


def _listed(metric: str) -> str:
    return ", ".join(f"{lmbda:g}" for lmbda in choices.PUBLISHED_LMBDAS[metric])


def _public_model_name(value: object) -> object:
    """The prototype wrote `HPCM_Base` where we write `hpcm-base`."""
    return value.lower().replace("_", "-") if isinstance(value, str) else value


class ModelSettings(Section):
    """Which network."""

    name: Annotated[str, BeforeValidator(_public_model_name), one_of(choices.MODELS)] = Field(
        "hpcm-nano", description=f"Network: {', '.join(choices.MODELS)}."
    )


class LossSettings(Section):
    """J = R + lmbda * 255^2 * MSE, R in bits per pixel (docs/balancing.md), and the tasks that it is split into."""

    lmbda: float = Field(
        0.013,
        gt=0,
        description="Weight of distortion: J = bpp + lambda * 255^2 * MSE, or lambda * (1 - MS-SSIM). "
        f"Published models: {_listed('mse')} for mse, {_listed('ms-ssim')} for ms-ssim.",
    )
    metric: Annotated[str, one_of(choices.METRICS)] = Field(
        "mse", description=f"Distortion: mse, or ms-ssim (patches of at least {choices.MS_SSIM_MIN_PATCH} pixels)."
    )
    variable_rate: bool = Field(
        False, description="Draw lambda for every image, log-uniform between lmbda_min and lmbda_max."
    )
    lmbda_min: float | None = Field(
        None, gt=0, description="Smallest lambda drawn by variable_rate; the low end of the model's range if not given."
    )
    lmbda_max: float | None = Field(
        None, gt=0, description="Largest lambda drawn by variable_rate; the high end of the model's range if not given."
    )
    lmbda_power: float = Field(
        0.0,
        ge=0,
        le=2,
        description="Weigh each image's J by (middle / lambda) to this power, the middle being that of the range drawn "
        "(variable_rate): J grows with lambda, so that without it the large lambdas own the gradient.",
    )
    tasks: Annotated[str, one_of(choices.TASKS, "losses")] = Field(
        "total",
        description="Tasks that J is split into: total (1), two (distortion, bpp), five (per scale); or a plug-in.",
    )
    options: Options = Field(default_factory=dict, description="What a plug-in for the loss wants to know.")
    decomposition: Annotated[str, one_of(choices.DECOMPOSITIONS)] = Field(
        "measured", description="How five tasks share J: measured per scale, fixed shares, or learned shares."
    )
    share_learning_rate: float = Field(1e-3, gt=0, description="Learning rate of the shares of decomposition learned.")


class BalancingSettings(Section):
    """How the tasks are weighted against each other while training (docs/balancing.md)."""

    name: Annotated[str, one_of(choices.BALANCERS, "balancers")] = Field(
        "none", description="Balancing: none, linear, log1p, log (these three learn weights), qp, torchjd, a plug-in."
    )
    options: Options = Field(default_factory=dict, description="What a plug-in for the balancing wants to know.")
    w_lr: float = Field(
        choices.W_LR,
        ge=0,
        description="Learning rate of the task logits (Adam); 0 keeps the weights that scale_weights give.",
    )
    gamma_s1: float = Field(
        choices.GAMMAS[0],
        ge=0,
        description="Pull of the task logits of scale s1 back to neutral; of all tasks if there are two.",
    )
    gamma_s2: float = Field(choices.GAMMAS[1], ge=0, description="Pull of the task logits of scale s2 back to neutral.")
    gamma_s3: float = Field(choices.GAMMAS[2], ge=0, description="Pull of the task logits of scale s3 back to neutral.")
    gamma_strategy: Annotated[str, one_of(choices.GAMMA_STRATEGIES)] = Field(
        "fixed", description=f"Course of gamma over the training: {', '.join(choices.GAMMA_STRATEGIES)}."
    )
    scale_weights: FloatTriple = Field(
        choices.SCALE_WEIGHTS, description="Emphasis of scales s1, s2, s3, three positive numbers: 0.3,0.4,0.3."
    )
    emphasised: Annotated[str, one_of(choices.EMPHASISED)] = Field(
        "all", description="Tasks that scale_weights are about: all, or those of distortion or of rate alone."
    )
    update_mode: Annotated[str, one_of(choices.UPDATE_MODES)] = Field(
        choices.UPDATE_MODES[0],
        description="Where losses after the step come from: a second forward pass on the same batch with the same "
        "noise, or the next batch (free, but very noisy).",
    )
    update_every: int = Field(
        choices.UPDATE_EVERY, ge=1, description="Steps between two updates of the task logits (same_batch)."
    )
    update_fraction: float = Field(
        1.0, gt=0, le=1, description="Part of the batch that the second forward pass uses (same_batch)."
    )
    preserve_lambda: bool = Field(
        True, description="Balance between scales only, never between distortion and rate: lambda keeps its meaning."
    )
    anneal_from: float = Field(
        1.0,
        ge=0,
        le=1,
        description="Fraction of the training from which the tasks' weights, emphasis included, go back to neutral in "
        "a straight line, so that J itself is trained at the end; 1 never.",
    )
    aggregator: str = Field("UPGrad", min_length=1, description="Aggregator of the torchjd package, by class name.")

    @field_validator("scale_weights")
    @classmethod
    def _positive(cls, value: tuple[float, float, float]) -> tuple[float, float, float]:
        if min(value) <= 0:
            raise ValueError("must be three positive numbers, for example 0.3,0.4,0.3")
        return value
