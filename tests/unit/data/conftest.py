from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
from PIL import Image

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


@pytest.fixture
def generator() -> np.random.Generator:
    return np.random.default_rng(20240607)


@pytest.fixture
def make_folder(tmp_path: Path, generator: np.random.Generator) -> Callable[..., Path]:
    """Makes a folder of `good` random PNGs of differing sizes, and of `bad` text files that claim to be PNGs."""

    def make(good: int, bad: int = 0, *, name: str = "images") -> Path:
        folder = tmp_path / name
        folder.mkdir()
        for number in range(good):
            size = generator.integers(5, 40, 2)
            Image.fromarray(generator.integers(0, 256, (*size, 3), dtype=np.uint8)).save(folder / f"{number:03}.png")
        for number in range(bad):
            (folder / f"{good + number:03}-bad.png").write_text("this is not an image")
        return folder

    return make
