"""What balancing costs: training steps of hierarchical-nano beside those of standard-nano, alternating in one process.

    python benchmarks/balancing_cost.py [--threads 2] [--rounds 12] [--output FILE]

Each round does eight steps (one period of the default update) of every arm on the same batches; the ratio of an arm to
standard is taken round by round and the median is printed. Network, data and optimiser are the same.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from pathlib import Path

import torch

from hpcmbal.data import Batch, BatchPlan
from hpcmbal.data.loader import StepBatches
from hpcmbal.settings import load_run_settings
from hpcmbal.training.distributed import World
from hpcmbal.training.state import build_state
from hpcmbal.training.stepper import Stepper
from hpcmbal.training.trainer import augmentation, open_data

ARMS: dict[str, tuple[str, dict[str, object]]] = {
    "standard": ("standard-nano", {}),
    "hierarchical, update_every 8": ("hierarchical-nano", {}),
    "hierarchical, update_every 1": ("hierarchical-nano", {"balancing.update_every": 1}),
}
STEPS_PER_ROUND = 8


def build(preset: str, overrides: dict[str, object]) -> tuple[Stepper, list[Batch]]:
    """A fresh training of `preset` and a round's batches of bundled photographs."""
    settings = load_run_settings(preset, overrides)
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


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=12)
    parser.add_argument("--output", type=Path, help="write the numbers as JSON")
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    arms = {name: build(*recipe) for name, recipe in ARMS.items()}
    for arm in arms.values():
        round_seconds(*arm)
    rounds = [{name: round_seconds(*arm) for name, arm in arms.items()} for _ in range(arguments.rounds)]
    report = {
        name: {
            "step_seconds": statistics.median(times[name] for times in rounds) / STEPS_PER_ROUND,
            "ratio_to_standard": statistics.median(times[name] / times["standard"] for times in rounds),
        }
        for name in arms
    }
    for name, values in report.items():
        print(f"{name:32} {values['step_seconds']:.4f} s a step   {values['ratio_to_standard']:.3f} times standard")
    if arguments.output:
        arguments.output.write_text(json.dumps({"threads": arguments.threads, **report}, indent=2))


if __name__ == "__main__":
    main()
