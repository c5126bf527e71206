"""What many tests need in small: a network of a few thousand parameters, generated photographs, a model."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from PIL import Image

from hpcmbal.core.model import HPCM, get_variant
from hpcmbal.core.model.variants import ContextSize, Stage, Variant
from hpcmbal.model_files.store import save_model

TINY_NANO = Variant(
    name="hpcm-nano",
    latent_channels=8,
    hyper_channels=8,
    analysis=(Stage(8, 0), Stage(8, 0), Stage(8, 1), Stage(8, 0)),
    synthesis=(Stage(8, 0), Stage(8, 0), Stage(8, 1), Stage(8, 0)),
    hyper_width=8,
    hyper_blocks=(0, 0),
    context=ContextSize(width=8, coarse_blocks=(1, 0, 0), fine_blocks=(1, 0, 0)),
    mlp_ratio=1,
    rate_levels=2,
)
"""Stands in for hpcm-nano where a training step has to take milliseconds."""


def write_photos(folder: Path, count: int) -> Path:
    """Smooth random images, 96x80, into `folder`, which is returned."""
    generator = np.random.default_rng(3)
    for number in range(count):
        coarse = Image.fromarray(generator.integers(0, 256, (6, 5, 3), dtype=np.uint8))
        coarse.resize((80, 96), Image.Resampling.BICUBIC).save(folder / f"{number}.png")
    return folder


def write_variable_model(folder: Path) -> Path:
    """A model file of hpcm-nano, untrained, with a variable rate; its name has a dot in it."""
    torch.manual_seed(0)
    network = HPCM(get_variant("hpcm-nano"))
    # Untrained latents are all but zero: without this there would be nothing to code.
    network.rate_gains.log_gain.data += 1.0
    path = folder / "variable.v1.safetensors"
    settings = {"settings": {"loss": {"variable_rate": True, "lmbda": 0.013}}, "step": 7}
    save_model(path, "hpcm-nano", network.state_dict(), settings)
    return path
