"""A run so small that a step takes milliseconds: a network of a few thousand parameters on generated images."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from hpcmbal.core.model import variants
from hpcmbal.core.model.variants import ContextSize, Stage, Variant
from hpcmbal.settings import RunSettings

TINY = Variant(
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


@pytest.fixture
def tiny_model(monkeypatch: pytest.MonkeyPatch) -> None:
    """Replace hpcm-nano by a much smaller network of the same kind."""
    monkeypatch.setitem(variants.VARIANTS, "hpcm-nano", TINY)


@pytest.fixture(scope="session")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Six smooth random images, 96x80."""
    folder = tmp_path_factory.mktemp("photos")
    generator = np.random.default_rng(3)
    for number in range(6):
        coarse = Image.fromarray(generator.integers(0, 256, (6, 5, 3), dtype=np.uint8))
        coarse.resize((80, 96), Image.Resampling.BICUBIC).save(folder / f"{number}.png")
    return folder


@pytest.fixture
def tiny_run(tiny_model: None, photos: Path, tmp_path: Path) -> Callable[..., RunSettings]:
    """Settings of a tiny run; sections are merged over them: `tiny_run(training={"max_steps": 4})`."""

    def build(folder: str = "run", **sections: dict[str, Any]) -> RunSettings:
        base: dict[str, dict[str, Any]] = {
            "optimizer": {"learning_rate": 1e-3},
            "schedule": {"warmup_steps": 2},
            "data": {"train": photos, "val": photos, "batch_size": 2, "patch_size": 64},
            "training": {"max_steps": 6, "device": "cpu", "num_threads": 1},
            "output": {"save_path": tmp_path / folder, "log_every": 1, "validate_every": 3, "save_freq": 3},
        }
        for section, values in sections.items():
            base[section] = base.get(section, {}) | values
        return RunSettings.model_validate(base)

    return build
