"""Training steps beside the machine's matrix-multiplication speed, in one process and at one number of threads.

    python benchmarks/training_speed.py [--threads 2] [--json]

Prints, for hpcm-nano (128x128 crops, batch 8) and hpcm-base (256x256, batch 1), the time of a training step (forward,
backward, Adam), the time that its multiply-accumulates take at the measured speed of a 1024x1024 float32 matrix
product,
and their ratio. Measurements alternate, and the median is printed: other load then falls on both sides of the ratio.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from collections.abc import Callable
from pathlib import Path

import torch

from hpcmbal.core.model import get_variant
from hpcmbal.core.model.complexity import complexity
from hpcmbal.data import Batch, BatchPlan
from hpcmbal.data.loader import StepBatches
from hpcmbal.settings import TrainSettings
from hpcmbal.training.distributed import World
from hpcmbal.training.run_plan import augmentation, open_data
from hpcmbal.training.state import build_state
from hpcmbal.training.stepper import Stepper

CASES = {"hpcm-nano": (128, 8), "hpcm-base": (256, 1)}
BACKWARD_FACTOR = 3
"""A step does the forward multiply-accumulates three times: forward, gradient of inputs, gradient of weights."""
MATRIX_SIDE = 1024


def matrix_seconds_per_mac() -> float:
    """Seconds per multiply-accumulate of a large matrix product."""
    a, b = torch.randn(2, MATRIX_SIDE, MATRIX_SIDE)
    a @ b
    start = time.perf_counter()
    for _ in range(5):
        a @ b
    return (time.perf_counter() - start) / 5 / MATRIX_SIDE**3


def training_step(name: str) -> Callable[[], object]:
    """One optimiser step of a fresh model on crops of the bundled photographs."""
    side, batch_size = CASES[name]
    settings = TrainSettings.model_validate(
        {
            "model": {"name": name},
            "data": {"patch_size": side, "batch_size": batch_size},
            "training": {"max_steps": 1000, "device": "cpu"},
        }
    )
    images, _ = open_data(settings.data)
    batch: Batch = StepBatches(images, BatchPlan(len(images), batch_size), augmentation(settings))[0]
    stepper = Stepper(build_state(settings, torch.device("cpu")), settings, World(), torch.device("cpu"), 1000)
    return lambda: stepper.step([batch])


def measure(name: str, repeats: int) -> dict[str, float]:
    """Medians over alternating measurements."""
    side, batch_size = CASES[name]
    step = training_step(name)
    step()
    ratios, seconds, speeds = [], [], []
    macs = BACKWARD_FACTOR * complexity(get_variant(name)).forward_macs_per_pixel * side**2 * batch_size
    for _ in range(repeats):
        per_mac = matrix_seconds_per_mac()
        start = time.perf_counter()
        step()
        elapsed = time.perf_counter() - start
        seconds.append(elapsed)
        speeds.append(1e-9 / per_mac)
        ratios.append(elapsed / (macs * per_mac))
    return {
        "step_seconds": statistics.median(seconds),
        "steps_per_second": 1 / statistics.median(seconds),
        "gigamacs_per_step": macs / 1e9,
        "matrix_gigamacs_per_second": statistics.median(speeds),
        "time_over_matrix_time": statistics.median(ratios),
        "share_of_matrix_speed": 1 / statistics.median(ratios),
    }


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--repeats", type=int, default=15)
    parser.add_argument("--output", type=Path, help="write the numbers as JSON")
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    results = {name: measure(name, arguments.repeats) for name in CASES}
    for name, result in results.items():
        print(f"{name}, {arguments.threads} threads")
        for key, value in result.items():
            print(f"  {key:28} {value:8.3f}")
    if arguments.output:
        arguments.output.write_text(
            json.dumps({"threads": arguments.threads, "torch": torch.__version__} | results, indent=2)
        )


if __name__ == "__main__":
    main()
