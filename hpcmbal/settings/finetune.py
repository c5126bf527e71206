"""Settings of fine-tuning: where a training starts, which parts of the network learn, and how fast."""

from __future__ import annotations

from typing import Annotated

from pydantic import BeforeValidator, Field, field_validator

from hpcmbal.settings.section import PathText, Section, split_list, without_brackets


def _mapping(value: object) -> object:
    """Mappings may be typed: `g_a=1,g_s=0.1` or `{g_a: 1, g_s: 0.1}`."""
    if not isinstance(value, str):
        return value
    found: dict[str, str] = {}
    for part in filter(str.strip, without_brackets(value, "{}").split(",")):
        name, equals, text = (piece.strip() for piece in part.replace(":", "=", 1).partition("="))
        if not equals:
            raise ValueError(f"must be NAME=VALUE, several with commas between them; found '{name}'")
        if name in found:
            raise ValueError(f"names {name} twice; leave one of them out")
        found[name] = text
    return found


Factors = Annotated[dict[str, float], BeforeValidator(_mapping)]
Patterns = Annotated[tuple[str, ...], BeforeValidator(split_list)]


class EarlyStoppingSettings(Section):
    """When a training, or a scale of it, no longer gets better."""

    patience: int = Field(5, ge=1, description="Validations without a better one before it stops.")
    min_delta: float = Field(0.001, ge=0, description="By how much, in J, a validation must be better to count.")
    per_scale: bool = Field(True, description="Watch s1, s2 and s3 apart, each of which stops its own parts.")

    @property
    def rule(self) -> str:
        """What stops it, after "has not fallen": ` by 0.001 in 5 validations`."""
        least = f" by {self.min_delta:g}" if self.min_delta else ""
        return f"{least} in {self.patience} validation{'s' if self.patience > 1 else ''}"


class DistillSettings(Section):
    """What of the teacher the student is trained towards, and how much each counts beside J."""

    x_hat: float = Field(1.0, ge=0, description="lambda * 255^2 * squared error between both reconstructions.")
    y_hat: float = Field(0.0, ge=0, description="Mean squared error between what both decoders read.")
    likelihood: float = Field(0.5, ge=0, description="Bits per pixel of each scale beyond the teacher's.")


class FineTuneSettings(Section):
    """Where a training starts, which parts of the network learn, and how fast; nothing of it by default."""

    init_from: PathText | None = Field(
        None,
        description="Start from the weights of a model: a packaged name, a model file, a run, a checkpoint, or "
        "released weights. Not a resume: step 0, own settings.",
    )
    init_strict: bool = Field(False, description="Refuse to start from a model that does not fit in every part.")
    learning_rates: Factors = Field(
        default_factory=dict,
        description="Factors of the learning rate by part (g_a, g_s, h_a, h_s, gains, context.s1, context.s2, "
        "context.s3, context.prior, entropy) or by a pattern of parameter names; the last that matches counts.",
    )
    freeze: Patterns = Field((), description="Parts, or patterns of parameter names, that stay as they are.")
    layer_decay: float = Field(
        1.0,
        gt=0,
        le=1,
        description="Factor of the learning rate from each layer of a part to the one before it; context: from each "
        "scale to the coarser one.",
    )
    early_stopping: Annotated[EarlyStoppingSettings | None, BeforeValidator(_mapping)] = Field(
        None,
        description="Stop what no longer gets better and keep the best weights: patience, min_delta, per_scale.",
    )
    teacher: PathText | None = Field(None, description="Model to learn from beside the images; it stays as it is.")
    distill: Annotated[DistillSettings | None, BeforeValidator(_mapping)] = Field(
        None, description="How much of the teacher counts: x_hat (1), y_hat (0), likelihood (0.5)."
    )
    rounded: bool = Field(False, description="Train the decoder on truly rounded latents; the encoder is frozen.")

    @field_validator("learning_rates")
    @classmethod
    def _positive(cls, value: dict[str, float]) -> dict[str, float]:
        bad = [name for name, factor in value.items() if factor <= 0]
        if bad:
            raise ValueError(f"the factor of {bad[0]} must be above 0; to keep a part as it is, freeze it")
        return value

    @property
    def partial(self) -> bool:
        """Whether not all of the network learns at one rate."""
        return bool(self.learning_rates or self.freeze or self.rounded) or self.layer_decay < 1
