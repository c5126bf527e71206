"""ONNX files compute what torch computes, for any size; and the documented program codes a photograph with them."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

import hpcmbal
from hpcmbal.cli.app import main
from hpcmbal.core.model import HPCM, OneRate
from hpcmbal.interop.onnx.networks import network_parts
from hpcmbal.model_files.store import save_model

pytest.importorskip("onnx", reason="the extra hpcmbal[onnx] is not installed")
onnxruntime = pytest.importorskip("onnxruntime", reason="the extra hpcmbal[onnx] is not installed")

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("work") / "onnx"
    assert main(["export-onnx", "hpcm-nano", "-o", str(folder)]) == 0
    return folder


def test_every_graph_is_within_1e_4_of_torch_at_other_sizes(exported: Path) -> None:
    generator = torch.Generator().manual_seed(1)
    names = set()
    for part in network_parts(hpcmbal.load_model("hpcm-nano").network):
        names.add(f"{part.name}.onnx")
        session = onnxruntime.InferenceSession(exported / f"{part.name}.onnx")
        inputs = {}
        for name, example in part.inputs.items():
            shape = (
                example.shape if name == "lmbda" else (*example.shape[:2], 2 * example.shape[2], 3 * example.shape[3])
            )
            values = torch.rand(shape, generator=generator)
            inputs[name] = values * 0.03 + 0.005 if name == "lmbda" else values
        with torch.no_grad():
            expected = part.network(*inputs.values()).numpy()
        (found,) = session.run(None, {name: value.numpy() for name, value in inputs.items()})
        np.testing.assert_allclose(found, expected, atol=1e-4 * max(1.0, float(np.abs(expected).max())), rtol=0)
    assert {path.name for path in exported.iterdir()} == {*names, "coding.npz"}


def test_the_documented_program_codes_a_photograph(exported: Path, repository: Path) -> None:
    (program,) = re.findall(
        r"```python\n(.*?)```", (repository / "docs" / "onnx.md").read_text(encoding="utf-8"), re.DOTALL
    )
    coarse = Image.fromarray(np.random.default_rng(4).integers(0, 256, (8, 10, 3), dtype=np.uint8))
    photo = coarse.resize((200, 150), Image.Resampling.BICUBIC)
    photo.save(exported.parent / "photo.png")
    for heavy in ("torch", "hpcmbal"):
        assert f"import {heavy}" not in program
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=exported.parent, capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stderr
    bpp, psnr = map(float, re.findall(r"[\d.]+(?= bpp| dB)", done.stdout))
    model = hpcmbal.load_model("hpcm-nano")
    quality = model.network.rates.quality_of(0.013)  # type: ignore[union-attr]
    data = hpcmbal.compress(photo, model, quality)
    assert bpp == pytest.approx(8 * len(data) / (200 * 150), rel=0.05)
    decoded = np.asarray(hpcmbal.decompress(data, model=model), dtype=float)
    expected = 10 * np.log10(255**2 / np.mean((decoded - np.asarray(photo)) ** 2))
    assert psnr == pytest.approx(expected, abs=0.2)


def test_a_model_of_one_rate_has_no_lmbda_to_give(tmp_path: Path) -> None:
    network = HPCM("hpcm-nano", OneRate(0.02))
    save_model(tmp_path / "one.safetensors", "hpcm-nano", network.state_dict(), rates=network.rates)
    assert main(["export-onnx", str(tmp_path / "one.safetensors"), "-o", str(tmp_path / "onnx")]) == 0
    session = onnxruntime.InferenceSession(tmp_path / "onnx" / "analysis.onnx")
    assert [node.name for node in session.get_inputs()] == ["image"]


def test_cross_attention_and_existing_files_are_refused(
    exported: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["export-onnx", "hpcm-nano", "-o", str(exported)]) == 3
    assert "exists already" in capsys.readouterr().err
    with torch.random.fork_rng():
        save_model(tmp_path / "small.safetensors", "hpcm-small", HPCM("hpcm-small").state_dict())
    assert main(["export-onnx", str(tmp_path / "small.safetensors"), "-o", str(tmp_path / "onnx")]) == 5
    assert "hpcm-small has cross-attention, which cannot be exported yet" in capsys.readouterr().err
