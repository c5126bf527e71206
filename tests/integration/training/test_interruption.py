"""Real processes: killed without warning, asked to stop, run by torchrun."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from hpcmbal.model_files.find import find_model
from hpcmbal.model_files.store import load_network, read_weights
from hpcmbal.training.checkpoint import list_checkpoints, open_checkpoint

pytestmark = pytest.mark.slow

Start = Callable[..., "subprocess.Popen[str]"]


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    folder = tmp_path / "photos"
    folder.mkdir()
    generator = np.random.default_rng(0)
    for number in range(4):
        Image.fromarray(generator.integers(0, 256, (80, 72, 3), dtype=np.uint8)).save(folder / f"{number}.png")
    return folder


@pytest.fixture
def start(photos: Path) -> Start:
    """Start `hpcmbal train` on the photos, with one thread."""

    def run(folder: Path, *arguments: str, steps: int = 500) -> subprocess.Popen[str]:
        command = [sys.executable, "-W", "ignore", "-m", "hpcmbal", "train", "--preset", "standard-nano"]
        command += ["--train-data", str(photos), "--val-data", str(photos), "--save-path", str(folder)]
        command += ["--patch-size", "64", "--max-steps", str(steps), "--device", "cpu"]
        for flag in ("--batch-size", "--save-freq"):
            command += [] if flag in arguments else [flag, "1"]
        command += ["--set", "training.num_threads=1", "--set", "output.validate_every=100000", *arguments]
        environment = os.environ | {"OMP_NUM_THREADS": "1"}
        return subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

    return run


def wait_for_checkpoints(run: Path, count: int, process: subprocess.Popen[str]) -> None:
    deadline = time.monotonic() + 120
    while len(list_checkpoints(run)) < count:
        assert process.poll() is None, process.communicate()[1]
        assert time.monotonic() < deadline, "no checkpoint within two minutes"
        time.sleep(0.01)


@pytest.mark.parametrize("moment", [0.0, 0.013, 0.05])
def test_kill_9_at_any_moment_leaves_a_usable_checkpoint(start: Start, tmp_path: Path, moment: float) -> None:
    run = tmp_path / "run"
    process = start(run)
    wait_for_checkpoints(run, 2, process)
    time.sleep(moment)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    newest = open_checkpoint(run)
    newest.verify()
    load_network(find_model(run))
    again = start(run, "--checkpoint", str(run), steps=newest.step + 1)
    _, errors = again.communicate(timeout=120)
    assert again.returncode == 0, errors
    assert open_checkpoint(run).step == newest.step + 1


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_ctrl_c_and_sigterm_save_before_leaving(start: Start, tmp_path: Path, number: signal.Signals) -> None:
    run = tmp_path / "run"
    process = start(run, "--save-freq", "100000")
    while not (run / "logs" / "metrics.jsonl").exists():
        assert process.poll() is None, process.communicate()[1]
        time.sleep(0.05)
    time.sleep(3)
    process.send_signal(number)
    output, _ = process.communicate(timeout=60)
    assert process.returncode == 130
    step = open_checkpoint(run).step
    assert f"Interrupted after step {step}" in output


def test_two_ranks_train_like_one_process_with_the_global_batch(start: Start, tmp_path: Path, photos: Path) -> None:
    common = ["--batch-size", "2", "--set", "optimizer.eps=1e-4"]
    alone = start(tmp_path / "alone", *common, steps=4)
    alone.communicate(timeout=120)
    command = [sys.executable, "-W", "ignore", "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    command += ["-m", "hpcmbal", "train", "--preset", "standard-nano", "--train-data", str(photos)]
    command += ["--val-data", str(photos)]
    command += ["--patch-size", "64", "--max-steps", "4", "--device", "cpu", "--save-path", str(tmp_path / "both")]
    command += [*common]
    command += ["--set", "training.num_threads=1"]
    result = subprocess.run(command, capture_output=True, text=True, timeout=180, check=False)
    assert result.returncode == 0, result.stderr
    one, two = (read_weights(find_model(tmp_path / name)) for name in ("alone", "both"))
    for name in one:
        torch.testing.assert_close(one[name], two[name], atol=1e-5, rtol=1e-5, msg=name)
