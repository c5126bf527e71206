"""How settings are called on the command line: `--quality` for `quality`, and a table for those of `hpcmbal train`."""

from __future__ import annotations

FLAGS: dict[str, str] = {
    "--model-name": "model.name",
    "--lambda": "loss.lmbda",
    "--init-from": "finetune.init_from",
    "--train-data": "data.train",
    "--val-data": "data.val",
    "--batch-size": "data.batch_size",
    "--patch-size": "data.patch_size",
    "--num-workers": "data.num_workers",
    "--epochs": "training.epochs",
    "--max-steps": "training.max_steps",
    "--max-hours": "training.max_hours",
    "--learning-rate": "optimizer.learning_rate",
    "--clip-max-norm": "optimizer.clip_max_norm",
    "--seed": "training.seed",
    "--device": "training.device",
    "--save-path": "output.save_path",
    "--log-dir": "output.log_dir",
    "--checkpoint": "output.checkpoint",
    "--save-freq": "output.save_freq",
    "--tracker": "tracking.tracker",
    "--wandb-project": "tracking.wandb_project",
    "--wandb-name": "tracking.wandb_name",
    "--gamma-s1": "balancing.gamma_s1",
    "--gamma-s2": "balancing.gamma_s2",
    "--gamma-s3": "balancing.gamma_s3",
    "--w-lr": "balancing.w_lr",
    "--scale-weights": "balancing.scale_weights",
    "--gamma-strategy": "balancing.gamma_strategy",
}

REPEATED_FLAGS = ("--train-data",)
"""Flags that may be given several times; their settings are lists."""

SWITCHES: dict[str, str] = {
    "--use-hierarchical": "Split J into five tasks and balance them (linear, unless the preset balances already).",
    "--init-strict": "Refuse to start from a model (--init-from) that does not fit in every part.",
    "--adaptive-gamma": "Let gamma vary over the training (adaptive, unless the preset or --gamma-strategy says how).",
}
"""Flags without a value that set several settings, and their help; `hpcmbal.settings.layers` gives their meaning."""

FLAG_OF_PATH: dict[str, str] = {path: flag for flag, path in FLAGS.items()}

_OPTIONS = {"as_json": "--json", "model_dirs": "--model-dir"}
"""Plain settings whose option is not their name with dashes."""
_SWITCH_OF = {"loss.tasks=five": "--use-hierarchical", "finetune.init_strict=true": "--init-strict"}


def option_of(path: str) -> str | None:
    """The option that sets a setting: `--max-pixels` for `max_pixels`; None if only `--set` does."""
    if "." in path:
        return FLAG_OF_PATH.get(path)
    return _OPTIONS.get(path, "--" + path.replace("_", "-"))


def command_line_words(path: str, value: str | None = None) -> str:
    """A setting as it is typed: `--lambda 0.02`, `--set schedule.name=step`, `--recursive`.

    >>> command_line_words("max_pixels", "100"), command_line_words("schedule.name", "step")
    ('--max-pixels 100', '--set schedule.name=step')
    """
    option = _SWITCH_OF.get(f"{path}={value}") or option_of(path)
    if option is None:
        return f"--set {path}" if value is None else f"--set {path}={value}"
    return option if value in (None, "true") or option in _SWITCH_OF.values() else f"{option} {value}"
