"""A study on a Ray cluster of two nodes, one of which is killed in the middle."""

from __future__ import annotations

import dataclasses
import itertools
import json
import threading
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from skimage.data import chelsea

from hpcmbal.ablation.plan.plan import Plan, plan_study
from hpcmbal.ablation.plan.study import build_study
from hpcmbal.ablation.run.fsspec_storage import FsspecStorage
from hpcmbal.ablation.run.records import RunRecord
from hpcmbal.ablation.run.storage import LocalStorage
from hpcmbal.ablation.run.study_runner import run_study, take_inventory
from hpcmbal.engines.local import LocalEngine

pytestmark = pytest.mark.slow

STEPS = 24


@pytest.fixture
def plan(tmp_path: Path) -> Plan:
    """Two arms, three seeds; runs of a few seconds that save often."""
    photos = tmp_path / "photos"
    photos.mkdir()
    for number in range(3):
        crop = np.ascontiguousarray(chelsea()[number * 40 : number * 40 + 128, 100:228])
        Image.fromarray(crop).save(photos / f"{number}.png")
    values = {
        "name": "two-nodes",
        "base_preset": "hierarchical-nano",
        "arms": {"weak": {"balancing.gamma_s1": 0.01}, "strong": {"balancing.gamma_s1": 0.1}},
        "seeds": 3,
        "max_steps": STEPS,
        "train_data": str(photos),
        "eval_data": str(photos),
        "settings": {
            "data.batch_size": 1,
            "data.patch_size": 64,
            "output.save_freq": 4,
            "output.keep": 2,
            "output.log_every": 1,
            "output.validate_every": 1000,
            "training.device": "cpu",
        },
    }
    return plan_study(build_study(values))


def test_a_node_dies_and_no_run_is_lost_or_counted_twice(cluster: Any, plan: Plan, tmp_path: Path) -> None:
    from hpcmbal.engines.ray_engine import RayEngine

    place = tmp_path / "bucket"
    storage = FsspecStorage(f"file://{place}", sync_seconds=0.1)
    victim, killed = cluster.nodes[1], []
    over = threading.Event()
    watcher = threading.Thread(target=kill_in_the_middle, args=(victim, place, plan, killed, over), daemon=True)
    watcher.start()
    ended: list[tuple[str, float, int]] = []
    with storage.study_folder() as folder, RayEngine(cluster.address) as engine:
        records = run_study(
            take_inventory(plan, folder),
            storage,
            engine,
            lambda run, records: ended.append((run.arm, run.lmbda, run.seed)),
        )
    over.set()
    watcher.join()
    assert killed, "the study was over before a node could be killed"

    assert Counter(ended) == Counter((run.arm, run.lmbda, run.seed) for run in plan.runs)
    assert [record.status for record in records] == ["done"] * len(plan.runs)
    for record in records:
        assert logged_steps(place / record.folder) == list(range(STEPS + 1))
    assert went_on(place / killed[0]), "the run of the dead node began anew, although its checkpoint was there"
    assert not list(place.rglob("*.partial"))

    alone = tmp_path / "alone"
    local = run_study(take_inventory(plan, alone), LocalStorage(alone), LocalEngine(1, threads=1))
    assert [without_time(record) for record in records] == [without_time(record) for record in local]


def kill_in_the_middle(victim: Any, place: Path, plan: Plan, killed: list[str], over: threading.Event) -> None:
    """Kill the node as soon as a checkpoint of the run that it is doing is at the study's place."""
    while not over.wait(0.02):
        for run in plan.runs:
            name = str(run.folder)
            here = any(victim.temporary.glob(f"hpcmbal-{name.replace('/', '-')}-*"))
            if here and any((place / name / "checkpoints").glob("step-*/manifest.json")):
                victim.kill()
                if not (place / name / "record.json").exists():
                    killed.append(name)
                return


def log_lines(run: Path) -> list[dict[str, Any]]:
    text = (run / "logs" / "metrics.jsonl").read_text(encoding="utf-8")
    return [json.loads(line) for line in text.splitlines()]


def logged_steps(run: Path) -> list[int]:
    """Steps of the log; validations have lines of their own."""
    return sorted({line["step"] for line in log_lines(run)})


def went_on(run: Path) -> bool:
    """Whether the log was continued by another process, whose clock began at zero, with steps before that kept."""
    lines = [line for line in log_lines(run) if "train/j" in line]
    times = [line["time/seconds"] for line in lines]
    return any(later < earlier for earlier, later in itertools.pairwise(times))


def without_time(record: RunRecord) -> RunRecord:
    return dataclasses.replace(record, seconds_per_step=None)
