"""Files per second of `compress` and samples per second of `eval` on Ray, with 1 and 2 workers, and without Ray.

    python benchmarks/ray_scaling.py MODEL IMAGES [--limit 24] [--repeats 3] [--quality 50] [--output FILE]

Each worker has one CPU and one thread. "Without Ray" is the same work, one thread, in this process. A Ray of this
machine is started for each measurement, does everything once (processes start, models are loaded) and is timed doing it
again; the starts are a column of their own. Rounds alternate and medians are printed, so that other load falls on all
columns; for numbers that mean something, the machine has to be idle all the same. Linux only: CPUs are taken away with
`sched_setaffinity`.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import tempfile
import time
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any

# Before Ray is imported: its workers are to be as important as the process without Ray.
os.environ.update(RAY_worker_niceness="0", OMP_NUM_THREADS="1")

import torch

from hpcmbal.codec.files.batch import Watcher, run_batch, run_batch_on
from hpcmbal.codec.files.compress import Compression
from hpcmbal.codec.files.job import Job
from hpcmbal.codec.files.plan import Plan
from hpcmbal.engines.ray_engine import RayEngine
from hpcmbal.evaluation.codecs.model_codec import ModelCodec, ModelPoint
from hpcmbal.evaluation.evaluation_images import EvaluationImages
from hpcmbal.evaluation.runner import Runner
from hpcmbal.evaluation.sample_store import SampleStore
from hpcmbal.settings.coding import CompressSettings

ALL_CPUS = sorted(os.sched_getaffinity(0))
WITHOUT_RAY = 0


def compress_all(engine: Any, images: EvaluationImages, model: Path, quality: float) -> int:
    """Compress every image once; the number of files."""
    work = Compression(CompressSettings(inputs=tuple(images.paths), model=str(model), quality=quality), "cpu")
    with tempfile.TemporaryDirectory() as folder:
        plan = Plan(tuple(Job(path, Path(folder) / f"{number}.hpcm") for number, path in enumerate(images.paths)))
        if engine is None:
            batch = run_batch(plan, work, Watcher(), workers=1, force=False)
        else:
            batch = run_batch_on(engine, plan, work, Watcher(), force=False)
    if batch.failed:
        raise batch.failed[0].error or AssertionError
    return len(plan.jobs)


def evaluate_all(engine: Any, images: EvaluationImages, model: Path, quality: float) -> int:
    """Code every image there and back and measure it; the number of samples."""
    codec = ModelCodec("model", [ModelPoint(model, quality)])
    with tempfile.TemporaryDirectory() as folder:
        store = SampleStore(Path(folder) / "samples.jsonl")
        with Runner(images, store, engine=engine) as runner:
            runner.evaluate(codec)
        return len(store)


TASKS: dict[str, Callable[..., int]] = {"compress": compress_all, "eval": evaluate_all}


def measure(workers: int, images: EvaluationImages, model: Path, quality: float) -> dict[str, float]:
    """Things done per second, by task, and the seconds that the start took."""
    os.sched_setaffinity(0, set(ALL_CPUS[: max(1, workers)]))
    engine: AbstractContextManager[Any] = RayEngine(None) if workers else nullcontext()
    begin = time.perf_counter()
    with engine as connected:
        speeds = {"start_seconds": time.perf_counter() - begin}
        for name, task in TASKS.items():
            task(connected, images, model, quality)
            start = time.perf_counter()
            done = task(connected, images, model, quality)
            speeds[name] = done / (time.perf_counter() - start)
    return speeds


def main() -> None:
    """Measure in rounds and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", type=Path, help="a model file, checkpoint or run, of variable rate")
    parser.add_argument("images", type=Path, help="folder of images")
    parser.add_argument("--limit", type=int, default=24, help="only the first images")
    parser.add_argument("--quality", type=float, default=50)
    parser.add_argument("--workers", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--output", type=Path, help="write the numbers as JSON")
    options = parser.parse_args()
    if max(options.workers) > len(ALL_CPUS):
        parser.error(f"--workers {max(options.workers)}: this process may use {len(ALL_CPUS)} CPUs only")
    torch.set_num_threads(1)
    model, images = options.model.absolute(), EvaluationImages.from_folder(options.images.absolute(), options.limit)
    columns = [WITHOUT_RAY, *options.workers]
    rounds = [
        {workers: measure(workers, images, model, options.quality) for workers in columns}
        for _ in range(options.repeats)
    ]
    table = {
        workers: {name: statistics.median(each[workers][name] for each in rounds) for name in rounds[0][workers]}
        for workers in columns
    }
    print(f"{len(images.paths)} images, {options.repeats} rounds, medians\n")
    print(f"{'':16}{'start s':>9}" + "".join(f"{name + ' /s':>14}{'ratio':>8}" for name in TASKS))
    one = table[options.workers[0]]
    for workers, row in table.items():
        label = f"Ray, {workers} worker{'s' * (workers > 1)}" if workers else "without Ray"
        cells = "".join(f"{row[name]:14.3f}{row[name] / one[name]:8.2f}" for name in TASKS)
        print(f"{label:16}{row['start_seconds']:9.1f}{cells}")
    if options.output:
        report = {"images": len(images.paths), "quality": options.quality, "rounds": rounds, "median": table}
        options.output.write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
