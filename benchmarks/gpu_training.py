"""Steps a second and memory of trainings on a CUDA device, as the table of docs/gpu.md.

    python benchmarks/gpu_training.py [--write docs/gpu.md]

For every network of `CASES`, with balancing as in `hierarchical`: bfloat16 and float32, eager and compiled. Each case
runs in a process of its own; `STEPS` steps after as many to warm up, on random crops that lie ready in page-locked
memory, so that no decoding is measured. Between the markers of the page given with --write, the table replaces the
last one.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
from pathlib import Path

import torch

from hpcmbal.data import Batch
from hpcmbal.settings import load_train_settings
from hpcmbal.training.distributed import World
from hpcmbal.training.state import build_state
from hpcmbal.training.stepper import Stepper

CASES = {"hpcm-nano": (128, 32), "hpcm-small": (256, 16), "hpcm-base": (256, 16)}
"""Side of the crops and batch size."""
VARIANTS = {
    "bfloat16": {"training.precision": "bfloat16"},
    "float32": {"training.precision": "float32"},
    "bfloat16, compiled": {"training.precision": "bfloat16", "training.compile": True},
}
STEPS = 30
BEGIN, END = "<!-- measured: begin -->", "<!-- measured: end -->"


def measure(model: str, variant: str) -> dict[str, float]:
    """Steps a second, and the peak memory of the device in GiB, of one case in this process."""
    side, size = CASES[model]
    overrides = {"model.name": model, "data.batch_size": size, "data.patch_size": side, **VARIANTS[variant]}
    settings = load_train_settings("hierarchical", overrides)
    device = torch.device("cuda")
    stepper = Stepper(build_state(settings, device), settings, World(), device, 10_000)
    images = torch.rand(size, 3, side, side).pin_memory()
    batches = [
        Batch(images, torch.arange(size), epoch=0, step=step, sample_ids=list(range(step * size, (step + 1) * size)))
        for step in range(STEPS)
    ]
    seconds = 0.0
    for _ in range(2):
        torch.cuda.synchronize()
        began = time.perf_counter()
        for batch in batches:
            stepper.step([batch])
        torch.cuda.synchronize()
        seconds = time.perf_counter() - began
    stepper.check()
    return {"steps_per_second": STEPS / seconds, "gibibytes": torch.cuda.max_memory_allocated() / 2**30}


def table() -> str:
    """The table, in Markdown, with the device and the version of torch that it was measured with."""
    rows = []
    for model, (side, size) in CASES.items():
        for variant in VARIANTS:
            command = [sys.executable, __file__, "--case", model, variant]
            done = subprocess.run(command, capture_output=True, text=True, check=False)
            if done.returncode:
                last = (done.stderr.strip().splitlines() or ["no message"])[-1]
                rows.append(f"| `{model}` | {size} of {side}x{side} | {variant} | failed: {last[:60]} | |")
                continue
            found = json.loads(done.stdout.splitlines()[-1])
            cells = f"{found['steps_per_second']:.2f} | {found['gibibytes']:.2f} GiB"
            rows.append(f"| `{model}` | {size} of {side}x{side} | {variant} | {cells} |")
    head = f"{torch.cuda.get_device_name()}, torch {torch.__version__}, {time.strftime('%Y-%m-%d')}:"
    titles = "| network | crops | arithmetic | steps/s | peak memory |\n|---|---|---|---:|---:|"
    return "\n".join([head, "", titles, *rows])


def main() -> None:
    """Measure one case, or all of them in processes of their own."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--case", nargs=2, metavar=("MODEL", "VARIANT"))
    parser.add_argument("--write", type=Path, metavar="PAGE")
    arguments = parser.parse_args()
    if not torch.cuda.is_available():
        parser.error("needs a CUDA device")
    if arguments.case:
        print(json.dumps(measure(*arguments.case)))
        return
    found = table()
    print(found)
    if arguments.write:
        before, rest = arguments.write.read_text(encoding="utf-8").split(BEGIN)
        page = f"{before}{BEGIN}\n{found}\n{END}{rest.split(END)[1]}"
        arguments.write.write_text(page, encoding="utf-8")


if __name__ == "__main__":
    main()
