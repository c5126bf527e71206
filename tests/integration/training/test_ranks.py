"""Balanced trainings over two ranks (gloo, CPU): both hold the same state, and it is that of one process."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from tiny import write_photos

pytestmark = pytest.mark.slow

STEPS = 50
SCRIPT = Path(__file__).with_name("rank_digest.py")
TORCHRUN = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Six smooth random images, 96x80."""
    return write_photos(tmp_path_factory.mktemp("photos"), 6)


def train_ranks(folder: Path, photos: Path, ranks: int, changes: dict[str, object]) -> list[dict[str, Any]]:
    """What each rank ends with after `STEPS` steps of two crops in all."""
    folder.mkdir()
    settings = folder / "settings.json"
    fixed = {
        "preset": "hierarchical-nano",
        "data.train": str(photos),
        "data.val": str(photos),
        "data.batch_size": 2,
        "data.patch_size": 64,
        "training.max_steps": STEPS,
        "training.device": "cpu",
        "training.num_threads": 1,
        "output.validate_every": 1_000,
        "output.save_path": str(folder / "run"),
    }
    settings.write_text(json.dumps(fixed | changes))
    command = [sys.executable, "-W", "ignore", *(TORCHRUN if ranks > 1 else []), str(SCRIPT), str(settings)]
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    result = subprocess.run(
        [*command, str(folder)], env=environment, capture_output=True, text=True, timeout=300, check=False
    )
    assert result.returncode == 0, result.stderr
    return [torch.load(folder / f"rank-{rank}.pt", weights_only=True) for rank in range(ranks)]


@pytest.mark.parametrize(
    "changes",
    [
        {"balancing.update_every": 1},
        {"balancing.update_mode": "next_batch"},
        {"balancing.gamma_strategy": "adaptive"},
    ],
    ids=["same batch", "next batch", "adaptive gamma"],
)
def test_both_ranks_hold_the_logits_and_weights_of_one_process(
    tmp_path: Path, photos: Path, changes: dict[str, object]
) -> None:
    (alone,) = train_ranks(tmp_path / "one", photos, 1, changes)
    first, second = train_ranks(tmp_path / "two", photos, 2, changes)
    assert first["step"] == second["step"] == STEPS
    logits = first["balancer"]["logits"]["w"]
    assert torch.equal(logits, second["balancer"]["logits"]["w"])
    assert logits.abs().max() > 0.02, "they have moved"
    torch.testing.assert_close(logits, alone["balancer"]["logits"]["w"], atol=1e-5, rtol=1e-3)
    for name, weight in first["weights"].items():
        assert torch.equal(weight, second["weights"][name]), name
        torch.testing.assert_close(weight, alone["weights"][name], atol=1e-5, rtol=1e-5, msg=name)
