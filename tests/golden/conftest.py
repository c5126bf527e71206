"""The tiny model of the golden files."""

from __future__ import annotations

import runpy
from pathlib import Path
from typing import Any

import pytest

TINY: Any = runpy.run_path(str(Path(__file__).with_name("tiny_model.py")))


@pytest.fixture(scope="session")
def tiny() -> Any:
    """A `CodecModel` with the tiny network."""
    from hpcmbal.codec.codec_model import CodecModel

    return CodecModel(TINY["tiny_model"](), "golden-tiny")
