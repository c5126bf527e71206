"""CompressAI's eval_model on exported weights, as docs/compressai.md says."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from hpcmbal.cli.app import main
from hpcmbal.core.model import HPCM, get_variant
from hpcmbal.model_files.store import read_weights, save_model

VARIANT = "hpcm-nano"


@pytest.fixture(scope="module")
def model_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    torch.manual_seed(4)
    path = tmp_path_factory.mktemp("model") / "model.safetensors"
    save_model(path, VARIANT, HPCM(get_variant(VARIANT)).state_dict())
    return path


@pytest.fixture
def images(tmp_path: Path) -> Path:
    folder = tmp_path / "images"
    folder.mkdir()
    generator = np.random.default_rng(5)
    # MS-SSIM needs more than 160 pixels a side; 200 is no multiple of the model's stride.
    for number, (width, height) in enumerate([(200, 176), (192, 256)]):
        coarse = Image.fromarray(generator.integers(0, 256, (6, 5, 3), dtype=np.uint8))
        coarse.resize((width, height), Image.Resampling.BICUBIC).save(folder / f"{number}.png")
    return folder


def test_exported_weights_are_the_models_and_load_without_executing_code(model_file: Path, tmp_path: Path) -> None:
    path = tmp_path / "new folder" / "nano.pth.tar"
    assert main(["export-checkpoint", str(model_file), "-o", str(path)]) == 0
    exported, weights = torch.load(path, weights_only=True), read_weights(model_file)
    assert exported.keys() == weights.keys()
    assert all(torch.equal(exported[name], weights[name]) for name in weights)


def test_an_export_to_a_bad_place_is_one_line_and_leaves_nothing(
    model_file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").write_text("mine", encoding="utf-8")
    assert main(["export-checkpoint", str(model_file), "-o", str(tmp_path / "file" / "nano.pth")]) == 3
    errors = capsys.readouterr().err
    assert "is no folder, so nothing can lie below it. Choose another --output." in errors
    assert errors.count("\n") == 1
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


@pytest.mark.slow
def test_eval_model_codes_with_the_exported_weights(model_file: Path, images: Path, tmp_path: Path) -> None:
    path = tmp_path / "nano.pth.tar"
    assert main(["export-checkpoint", str(model_file), "-o", str(path)]) == 0
    coded, estimated = (evaluate(images, path, *more) for more in ([], ["--entropy-estimation"]))
    assert coded["psnr-rgb"] == pytest.approx(estimated["psnr-rgb"], abs=0.1)
    # Whole bytes for each of four strings, and padding of 200x176 to a multiple of 64: a little more, not less.
    assert 0.98 * estimated["bpp"] < coded["bpp"] < 1.6 * estimated["bpp"] + 0.02


def evaluate(images: Path, weights: Path, *more: str) -> dict[str, float]:
    command = [sys.executable, "-W", "ignore", "-m", "hpcmbal.interop.compressai.eval_model", "checkpoint", str(images)]
    command += ["-a", VARIANT, "-p", str(weights), *more]
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, capture_output=True, text=True, timeout=180, check=False, env=environment)
    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout)
    assert report["name"] == f"{VARIANT}-mse"
    return {name: values[0] for name, values in report["results"].items()}
