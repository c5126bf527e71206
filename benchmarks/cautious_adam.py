"""Time of a CautiousAdam step beside torch's Adam, on the parameters of hpcm-base.

    OMP_NUM_THREADS=1 python benchmarks/cautious_adam.py
    OMP_NUM_THREADS=2 OMP_WAIT_POLICY=passive python benchmarks/cautious_adam.py

Both optimisers hold parameters of their own with the same gradients and take turns, so that a busy machine slows both
alike. Wall-clock time is what users feel; CPU time is steadier where other programs run (waiting threads must sleep for
it to mean anything, hence the policy). The target is a ratio of at most 1.15.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable

import torch
from torch import nn

from hpcmbal.core.model import HPCM, get_variant
from hpcmbal.core.optim import CautiousAdam

TARGET = 1.15


def parameters_of(name: str, device: str) -> list[nn.Parameter]:
    """Parameters of the variant's shapes with random values and gradients."""
    with torch.device("meta"):
        shapes = [parameter.shape for parameter in HPCM(get_variant(name)).parameters()]
    torch.manual_seed(0)
    parameters = [nn.Parameter(torch.randn(shape, device=device)) for shape in shapes]
    for parameter in parameters:
        parameter.grad = torch.randn_like(parameter)
    return parameters


def timed(step: Callable[[], object], device: str) -> tuple[float, float]:
    """Wall-clock and CPU seconds of one step, the device's work included."""
    if device.startswith("cuda"):
        torch.cuda.synchronize()
    start, cpu_start = time.perf_counter(), time.process_time()
    step()
    if device.startswith("cuda"):
        torch.cuda.synchronize()
    return time.perf_counter() - start, time.process_time() - cpu_start


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--model-name", default="hpcm-base")
    parser.add_argument("--steps", type=int, default=15, help="steps of each, after three that are not counted")
    parser.add_argument("--device", default="cpu")
    arguments = parser.parse_args()
    optimizers = {
        "Adam(foreach=True)": torch.optim.Adam(parameters_of(arguments.model_name, arguments.device), foreach=True),
        "CautiousAdam": CautiousAdam(parameters_of(arguments.model_name, arguments.device)),
    }
    times: dict[str, list[tuple[float, float]]] = {name: [] for name in optimizers}
    for step in range(arguments.steps + 3):
        for name, optimizer in optimizers.items():
            duration = timed(optimizer.step, arguments.device)
            if step >= 3:
                times[name].append(duration)
    count = sum(p.numel() for group in optimizers["CautiousAdam"].param_groups for p in group["params"])
    print(f"{arguments.model_name}, {count:,} parameters, {arguments.device}, {torch.get_num_threads()} threads")
    for name, pairs in times.items():
        wall, cpu = (1e3 * statistics.median(column) for column in zip(*pairs, strict=True))
        print(f"{name:20s} {wall:8.1f} ms wall {cpu:8.1f} ms CPU (medians of {arguments.steps} steps)")
    for index, kind in enumerate(("wall", "CPU")):
        turns = zip(times["CautiousAdam"], times["Adam(foreach=True)"], strict=True)
        ratio = statistics.median(ours[index] / theirs[index] for ours, theirs in turns)
        print(f"ratio of {kind} time {ratio:.3f} (median of the turns; target at most {TARGET})")


if __name__ == "__main__":
    main()
