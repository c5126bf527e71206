"""A real package with a plug-in of each kind: installed by pip, listed, trained with, evaluated with."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

Run = Callable[..., subprocess.CompletedProcess[str]]

EXAMPLE = Path(__file__).resolve().parents[2] / "plugins" / "example"

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """Runs `hpcmbal` where the example is installed, in a folder of its own."""
    site = tmp_path_factory.mktemp("site")
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-deps"]
    done = subprocess.run(
        [*pip, "--no-build-isolation", "--target", str(site), str(EXAMPLE)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    path = os.pathsep.join([str(site), *filter(None, [os.environ.get("PYTHONPATH")])])
    environment = {**os.environ, "PYTHONPATH": path, "OMP_NUM_THREADS": "1"}

    def command(*arguments: str, cwd: Path) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "hpcmbal", *arguments],
            env=environment,
            cwd=cwd,
            capture_output=True,
            text=True,
            check=False,
            timeout=300,
        )

    return command


def test_its_parts_are_listed_with_their_package(run: Run, tmp_path: Path) -> None:
    done = run("plugins", "list", "--json", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    listed = [(plugin["kind"], plugin["name"], plugin["package"]) for plugin in json.loads(done.stdout)]
    assert listed == [
        ("optimizers", "example-sgd", "hpcmbal-example 1.0"),
        ("balancers", "example-shares", "hpcmbal-example 1.0"),
        ("losses", "example-scales", "hpcmbal-example 1.0"),
        ("schedules", "example-line", "hpcmbal-example 1.0"),
        ("codecs", "example-png", "hpcmbal-example 1.0"),
    ]


def test_a_preset_trains_with_all_of_them(run: Run, tmp_path: Path) -> None:
    (tmp_path / "mine.yaml").write_text(
        "description: Everything from outside.\n"
        "optimizer: {name: example-sgd, learning_rate: 1.0e-4, options: {momentum: 0.5}}\n"
        "schedule: {name: example-line, warmup_steps: 0}\n"
        "loss: {tasks: example-scales}\n"
        "balancing: {name: example-shares, options: {first: 0.75}}\n"
        "data: {batch_size: 1, patch_size: 64}\n"
        "training: {max_steps: 4}\n"
        "output: {log_every: 1, validate_every: 100}\n"
    )
    photographs = tmp_path / "photographs"
    photographs.mkdir()
    pixels = np.random.default_rng(0).integers(0, 256, (64, 64, 3)).astype(np.uint8)
    Image.fromarray(pixels).save(photographs / "noise.png")
    folders = ["--train-data", "photographs", "--val-data", "photographs"]
    done = run("train", "--preset", "mine.yaml", *folders, "--save-path", "run", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    lines = [json.loads(line) for line in (tmp_path / "run/logs/metrics.jsonl").read_text().splitlines()]
    steps = [line for line in lines if "train/j" in line]
    assert [step["train/learning_rate"] for step in steps] == pytest.approx([1e-4, 0.75e-4, 0.5e-4, 0.25e-4])
    for step in steps:
        assert step["train/first_scale"] + step["train/other_bits"] == pytest.approx(step["train/j"], rel=1e-5)
        assert step["weights/first_scale"] == 0.75


def test_a_codec_is_evaluated_like_ours(run: Run, tmp_path: Path) -> None:
    photographs = tmp_path / "photographs"
    photographs.mkdir()
    for number in range(2):
        pixels = np.random.default_rng(number).integers(0, 256, (176, 176, 3)).astype(np.uint8)
        Image.fromarray(pixels).save(photographs / f"{number}.png")
    done = run("eval", "--anchor", "example-png,jpeg", "--data", "photographs", "-o", "out", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "example-png" in (tmp_path / "out/results.json").read_text()
