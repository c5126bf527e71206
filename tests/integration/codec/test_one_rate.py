"""A model that was trained at one lambda is coded at it by every tool, and they agree."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

import hpcmbal
from hpcmbal.cli.app import main
from hpcmbal.codec.bitstream import read_container
from hpcmbal.core.loss import RateDistortionLoss
from hpcmbal.core.model import HPCM, OneRate
from hpcmbal.data import ImageFolder
from hpcmbal.evaluation.codecs.selection import build_models
from hpcmbal.evaluation.reconstruction import reconstruct
from hpcmbal.images.psnr import psnr_db
from hpcmbal.interop.compressai.adapter import ARCHITECTURES
from hpcmbal.model_files.store import export_state_dict, load_network, save_model
from hpcmbal.training.validation import validate

LMBDA = 0.0483


@pytest.fixture(scope="module")
def network() -> HPCM:
    """The packaged weights, as if they had been trained at one lambda."""
    network = HPCM("hpcm-nano", OneRate(LMBDA)).eval()
    network.load_state_dict(hpcmbal.load_model("hpcm-nano").network.state_dict())
    return network


@pytest.fixture(scope="module")
def model(network: HPCM, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("model") / "single.safetensors"
    save_model(path, "hpcm-nano", network.state_dict(), rates=network.rates)
    return path


@pytest.fixture(scope="module")
def photo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A side that is a multiple of the model's padding, so that estimates cover the same latents."""
    path = tmp_path_factory.mktemp("photo") / "photo.png"
    coarse = Image.fromarray(np.random.default_rng(8).integers(0, 256, (16, 24, 3), dtype=np.uint8))
    coarse.resize((384, 256), Image.Resampling.BICUBIC).save(path)
    return path


@pytest.fixture(scope="module")
def validated(network: HPCM, photo: Path) -> dict[str, float]:
    """What a training's validation says, the measure of all others."""
    images = ImageFolder(photo.parent)
    return validate(network, RateDistortionLoss(), images, [LMBDA])


def agrees(bpp: float, psnr: float, validated: dict[str, float]) -> bool:
    return bool(
        bpp == pytest.approx(validated["bpp"], rel=0.01) and psnr == pytest.approx(validated["psnr_db"], rel=0.01)
    )


def test_compress_writes_what_validation_says(model: Path, photo: Path, validated: dict[str, float]) -> None:
    image = Image.open(photo)
    data = hpcmbal.compress(image, str(model))
    header = read_container(data).header
    assert header.rate == 0
    decoded = np.asarray(hpcmbal.decompress(data, model=str(model)))
    assert agrees(8 * len(data) / (384 * 256), psnr_db(np.asarray(image), decoded), validated)


def test_reconstruct_and_eval_say_the_same(model: Path, photo: Path, validated: dict[str, float]) -> None:
    pixels = np.asarray(Image.open(photo))
    shown = reconstruct(load_network(model), pixels)
    assert agrees(shown.bpp, shown.psnr_db, validated)
    for estimated in (True, False):
        (codec,) = build_models([str(model)], estimated=estimated)
        assert len(codec.points) == 1
        coded = codec.code(pixels, 0)
        assert agrees(8 * coded.file_bytes / pixels[..., 0].size, psnr_db(pixels, coded.reconstruction), validated)


def test_compressai_codes_the_exported_weights_alike(
    model: Path, photo: Path, validated: dict[str, float], tmp_path: Path
) -> None:
    export_state_dict(model, tmp_path / "single.pth")
    net = ARCHITECTURES["hpcm-nano"].from_state_dict(torch.load(tmp_path / "single.pth", weights_only=True))
    net.update()
    pixels = np.array(Image.open(photo))
    x = torch.from_numpy(pixels).permute(2, 0, 1)[None] / 255
    coded = net.compress(x)
    x_hat = net.decompress(coded["strings"], coded["shape"])["x_hat"]
    decoded = (x_hat[0].permute(1, 2, 0) * 255).round().byte().numpy()
    size = sum(len(image) for segment in coded["strings"] for image in segment)
    assert agrees(8 * size / (384 * 256), psnr_db(pixels, decoded), validated)


def test_it_matters(model: Path, photo: Path, network: HPCM) -> None:
    """The same weights as a model of variable rate code at quality 50, which is something else."""
    pixels = np.asarray(Image.open(photo))
    variable = HPCM("hpcm-nano").eval()
    variable.load_state_dict(network.state_dict())
    assert reconstruct(variable, pixels).bpp < 0.8 * reconstruct(network, pixels).bpp


@pytest.mark.parametrize(
    "command",
    [
        ["compress", "{photo}", "-o", "{out}/a.hpcm", "--model", "{model}"],
        ["reconstruct", "{photo}", "--model", "{model}", "-o", "{out}/a.png"],
        ["eval", "--model", "{model}", "--data", "{folder}", "-o", "{out}"],
    ],
)
def test_a_quality_is_refused_in_one_line(
    command: list[str], model: Path, photo: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    places = {"photo": photo, "out": tmp_path, "model": model, "folder": photo.parent}
    assert main([*(part.format(**places) for part in command), "--quality", "30"]) == 2
    errors = capsys.readouterr().err
    assert "has one rate, lambda 0.0483, so there is no quality to choose" in errors
    assert errors.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


def test_find_quality_refuses_it(model: Path, photo: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["find-quality", str(photo), "--model", str(model), "--target-bpp", "0.5"]) == 2
    assert "has one rate" in capsys.readouterr().err


def test_info_says_that_the_rate_is_fixed(
    model: Path, photo: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "a.hpcm"
    file.write_bytes(hpcmbal.compress(Image.open(photo), model))
    assert main(["info", str(file), "--json"]) == 0
    facts: dict[str, Any] = json.loads(capsys.readouterr().out)
    assert facts["quality"] is None
