"""Steps per second of a study: two runs at once with one thread each, against one after another with two threads.

    python benchmarks/study_throughput.py [--steps 150] [--cpus 2] [--precision bfloat16] [--output FILE]

The runs are those of `hpcmbal ablate gamma` with one seed and two arms, each way in a fresh folder, starts of processes
and evaluations included. Needs an otherwise idle machine; on Linux it binds itself to `--cpus` processors.
"""

from __future__ import annotations

import argparse
import json
import os
import tempfile
import time
from pathlib import Path

from hpcmbal.ablation.plan.plan import plan_study
from hpcmbal.ablation.plan.study_file import read_study, study_path
from hpcmbal.ablation.run.storage import LocalStorage
from hpcmbal.ablation.run.study_runner import run_study, take_inventory
from hpcmbal.engines.local import LocalEngine


def steps_per_second(jobs: int, cpus: int, steps: int, precision: str) -> float:
    """Do the study with `jobs` runs at once, which share `cpus` threads."""
    study = read_study(study_path("gamma"), {"seeds": "1", "max_steps": steps})
    settings = {**study.settings, "training.precision": precision}
    study = study.model_copy(update={"reference": None, "settings": settings})
    arms = dict(list(study.arms.items())[:cpus])
    plan = plan_study(study.model_copy(update={"arms": arms}))
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        start = time.perf_counter()
        run_study(take_inventory(plan, folder), LocalStorage(folder), folder, LocalEngine(jobs, cpus // jobs))
        return len(plan.runs) * steps / (time.perf_counter() - start)


def main() -> None:
    """Measure both ways and print their ratio."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--steps", type=int, default=150)
    parser.add_argument("--cpus", type=int, default=2)
    parser.add_argument("--precision", default="float32")
    parser.add_argument("--output", type=Path)
    options = parser.parse_args()
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, set(sorted(os.sched_getaffinity(0))[: options.cpus]))
    result = {
        f"{jobs} at once, {options.cpus // jobs} threads each": steps_per_second(
            jobs, options.cpus, options.steps, options.precision
        )
        for jobs in (1, options.cpus)
    }
    alone, together = result.values()
    report = {
        "steps": options.steps,
        "precision": options.precision,
        "steps_per_second": result,
        "ratio": together / alone,
    }
    print(json.dumps(report, indent=1))
    if options.output is not None:
        options.output.write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
