"""The tiny model of the golden files."""

from __future__ import annotations

import runpy
from pathlib import Path
from typing import Any

import pytest

TESTS = next(parent for parent in Path(__file__).parents if parent.name == "tests")
TINY: Any = runpy.run_path(str(TESTS / "golden" / "tiny_model.py"))


@pytest.fixture(scope="session")
def tiny() -> Any:
    """A `CodecModel` with the tiny network."""
    from hpcmbal.codec.codec_model import CodecModel

    return CodecModel(TINY["tiny_model"](), "golden-tiny")
