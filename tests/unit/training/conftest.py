"""A run so small that a step takes milliseconds: a network of a few thousand parameters on generated images."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from tiny import TINY_NANO, write_photos

from hpcmbal.core.model import HPCM, variants
from hpcmbal.model_files.store import save_model
from hpcmbal.settings import TrainSettings


@pytest.fixture
def tiny_model(monkeypatch: pytest.MonkeyPatch) -> None:
    """Replace hpcm-nano by a much smaller network of the same kind."""
    monkeypatch.setitem(variants.VARIANTS, "hpcm-nano", TINY_NANO)


@pytest.fixture(scope="session")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Six smooth random images, 96x80."""
    return write_photos(tmp_path_factory.mktemp("photos"), 6)


@pytest.fixture
def tiny_run(tiny_model: None, photos: Path, tmp_path: Path) -> Callable[..., TrainSettings]:
    """Settings of a tiny run; sections are merged over them: `tiny_run(training={"max_steps": 4})`."""

    def build(folder: str = "run", **sections: dict[str, Any]) -> TrainSettings:
        base: dict[str, dict[str, Any]] = {
            "optimizer": {"learning_rate": 1e-3},
            "schedule": {"warmup_steps": 2},
            "data": {"train": photos, "val": photos, "batch_size": 2, "patch_size": 64},
            "training": {"max_steps": 6, "device": "cpu", "num_threads": 1},
            "output": {"save_path": tmp_path / folder, "log_every": 1, "validate_every": 3, "save_freq": 3},
        }
        for section, values in sections.items():
            base[section] = base.get(section, {}) | values
        return TrainSettings.model_validate(base)

    return build


@pytest.fixture
def tiny_start(tiny_model: None, tmp_path: Path) -> Path:
    """A model file of the tiny network, with latents that are not all zero, to start trainings from."""
    torch.manual_seed(11)
    network = HPCM("hpcm-nano")
    assert network.rate_gains is not None
    network.rate_gains.log_gain.data += 1.0
    path = tmp_path / "start.safetensors"
    save_model(path, "hpcm-nano", network.state_dict())
    return path
