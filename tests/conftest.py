"""Fixtures that every test may use."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest
import reader_fuzz  # noqa: F401 (registers the profile that `--hypothesis-profile=thorough` chooses)

REPOSITORY = Path(__file__).resolve().parent.parent
SHARED = REPOSITORY.parent / "shared"


def pytest_configure(config: pytest.Config) -> None:
    """What tests start from, on every machine and however they were started.

    One thread for torch: results do not depend on the machine, and small tensors are faster without a pool. Signals as
    on a terminal: in the background of a script SIGINT is ignored, and in every process that tests start it would be.
    """
    del config
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    if signal.getsignal(signal.SIGTERM) is signal.SIG_IGN:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT, signal.SIGTERM})
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
