"""What a teacher costs: time of a training step and memory of its activations, beside the same step without one.

    python benchmarks/teacher_cost.py [--threads 1] [--rounds 8] [--json FILE]

The student is hpcm-nano (8 crops of 128x128); teachers are the packaged hpcm-nano and an untrained hpcm-small, whose
weights make no difference to time. Steps alternate, and medians are printed: other load then falls on all of them.
"""

from __future__ import annotations

import argparse
import json
import statistics
import tempfile
import time
from pathlib import Path

import torch

from hpcmbal.core.model import HPCM
from hpcmbal.data import BatchPlan
from hpcmbal.data.loader import StepBatches
from hpcmbal.model_files.store import save_model
from hpcmbal.settings import TrainSettings, load_train_settings
from hpcmbal.training.distributed import World
from hpcmbal.training.run_plan import augmentation, open_data
from hpcmbal.training.state import build_state
from hpcmbal.training.stepper import Stepper

CPU = torch.device("cpu")


class KeptBytes:
    """Counts the bytes of distinct storages that autograd keeps for the backward pass."""

    def __init__(self) -> None:
        self.seen: dict[int, int] = {}

    def pack(self, tensor: torch.Tensor) -> torch.Tensor:
        """Note a tensor that is kept."""
        storage = tensor.untyped_storage()
        self.seen[storage.data_ptr()] = storage.nbytes()
        return tensor


def settings_with(teacher: str | None) -> TrainSettings:
    """The training that is measured."""
    overrides: dict[str, object] = {"finetune.init_from": "hpcm-nano", "training.max_steps": 1000}
    if teacher is not None:
        overrides["finetune.teacher"] = teacher
    return load_train_settings("finetune-nano", overrides)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--rounds", type=int, default=8)
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    with tempfile.TemporaryDirectory() as folder:
        small = Path(folder) / "small.safetensors"
        save_model(small, "hpcm-small", HPCM("hpcm-small").state_dict())
        teachers = {"none": None, "hpcm-nano": "hpcm-nano", "hpcm-small": str(small)}
        steppers = {}
        for name, teacher in teachers.items():
            settings = settings_with(teacher)
            steppers[name] = Stepper(build_state(settings, CPU), settings, World(), CPU, 1000)
    images, _ = open_data(settings.data)
    batch = StepBatches(images, BatchPlan(len(images), settings.data.batch_size), augmentation(settings))[0]
    kept = {}
    for name, stepper in steppers.items():
        counter = KeptBytes()
        with torch.autograd.graph.saved_tensors_hooks(counter.pack, lambda tensor: tensor):
            stepper.step([batch])
        kept[name] = sum(counter.seen.values())
    seconds: dict[str, list[float]] = {name: [] for name in steppers}
    for _ in range(arguments.rounds):
        for name, stepper in steppers.items():
            start = time.perf_counter()
            stepper.step([batch])
            seconds[name].append(time.perf_counter() - start)
    rows = {
        name: {
            "seconds": statistics.median(values),
            "time": statistics.median(a / b for a, b in zip(values, seconds["none"], strict=True)),
            "kept_mebibytes": kept[name] / 2**20,
            "kept": kept[name] / kept["none"],
        }
        for name, values in seconds.items()
    }
    for name, row in rows.items():
        print(
            f"teacher {name:10s}  {row['seconds']:.3f} s a step ({row['time']:.2f})  kept for the backward pass "
            f"{row['kept_mebibytes']:.1f} MiB ({row['kept']:.3f})"
        )
    if arguments.json is not None:
        report = {
            "threads": arguments.threads,
            "rounds": arguments.rounds,
            "torch": torch.__version__,
            "teachers": rows,
        }
        arguments.json.write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
