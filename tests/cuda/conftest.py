"""Tests that need a CUDA device: all of this folder is marked `cuda`, and skipped where there is none."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

HERE = Path(__file__).parent


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark the tests of this folder; without a device they are skipped, which is said."""
    for item in items:
        if HERE in item.path.parents:
            item.add_marker(pytest.mark.cuda)
            if not torch.cuda.is_available():
                item.add_marker(pytest.mark.skip(reason="needs a CUDA device"))


@pytest.fixture
def undone() -> Iterator[None]:
    """What `training.deterministic` turns on for the process is turned off again."""
    yield
    torch.use_deterministic_algorithms(False)
