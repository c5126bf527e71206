"""Which flag of `hpcmbal train` sets which setting. One table, read by the command line and by error messages."""

from __future__ import annotations

FLAGS: dict[str, str] = {
    "--model-name": "model.name",
    "--lambda": "loss.lmbda",
    "--train-data": "data.train",
    "--val-data": "data.val",
    "--batch-size": "data.batch_size",
    "--patch-size": "data.patch_size",
    "--num-workers": "data.num_workers",
    "--epochs": "training.epochs",
    "--max-steps": "training.max_steps",
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

SWITCHES: dict[str, str] = {
    "--use-hierarchical": "Split J into five tasks and balance them (linear, unless the preset balances already).",
    "--adaptive-gamma": "Let gamma vary over the training (adaptive, unless the preset or --gamma-strategy says how).",
}
"""Flags without a value that set several settings, and their help; `hpcmbal.settings.layers` gives their meaning."""

FLAG_OF_PATH: dict[str, str] = {path: flag for flag, path in FLAGS.items()}
