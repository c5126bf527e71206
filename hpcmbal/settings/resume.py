"""What becomes of each setting when a run is resumed: one table, shared by code, documentation and a test."""

from __future__ import annotations

from enum import Enum
from typing import TYPE_CHECKING

from hpcmbal.errors import SettingsError, shown_value

if TYPE_CHECKING:
    from hpcmbal.settings.train import TrainSettings


class OnResume(Enum):
    """Which value of a setting a resumed run has; the texts are those of the documentation."""

    NEW = "new value"
    """What the run is started with now. The checkpoint's settings are the defaults, unless a preset is given."""
    KEPT = "checkpoint's value unless given"
    """The checkpoint's, under a preset too; a value given for this very run takes effect."""
    CHECKPOINT = "checkpoint's value"
    """The checkpoint's, under a preset too; giving another one is an error, for it could not take effect."""
    SAME = "must not differ"
    """The saved state means nothing under another value, whoever gives it."""


ON_RESUME: dict[str, OnResume] = {
    "model.name": OnResume.SAME,
    "loss.lmbda": OnResume.NEW,
    "loss.metric": OnResume.NEW,
    "loss.variable_rate": OnResume.NEW,
    "loss.lmbda_min": OnResume.NEW,
    "loss.lmbda_max": OnResume.NEW,
    "loss.lmbda_power": OnResume.NEW,
    "loss.tasks": OnResume.SAME,
    "loss.decomposition": OnResume.SAME,
    "loss.share_learning_rate": OnResume.NEW,
    "loss.options": OnResume.NEW,
    "optimizer.name": OnResume.SAME,
    "optimizer.learning_rate": OnResume.NEW,
    "optimizer.betas": OnResume.NEW,
    "optimizer.eps": OnResume.NEW,
    "optimizer.weight_decay": OnResume.NEW,
    "optimizer.amsgrad": OnResume.SAME,
    "optimizer.clip_max_norm": OnResume.NEW,
    "optimizer.matrix_lr_factor": OnResume.NEW,
    "optimizer.options": OnResume.NEW,
    "schedule.name": OnResume.NEW,
    "schedule.warmup_steps": OnResume.NEW,
    "schedule.milestones": OnResume.NEW,
    "schedule.factor": OnResume.NEW,
    "schedule.final_factor": OnResume.NEW,
    "schedule.decay_fraction": OnResume.NEW,
    "schedule.decay_start": OnResume.NEW,
    "schedule.decay_from": OnResume.NEW,
    "schedule.options": OnResume.NEW,
    "balancing.name": OnResume.SAME,
    "balancing.w_lr": OnResume.NEW,
    "balancing.gamma_s1": OnResume.NEW,
    "balancing.gamma_s2": OnResume.NEW,
    "balancing.gamma_s3": OnResume.NEW,
    "balancing.gamma_strategy": OnResume.NEW,
    "balancing.scale_weights": OnResume.NEW,
    "balancing.emphasised": OnResume.NEW,
    "balancing.update_mode": OnResume.NEW,
    "balancing.update_every": OnResume.NEW,
    "balancing.update_fraction": OnResume.NEW,
    "balancing.preserve_lambda": OnResume.NEW,
    "balancing.anneal_from": OnResume.NEW,
    "balancing.aggregator": OnResume.NEW,
    "balancing.options": OnResume.NEW,
    "finetune.learning_rates": OnResume.CHECKPOINT,
    "finetune.freeze": OnResume.CHECKPOINT,
    "finetune.layer_decay": OnResume.CHECKPOINT,
    "finetune.early_stopping": OnResume.CHECKPOINT,
    "finetune.rounded": OnResume.CHECKPOINT,
    "finetune.init_strict": OnResume.CHECKPOINT,
    "finetune.init_from": OnResume.CHECKPOINT,
    "finetune.teacher": OnResume.KEPT,
    "finetune.distill": OnResume.KEPT,
    "data.train": OnResume.KEPT,
    "data.val": OnResume.KEPT,
    "data.batch_size": OnResume.NEW,
    "data.patch_size": OnResume.NEW,
    "data.num_workers": OnResume.NEW,
    "data.flips": OnResume.NEW,
    "data.min_downscale": OnResume.NEW,
    "data.drawn_fraction": OnResume.KEPT,
    "data.cache_mebibytes": OnResume.NEW,
    "data.pixel_limit": OnResume.NEW,
    "training.epochs": OnResume.NEW,
    "training.max_steps": OnResume.NEW,
    "training.max_hours": OnResume.NEW,
    "training.seed": OnResume.CHECKPOINT,
    "training.accumulate": OnResume.NEW,
    "training.ema_decay": OnResume.NEW,
    "training.precision": OnResume.NEW,
    "training.channels_last": OnResume.NEW,
    "training.compile": OnResume.NEW,
    "training.deterministic": OnResume.NEW,
    "training.num_threads": OnResume.NEW,
    "training.device": OnResume.NEW,
    "output.save_path": OnResume.NEW,
    "output.log_dir": OnResume.NEW,
    "output.save_freq": OnResume.NEW,
    "output.keep": OnResume.NEW,
    "output.log_every": OnResume.NEW,
    "output.validate_every": OnResume.NEW,
    "output.checkpoint": OnResume.NEW,
    "tracking.tracker": OnResume.NEW,
    "tracking.wandb_project": OnResume.NEW,
    "tracking.wandb_name": OnResume.NEW,
}
"""The policy of every setting of a training."""

PLACES = ("output.save_path", "output.log_dir", "output.checkpoint")
"""Never taken from a checkpoint: a file that comes from elsewhere does not choose where is written."""
_SILENT = ("output", "tracking")
"""Sections whose changes need not be told: they do not change what is trained."""


def resumed_base(saved: TrainSettings, *, preset: bool) -> dict[str, dict[str, object]]:
    """Settings of a checkpoint that are the base of a resumed run, under its preset, `--set` and flags.

    Args:
        saved: Settings of the run that saved the checkpoint.
        preset: Whether a preset is given, which then states everything that may be new.
    """
    base: dict[str, dict[str, object]] = {}
    for path, policy in ON_RESUME.items():
        carried = policy in (OnResume.KEPT, OnResume.CHECKPOINT) if preset else path not in PLACES
        if carried:
            section, _, field = path.partition(".")
            base.setdefault(section, {})[field] = _value(saved, path)
    return base


def check_resumable(saved: TrainSettings, wanted: TrainSettings) -> None:
    """Raise where a setting was given that cannot take effect on the saved state.

    Raises:
        SettingsError: It names every such setting, with both values.
    """
    fixed = [path for path, policy in ON_RESUME.items() if policy in (OnResume.CHECKPOINT, OnResume.SAME)]
    changed = [_change(saved, wanted, path) for path in fixed if _value(saved, path) != _value(wanted, path)]
    if changed:
        raise SettingsError(
            f"A resumed run cannot change: {'; '.join(changed)}. Leave it as it was, or start a new run."
        )


def changes_on_resume(saved: TrainSettings, wanted: TrainSettings) -> list[str]:
    """What is trained otherwise from here on, one phrase for each setting that differs."""
    paths = [path for path in ON_RESUME if path.partition(".")[0] not in _SILENT]
    return [_change(saved, wanted, path) for path in paths if _value(saved, path) != _value(wanted, path)]


def _value(settings: TrainSettings, path: str) -> object:
    section, _, field = path.partition(".")
    return getattr(getattr(settings, section), field)


def _change(saved: TrainSettings, wanted: TrainSettings, path: str) -> str:
    old, new = (_shown(_value(settings, path)) for settings in (saved, wanted))
    return f"{path} was {old}, now {new}"


def _shown(value: object) -> str:
    return "not set" if value in (None, (), {}) else shown_value(value)
