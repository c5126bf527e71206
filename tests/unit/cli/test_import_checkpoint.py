"""`hpcmbal import-checkpoint`: a released file in, a checkpoint of ours out."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from hpcmbal.cli.app import main
from hpcmbal.core.model import HPCM, get_variant
from hpcmbal.model_files.find import find_model
from hpcmbal.model_files.store import load_network, read_header


@pytest.fixture
def model() -> HPCM:
    torch.manual_seed(3)
    return HPCM(get_variant("hpcm-nano")).eval()


@pytest.fixture
def released(tmp_path: Path, model: HPCM) -> Path:
    path = tmp_path / "released.pth.tar"
    torch.save({"state_dict": {f"module.{key}": value for key, value in model.state_dict().items()}}, path)
    return path


@pytest.mark.parametrize("output", ["out", "out/weights.safetensors"])
def test_the_imported_model_computes_the_same(
    tmp_path: Path, model: HPCM, released: Path, output: str, capsys: pytest.CaptureFixture[str]
) -> None:
    target = tmp_path / output
    assert main(["import-checkpoint", str(released), "-o", str(target)]) == 0
    assert "hpcm-nano" in capsys.readouterr().out
    x = torch.rand(1, 3, 64, 64)
    loaded = load_network(find_model(target))
    with torch.no_grad():
        assert torch.equal(loaded(x)["x_hat"], model(x)["x_hat"])
    file = target if target.suffix else target / "model.safetensors"
    assert read_header(file).metadata == {"imported_from": "released.pth.tar"}


def test_what_does_not_fit_is_refused_and_nothing_is_written(
    tmp_path: Path, released: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    assert main(["import-checkpoint", str(released), "-o", str(out), "--model-name", "hpcm-small"]) == 5
    err = capsys.readouterr().err
    assert "does not fit hpcm-small" in err
    assert "misshapen" in err
    assert err.count("\n") == 1
    assert not out.exists()


def test_a_text_file_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "weights.pth"
    path.write_text("these are no weights", encoding="utf-8")
    assert main(["import-checkpoint", str(path), "-o", str(tmp_path / "out")]) == 5
    assert capsys.readouterr().err.startswith(f"hpcmbal: {path} is no PyTorch checkpoint")
