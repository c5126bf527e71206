"""`TrainSettings`: everything that determines a training run."""

from __future__ import annotations

from pydantic import Field, model_validator

from hpcmbal.settings.choices import LMBDA_RANGES
from hpcmbal.settings.objective import BalancingSettings, LossSettings, ModelSettings
from hpcmbal.settings.optimisation import OptimizerSettings, ScheduleSettings, TrainingSettings
from hpcmbal.settings.section import Section
from hpcmbal.settings.storage import DataSettings, OutputSettings, TrackingSettings

MIN_MS_SSIM_PATCH = 176
"""MS-SSIM with five scales needs more than 160 pixels a side (Wang et al., 2003); crops are multiples of 16."""

MIN_MS_SSIM_LMBDA = 0.5
"""Below it no rate is worth its bits, since 1 - MS-SSIM is at most one: such a lambda was meant for MSE."""


class TrainSettings(Section):
    """All settings of a run, complete and consistent.

    Built by `load_train_settings` from a preset, `--set` and flags, or directly from keyword arguments.

    Raises:
        pydantic.ValidationError: From the constructor; `load_train_settings` turns it into a `SettingsError`.
    """

    model: ModelSettings = Field(default_factory=ModelSettings)
    loss: LossSettings = Field(default_factory=LossSettings)
    optimizer: OptimizerSettings = Field(default_factory=OptimizerSettings)
    schedule: ScheduleSettings = Field(default_factory=ScheduleSettings)
    balancing: BalancingSettings = Field(default_factory=BalancingSettings)
    data: DataSettings = Field(default_factory=DataSettings)
    training: TrainingSettings = Field(default_factory=TrainingSettings)
    output: OutputSettings = Field(default_factory=OutputSettings)
    tracking: TrackingSettings = Field(default_factory=TrackingSettings)

    @property
    def lmbda_range(self) -> tuple[float, float]:
        """The smallest and largest lmbda that variable_rate draws: as given, else the ends of the model's range."""
        low, high = LMBDA_RANGES[self.model.name]
        return self.loss.lmbda_min or low, self.loss.lmbda_max or high

    @model_validator(mode="after")
    def _consistent(self) -> TrainSettings:
        problems = contradictions(self)
        if problems:
            raise ValueError("; ".join(f"{path}: {rule}" for path, rule in problems))
        return self


def contradictions(settings: TrainSettings) -> list[tuple[str, str]]:
    """Settings that are fine one by one but not together, as pairs of path and rule."""
    loss, found = settings.loss, []
    if settings.training.epochs is None and settings.training.max_steps is None:
        found.append(("training.max_steps", "the length of the training is missing; give --epochs or --max-steps"))
    if settings.balancing.name != "none" and loss.tasks == "total":
        rule = (
            f"balancing '{settings.balancing.name}' needs several tasks; "
            "use --use-hierarchical or --set loss.tasks=two (or five)"
        )
        found.append(("loss.tasks", rule))
    if loss.metric == "ms-ssim" and loss.lmbda < MIN_MS_SSIM_LMBDA:
        rule = (
            f"{loss.lmbda:g} is a lambda of mse; published ms-ssim models use 2.4 to 60.5, for example --lambda 16.64"
        )
        found.append(("loss.lmbda", rule))
    if loss.metric == "ms-ssim" and settings.data.patch_size < MIN_MS_SSIM_PATCH:
        found.append(("data.patch_size", f"ms-ssim needs patches of at least {MIN_MS_SSIM_PATCH} pixels"))
    if loss.variable_rate:
        found += _variable_rate_contradictions(settings)
    return found


def _variable_rate_contradictions(settings: TrainSettings) -> list[tuple[str, str]]:
    loss, found = settings.loss, []
    if settings.model.name not in LMBDA_RANGES:
        rule = f"has one rate; variable_rate works with {', '.join(LMBDA_RANGES)}"
        return [("model.name", rule)]
    if loss.metric != "mse":
        found.append(("loss.metric", "variable_rate needs mse: the range of its lambdas is that of mse"))
    low, high = LMBDA_RANGES[settings.model.name]
    if loss.lmbda_min is not None and loss.lmbda_min < low:
        found.append(("loss.lmbda_min", f"must not be below {low}, where the rate gains of {settings.model.name} end"))
    if loss.lmbda_max is not None and loss.lmbda_max > high:
        found.append(("loss.lmbda_max", f"must not exceed {high}, where the rate gains of {settings.model.name} end"))
    drawn_low, drawn_high = settings.lmbda_range
    if drawn_low >= drawn_high:
        found.append(("loss.lmbda_min", f"lmbda_min {drawn_low:g} must be below lmbda_max {drawn_high:g}"))
    return found
