"""`TrainSettings`: everything that determines a training run."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from pydantic import Field

from hpcmbal.errors import setting
from hpcmbal.settings.check import Condition, Contradiction
from hpcmbal.settings.choices import FAMO_BALANCERS, GAMMAS_OVER_PROGRESS, LMBDA_RANGES, MS_SSIM_MIN_PATCH
from hpcmbal.settings.effect import TAKES_EFFECT_IF
from hpcmbal.settings.finetune import FineTuneSettings
from hpcmbal.settings.objective import BalancingSettings, LossSettings, ModelSettings
from hpcmbal.settings.optimisation import OptimizerSettings, ScheduleSettings, TrainingSettings
from hpcmbal.settings.plugins import OWN_NAMES
from hpcmbal.settings.section import CommandSettings
from hpcmbal.settings.storage import DataSettings, OutputSettings, TrackingSettings

MIN_MS_SSIM_LMBDA = 0.5
"""Below it no rate is worth its bits, since 1 - MS-SSIM is at most one: such a lambda was meant for MSE."""


class TrainSettings(CommandSettings):
    """All settings of a run, complete and consistent.

    Built by `load_train_settings` from a preset and changes to it, or directly from keyword arguments.
    """

    takes_effect_if: ClassVar[Mapping[str, tuple[Condition, ...]]] = TAKES_EFFECT_IF

    model: ModelSettings = Field(default_factory=ModelSettings)
    loss: LossSettings = Field(default_factory=LossSettings)
    optimizer: OptimizerSettings = Field(default_factory=OptimizerSettings)
    schedule: ScheduleSettings = Field(default_factory=ScheduleSettings)
    balancing: BalancingSettings = Field(default_factory=BalancingSettings)
    finetune: FineTuneSettings = Field(default_factory=FineTuneSettings)
    data: DataSettings = Field(default_factory=DataSettings)
    training: TrainingSettings = Field(default_factory=TrainingSettings)
    output: OutputSettings = Field(default_factory=OutputSettings)
    tracking: TrackingSettings = Field(default_factory=TrackingSettings)

    @property
    def lmbda_range(self) -> tuple[float, float]:
        """The smallest and largest lmbda that variable_rate draws: as given, else the ends of the model's range."""
        low, high = LMBDA_RANGES[self.model.name]
        return self.loss.lmbda_min or low, self.loss.lmbda_max or high

    def contradictions(self) -> list[Contradiction]:
        """See `CommandSettings`."""
        loss, found = self.loss, self._plugin_contradictions()
        if self.training.epochs is None and self.training.max_steps is None:
            found += self._unknown_length_contradictions()
        if self.balancing.name != "none" and loss.tasks == "total":
            rule = (
                f"balancing '{self.balancing.name}' needs several tasks; "
                f"use {setting('loss.tasks', 'five')} (or {setting('loss.tasks', 'two')})"
            )
            found.append(Contradiction("loss.tasks", rule, ("balancing.name",)))
        if loss.metric == "ms-ssim" and loss.lmbda < MIN_MS_SSIM_LMBDA:
            example = setting("loss.lmbda", 16.64)
            rule = f"{loss.lmbda:g} is a lambda of mse; published ms-ssim models use 2.4 to 60.5, for example {example}"
            found.append(Contradiction("loss.lmbda", rule, ("loss.metric",)))
        if loss.metric == "ms-ssim" and self.data.patch_size < MS_SSIM_MIN_PATCH:
            rule = f"ms-ssim needs patches of at least {MS_SSIM_MIN_PATCH} pixels"
            found.append(Contradiction("data.patch_size", rule, ("loss.metric",)))
        found += self._finetune_contradictions()
        return found + (self._variable_rate_contradictions() if loss.variable_rate else [])

    def _plugin_contradictions(self) -> list[Contradiction]:
        """Options for plug-ins, given to parts of our own."""
        chosen = {
            "optimizer": (self.optimizer.name, self.optimizer.options, "name"),
            "schedule": (self.schedule.name, self.schedule.options, "name"),
            "loss": (self.loss.tasks, self.loss.options, "tasks"),
            "balancing": (self.balancing.name, self.balancing.options, "name"),
        }
        own = {*OWN_NAMES["optimizers"], *OWN_NAMES["schedules"], *OWN_NAMES["losses"], *OWN_NAMES["balancers"]}
        return [
            Contradiction(
                f"{section}.options",
                f"is for plug-ins, and '{name}' is hpcmbal's own; leave it out",
                (f"{section}.{by}",),
            )
            for section, (name, options, by) in chosen.items()
            if options and name in own
        ]

    def _finetune_contradictions(self) -> list[Contradiction]:
        tuning, found = self.finetune, []
        frozen = tuning.freeze or tuning.rounded
        if frozen and tuning.init_from is None:
            path = "finetune.freeze" if tuning.freeze else "finetune.rounded"
            rule = f"what is frozen would stay random; start from a model with {setting('finetune.init_from')}"
            found.append(Contradiction(path, rule, ("finetune.init_from",)))
        if tuning.teacher is not None and self.loss.metric != "mse":
            rule = "a teacher's reconstructions are compared by mse; leave it out with another metric"
            found.append(Contradiction("finetune.teacher", rule, ("loss.metric",)))
        return found

    def _unknown_length_contradictions(self) -> list[Contradiction]:
        """What needs to know how many steps there will be."""
        reads = ("training.epochs", "training.max_steps", "training.max_hours")
        steps = f"{setting('training.max_steps')} or {setting('training.epochs')}"
        if self.training.max_hours is None:
            rule = f"the length of the training is missing; give {steps}, or {setting('training.max_hours')}"
            return [Contradiction("training.max_steps", rule, reads)]
        rule = f"depends on the number of steps; give {steps} beside {setting('training.max_hours')}"
        found = []
        if self.schedule.name not in ("wsd", "constant"):
            remedy = f", or use {setting('schedule.name', 'wsd')}"
            found.append(Contradiction("schedule.name", rule + remedy, reads))
        if self.balancing.name in FAMO_BALANCERS and self.balancing.gamma_strategy in GAMMAS_OVER_PROGRESS:
            found.append(Contradiction("balancing.gamma_strategy", rule, (*reads, "balancing.name")))
        if self.balancing.name != "none" and self.balancing.anneal_from < 1:
            found.append(Contradiction("balancing.anneal_from", rule, (*reads, "balancing.name")))
        return found

    def _variable_rate_contradictions(self) -> list[Contradiction]:
        loss, name, reads, found = self.loss, self.model.name, ("loss.variable_rate", "model.name"), []
        if name not in LMBDA_RANGES:
            rule = f"has one rate; variable_rate works with {', '.join(LMBDA_RANGES)}"
            return [Contradiction("model.name", rule, reads)]
        if loss.metric != "mse":
            rule = "variable_rate needs mse: the range of its lambdas is that of mse"
            found.append(Contradiction("loss.metric", rule, reads))
        low, high = LMBDA_RANGES[name]
        if loss.lmbda_min is not None and loss.lmbda_min < low:
            rule = f"must not be below {low}, where the rate gains of {name} end"
            found.append(Contradiction("loss.lmbda_min", rule, reads))
        if loss.lmbda_max is not None and loss.lmbda_max > high:
            rule = f"must not exceed {high}, where the rate gains of {name} end"
            found.append(Contradiction("loss.lmbda_max", rule, reads))
        drawn_low, drawn_high = self.lmbda_range
        if drawn_low >= drawn_high:
            rule = f"lmbda_min {drawn_low:g} must be below lmbda_max {drawn_high:g}"
            found.append(Contradiction("loss.lmbda_min", rule, (*reads, "loss.lmbda_max")))
        return found
