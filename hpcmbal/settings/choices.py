"""Names that settings may choose from, as plain data, so that checking a preset never loads torch.

The registries behind these names live in `hpcmbal.core`; tests hold both sides equal.
"""

from __future__ import annotations

MODEL_HELP = "Packaged model's name, model file, checkpoint, run or id"
"""What a model is given as, in the help of every command."""

MODELS = ("hpcm-nano", "hpcm-nano-2", "hpcm-small", "hpcm-base", "hpcm-base-phi", "hpcm-large", "hpcm-1b")

LMBDA_RANGES = {
    "hpcm-nano": (0.0018, 0.0483),
    "hpcm-nano-2": (0.0006, 0.18),
    "hpcm-small": (0.0018, 0.0483),
}
"""Models with rate gains, and the lambdas that these span; the released models have one fixed rate."""

QUALITY_MIN, QUALITY_MAX, DEFAULT_QUALITY = 1.0, 100.0, 50.0
"""The user's scale of a variable-rate model's lambda."""

METRICS = ("mse", "ms-ssim")
MS_SSIM_MIN_SIDE = 161
"""MS-SSIM halves the image four times and then needs its 11-pixel window to fit: (11 - 1) * 2^4 + 1 pixels a side."""
MS_SSIM_MIN_PATCH = -(-MS_SSIM_MIN_SIDE // 16) * 16
"""Crops are multiples of 16."""
PUBLISHED_LMBDAS = {
    "mse": (0.0018, 0.0035, 0.0067, 0.013, 0.025, 0.0483),
    "ms-ssim": (2.4, 4.58, 8.73, 16.64, 31.73, 60.5),
}
"""The lambdas of published models, by metric (CompressAI; HPCM and Balanced-RD use them too)."""

TASKS = ("total", "two", "five")

DECOMPOSITIONS = ("measured", "fixed", "learned")

OPTIMIZERS = ("adam", "cautious", "soap", "muon")

SCHEDULES = ("cosine", "step", "constant", "wsd")

BALANCERS = ("none", "linear", "log1p", "log", "qp", "torchjd")

FAMO_BALANCERS = ("linear", "log1p", "log")
"""Balancers that learn task weights from logits (FAMO); the others solve for the weights in every step."""

GAMMA_STRATEGIES = ("fixed", "linear", "cosine", "adaptive", "hierarchical")

GAMMAS_OVER_PROGRESS = tuple(name for name in GAMMA_STRATEGIES if name not in ("fixed", "adaptive"))
"""Strategies that follow the fraction of training done, which is known only if the number of steps is."""

GAMMAS = (0.008, 0.006, 0.004)
"""Initial gammas of s1, s2, s3."""
W_LR, UPDATE_EVERY = 0.025, 8
"""Of the logits of a balancing that learns weights: their learning rate, and steps between two of their updates."""
UPDATE_MODES = ("same_batch", "next_batch")
SCALE_WEIGHTS = (0.3, 0.4, 0.3)
"""Emphasis of s1, s2, s3."""

EMPHASISED = ("all", "distortion", "rate")
"""Tasks that the emphasis of scales may be about."""

TRACKERS = ("none", "wandb", "tensorboard")

ANCHORS = (
    *("jpeg", "webp", "avif", "avif-slow", "jxl", "jpeg2000"),
    *("vvc", "vvc-slow", "x265", "aom", "svt-av1", "vtm", "bpg", "cjxl"),
)
"""Codecs to compare with: through Pillow, and through programs."""

EXTRA_METRICS = ("ssimulacra2", "vmaf", "vmaf-neg", "psnr-hvs-m", "iw-ssim", "fsim", "vif", "lpips", "dists")
"""Of evaluations, beside PSNR and MS-SSIM."""

TABLES = ("latex", "markdown", "csv")
"""Formats of tables to publish."""

INTERPOLATIONS = ("pchip", "akima", "cubic")
"""Of BD-rates."""

CACHE_MEBIBYTES = 512
"""Memory for decoded training images."""
