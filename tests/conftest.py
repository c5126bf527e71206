"""Fixtures that every test may use."""

from __future__ import annotations

from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parent.parent
SHARED = REPOSITORY.parent / "shared"


def pytest_configure(config: pytest.Config) -> None:
    """One thread for torch: results do not depend on the machine, and small tensors are faster without a pool."""
    del config
    import torch

    torch.set_num_threads(1)


@pytest.fixture(scope="session")
def repository() -> Path:
    """The checkout's root."""
    return REPOSITORY


@pytest.fixture(scope="session")
def shared_dir() -> Path:
    """Reference data beside the checkout (`../shared`): golden outputs and photographs that are too large for it."""
    if not SHARED.is_dir():
        pytest.skip(f"needs the reference data in {SHARED}, which is not there")
    return SHARED


@pytest.fixture
def run_dir(tmp_path: Path) -> Path:
    """A fresh, empty folder for the outputs of one run."""
    path = tmp_path / "run"
    path.mkdir()
    return path
