"""What balancing costs: training steps of hierarchical-nano beside those of standard-nano, alternating in one process.

    python benchmarks/balancing_cost.py [--threads 2] [--rounds 12] [--output FILE]

Each round does eight steps (one period of the default update) of every arm on the same batches; the ratio of an arm to
standard is taken round by round and the median is printed. Network, data and optimiser are the same. Peak memory is
that of a process of its own for each arm, which does two rounds.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import resource
import statistics
import subprocess
import sys
import time
from pathlib import Path

import torch

from hpcmbal.data import Batch, BatchPlan
from hpcmbal.data.loader import StepBatches
from hpcmbal.settings import load_train_settings
from hpcmbal.training.distributed import World
from hpcmbal.training.run_plan import augmentation, open_data
from hpcmbal.training.state import build_state
from hpcmbal.training.stepper import Stepper

ARMS: dict[str, tuple[str, dict[str, object]]] = {
    "standard": ("standard-nano", {}),
    "hierarchical, update_every 8": ("hierarchical-nano", {}),
    "hierarchical, update_every 1": ("hierarchical-nano", {"balancing.update_every": 1}),
    "qp, two tasks": (
        "standard-nano",
        {"loss.tasks": "two", "balancing.name": "qp", "balancing.preserve_lambda": False},
    ),
    "qp, five tasks": ("standard-nano", {"loss.tasks": "five", "balancing.name": "qp"}),
    "torchjd UPGrad, five tasks": ("standard-nano", {"loss.tasks": "five", "balancing.name": "torchjd"}),
}
if importlib.util.find_spec("torchjd") is None:
    del ARMS["torchjd UPGrad, five tasks"]
STEPS_PER_ROUND = 8


def build(preset: str, overrides: dict[str, object]) -> tuple[Stepper, list[Batch]]:
    """A fresh training of `preset` and a round's batches of bundled photographs."""
    settings = load_train_settings(preset, overrides)
    images, _ = open_data(settings.data)
    batches = StepBatches(images, BatchPlan(len(images), settings.data.batch_size), augmentation(settings))
    device = torch.device("cpu")
    stepper = Stepper(build_state(settings, device), settings, World(), device, 10_000)
    return stepper, [batches[step] for step in range(STEPS_PER_ROUND)]


def round_seconds(stepper: Stepper, batches: list[Batch]) -> float:
    """Time of one round."""
    start = time.perf_counter()
    for batch in batches:
        stepper.step([batch])
    return time.perf_counter() - start


def print_peak_memory(arm: str) -> None:
    """Two rounds of one arm, then the peak resident memory of this process, in bytes."""
    stepper, batches = build(*ARMS[arm])
    for _ in range(2):
        round_seconds(stepper, batches)
    print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024)


def peak_memory(arm: str, threads: int) -> int:
    """Peak resident memory of a fresh process that trains `arm`, in bytes."""
    command = [sys.executable, "-W", "ignore", __file__, "--threads", str(threads), "--memory-of", arm]
    return int(subprocess.run(command, capture_output=True, text=True, check=True).stdout)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=12)
    parser.add_argument("--output", type=Path, help="write the numbers as JSON")
    parser.add_argument("--memory-of", choices=ARMS, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    if arguments.memory_of:
        print_peak_memory(arguments.memory_of)
        return
    memory = {name: peak_memory(name, arguments.threads) for name in ARMS}
    arms = {name: build(*recipe) for name, recipe in ARMS.items()}
    for arm in arms.values():
        round_seconds(*arm)
    rounds = [{name: round_seconds(*arm) for name, arm in arms.items()} for _ in range(arguments.rounds)]
    report = {
        name: {
            "step_seconds": statistics.median(times[name] for times in rounds) / STEPS_PER_ROUND,
            "ratio_to_standard": statistics.median(times[name] / times["standard"] for times in rounds),
            "peak_memory_bytes": memory[name],
            "memory_ratio_to_standard": memory[name] / memory["standard"],
        }
        for name in arms
    }
    for name, values in report.items():
        print(
            f"{name:32} {values['step_seconds']:.4f} s a step, {values['ratio_to_standard']:.3f} times standard;   "
            f"peak memory {values['peak_memory_bytes'] / 2**20:.0f} MiB, "
            f"{values['memory_ratio_to_standard']:.3f} times standard"
        )
    if arguments.output:
        arguments.output.write_text(json.dumps({"threads": arguments.threads, **report}, indent=2))


if __name__ == "__main__":
    main()
