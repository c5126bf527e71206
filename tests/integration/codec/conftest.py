"""The tiny model of the golden files, and the command line with an untrained model and a few photos."""

from __future__ import annotations

import runpy
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from hpcmbal.cli.app import main
from hpcmbal.core.model import HPCM, get_variant
from hpcmbal.model_files.store import save_model

TESTS = next(parent for parent in Path(__file__).parents if parent.name == "tests")
TINY: Any = runpy.run_path(str(TESTS / "golden" / "tiny_model.py"))


@pytest.fixture(scope="session")
def tiny() -> Any:
    """A `CodecModel` with the tiny network."""
    from hpcmbal.codec.codec_model import CodecModel

    return CodecModel(TINY["tiny_model"](), "golden-tiny")


@pytest.fixture(scope="session")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("models")
    with torch.random.fork_rng():
        torch.manual_seed(5)
        save_model(folder / "mine.safetensors", "hpcm-nano", HPCM(get_variant("hpcm-nano")).state_dict())
    return folder


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    folder = tmp_path / "photos"
    folder.mkdir()
    generator = np.random.default_rng(7)
    for name, shape in (("a.png", (40, 50, 3)), ("b.jpg", (30, 20)), ("c.webp", (33, 65, 4))):
        Image.fromarray(generator.integers(0, 256, shape, dtype=np.uint8)).save(folder / name)
    return folder


@pytest.fixture
def run(models: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setenv("HPCMBAL_MODEL_DIR", str(models))

    def call(*arguments: object) -> int:
        extra = ["--model", str(models / "mine.safetensors")] if arguments[0] == "compress" else []
        return main([str(argument) for argument in (*arguments, *extra)])

    return call
