"""How many threads a task may use."""

from __future__ import annotations

import os

VARIABLES = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")


def use_threads(count: int) -> None:
    """Give this process, and those that it starts, `count` threads for computing."""
    for variable in VARIABLES:
        os.environ[variable] = str(count)
    import torch

    torch.set_num_threads(count)


def available_cpus() -> int:
    """Processors that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
