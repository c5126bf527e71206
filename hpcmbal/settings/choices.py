"""Names that settings may choose from, as plain data, so that checking a preset never loads torch.

The registries behind these names live in `hpcmbal.core`; tests hold both sides equal.
"""

from __future__ import annotations

MODELS = ("hpcm-nano", "hpcm-small", "hpcm-base", "hpcm-base-phi", "hpcm-large", "hpcm-1b")

VARIABLE_RATE_MODELS = ("hpcm-nano", "hpcm-small")
"""Models with rate gains; the released ones have one fixed rate."""

METRICS = ("mse", "ms-ssim")

TASKS = ("total", "two", "five")

DECOMPOSITIONS = ("measured", "fixed", "learned")

OPTIMIZERS = ("adam", "cautious", "soap", "muon")

SCHEDULES = ("cosine", "step", "constant")

BALANCERS = ("none", "linear", "log1p", "log", "qp", "torchjd")

FAMO_BALANCERS = ("linear", "log1p", "log")
"""Balancers that learn task weights from logits (FAMO); the others solve for the weights in every step."""

GAMMA_STRATEGIES = ("fixed", "linear", "cosine", "adaptive", "hierarchical")

TRACKERS = ("none", "wandb", "tensorboard")
