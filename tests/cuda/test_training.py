"""Whole trainings on CUDA devices: resumed exactly, and shared by two ranks over NCCL."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from tiny import TINY_NANO, write_photos

from hpcmbal.core.model import variants
from hpcmbal.settings import TrainSettings
from hpcmbal.training.checkpoint import open_checkpoint
from hpcmbal.training.trainer import train

RANKS = Path(__file__).resolve().parents[1] / "integration" / "training" / "rank_digest.py"
RECIPES: dict[str, dict[str, dict[str, Any]]] = {
    "plain": {},
    "balanced": {"loss": {"tasks": "five"}, "balancing": {"name": "linear", "update_every": 2}},
    "soap": {"optimizer": {"name": "soap"}},
    "moving average, float32": {"training": {"ema_decay": 0.9, "precision": "float32"}},
}


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """Six smooth random images, 96x80."""
    folder = tmp_path / "photos"
    folder.mkdir()
    return write_photos(folder, 6)


def differences(first: Any, second: Any, place: str = "") -> list[str]:
    """Where two nested states hold other values."""
    if isinstance(first, torch.Tensor):
        return [] if torch.equal(first, second) else [place]
    if isinstance(first, dict):
        return [found for key in first for found in differences(first[key], second[key], f"{place}/{key}")]
    if isinstance(first, list | tuple):
        pairs = enumerate(zip(first, second, strict=True))
        return [found for index, (one, two) in pairs for found in differences(one, two, f"{place}/{index}")]
    return [] if first == second else [place]


@pytest.mark.parametrize("recipe", RECIPES)
def test_a_resumed_run_goes_on_bit_for_bit(
    undone: None, monkeypatch: pytest.MonkeyPatch, photos: Path, tmp_path: Path, recipe: str
) -> None:
    monkeypatch.setitem(variants.VARIANTS, "hpcm-nano", TINY_NANO)

    def settings(folder: str, steps: int, **output: object) -> TrainSettings:
        sections: dict[str, dict[str, Any]] = {
            "schedule": {"name": "constant", "warmup_steps": 2},
            "data": {"train": photos, "val": photos, "batch_size": 2, "patch_size": 64},
            "training": {"max_steps": steps, "device": "cuda", "deterministic": True},
            "output": {"save_path": tmp_path / folder, **output},
        }
        for section, values in RECIPES[recipe].items():
            sections[section] = sections.get(section, {}) | values
        return TrainSettings.model_validate(sections)

    train(settings("whole", 10))
    train(settings("parts", 5))
    train(settings("parts", 10, checkpoint=tmp_path / "parts"))
    whole, parts = (open_checkpoint(tmp_path / name).trainer_state() for name in ("whole", "parts"))
    assert differences(whole, parts) == []


@pytest.mark.slow
@pytest.mark.skipif(torch.cuda.device_count() < 2, reason="needs two CUDA devices")
def test_two_nccl_ranks_hold_the_same_weights_and_logits(photos: Path, tmp_path: Path) -> None:
    settings = {
        "preset": "hierarchical-nano",
        "data.train": str(photos),
        "data.val": str(photos),
        "data.batch_size": 2,
        "data.patch_size": 64,
        "balancing.update_every": 1,
        "training.max_steps": 20,
        "training.device": "cuda",
        "training.precision": "float32",
        "output.validate_every": 1_000,
        "output.save_path": str(tmp_path / "run"),
    }
    (tmp_path / "settings.json").write_text(json.dumps(settings))
    command = [sys.executable, "-W", "ignore", "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    command += [str(RANKS), str(tmp_path / "settings.json"), str(tmp_path)]
    done = subprocess.run(command, env=os.environ.copy(), capture_output=True, text=True, timeout=600, check=False)
    assert done.returncode == 0, done.stderr
    first, second = (
        torch.load(tmp_path / f"rank-{rank}.pt", weights_only=True, map_location="cpu") for rank in range(2)
    )
    assert first["step"] == 20
    assert torch.equal(first["balancer"]["logits"]["w"], second["balancer"]["logits"]["w"])
    assert first["balancer"]["logits"]["w"].abs().max() > 0.01
    assert all(torch.equal(weight, second["weights"][name]) for name, weight in first["weights"].items())
