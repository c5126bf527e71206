"""The report of a study: one file that loads nothing, says the verdict first, and shows only figures with content."""

from __future__ import annotations

import dataclasses
import json
import math
import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from hpcmbal.ablation.analysis.comparison import compare_arms
from hpcmbal.ablation.report.study_figures import draw_study_figures
from hpcmbal.ablation.report.study_logs import j_difference, read_study_logs
from hpcmbal.ablation.report.study_report import write_study_report
from hpcmbal.ablation.run.records import RunRecord

Study = Callable[..., list[RunRecord]]

STUDY = {
    "name": "toy",
    "question": "Is <b>bold</b> better?",
    "base_preset": "nano",
    "reference": "plain",
    "arms": {"plain": {"balancing.name": "none"}, "a": {"balancing.name": "linear"}},
    "train_data": "/home/somebody/photos/train",
    "notes": ["Small: 100 steps."],
}


def write_log(folder: Path, record: RunRecord, *, factor: float = 1.0, balanced: bool = False) -> None:
    """J falls in the same way for every arm, times `factor`; batches are hard or easy by seed alone."""
    logs = folder / record.folder / "logs"
    logs.mkdir(parents=True)
    rng = np.random.default_rng(record.seed)
    lines = []
    for step in range(10, 101, 10):
        line = {"step": step, "train/j": factor * math.exp(rng.normal(0, 1) - step / 50)}
        if balanced:
            line |= {f"effective_weights/s{i}_bpp": 1 + rng.uniform() for i in (1, 2)}
            line |= {f"gamma/s{i}": 0.006 for i in (1, 2, 3)}
        lines.append(json.dumps(line))
    (logs / "metrics.jsonl").write_text("\n".join(lines) + "\n", encoding="utf-8")


@pytest.fixture
def records(study: Study) -> list[RunRecord]:
    return study(np.random.default_rng(0), {"plain": 0.0, "a": -0.1}, seeds=3, lambdas=[0.01])


@pytest.mark.slow
def test_the_report_answers_first_and_loads_nothing(records: list[RunRecord], tmp_path: Path) -> None:
    for record in records:
        write_log(tmp_path, record, balanced=record.arm == "a")
    paths = write_study_report(compare_arms(records, ["plain", "a"], "plain"), STUDY, tmp_path)
    page = (tmp_path / "report.html").read_text(encoding="utf-8")
    addresses = re.findall(r"""(?:src|href)\s*=\s*["']([^"']*)""", page)
    assert len(addresses) == 5
    assert all(address.startswith("data:") for address in addresses)
    assert "@@" not in page
    assert page.index("Is &lt;b&gt;bold") < page.index("a is better than plain") < page.index("<img")
    assert "Small: 100 steps." in page
    assert "photos/train" in page
    assert "somebody" not in page
    assert {path.relative_to(tmp_path).as_posix() for path in paths} == {
        "report.html",
        *(f"figures/{n}.{s}" for n in ("differences", "rd", "j", "j-difference", "weights") for s in ("png", "svg")),
    }
    assert all(path.stat().st_size > 1000 for path in paths)


@pytest.mark.slow
def test_without_logs_there_are_results_still(records: list[RunRecord], tmp_path: Path) -> None:
    paths = write_study_report(compare_arms(records, ["plain", "a"], "plain"), STUDY, tmp_path)
    assert {path.stem for path in paths} == {"differences", "rd", "report"}
    assert "The runs left no logs." in paths[-1].read_text(encoding="utf-8")


def test_a_study_whose_runs_all_failed_has_a_report(records: list[RunRecord], tmp_path: Path) -> None:
    failed = [dataclasses.replace(r, status="failed", reason="<killed>", samples=()) for r in records]
    (path,) = write_study_report(compare_arms(failed, ["plain", "a"], "plain"), STUDY, tmp_path)
    page = path.read_text(encoding="utf-8")
    assert "a cannot be compared with plain: no pair of runs has results." in page
    assert page.count("&lt;killed&gt;") == 6


def test_traces_that_differ_between_arms_are_shown(records: list[RunRecord], tmp_path: Path) -> None:
    """A gamma that never moves is no content, but one that differs between arms is."""
    for record in records:
        write_log(tmp_path, record, balanced=True)
    log = tmp_path / records[-1].folder / "logs" / "metrics.jsonl"
    log.write_text(log.read_text(encoding="utf-8").replace("0.006", "0.008"), encoding="utf-8")
    comparison = compare_arms(records, ["plain", "a"], "plain")
    assert "gammas" in draw_study_figures(comparison, read_study_logs(comparison, tmp_path))


def test_what_batches_do_to_both_arms_is_not_in_the_difference(records: list[RunRecord], tmp_path: Path) -> None:
    for record in records:
        write_log(tmp_path, record, factor=0.9 if record.arm == "a" else 1.0)
    logs = read_study_logs(compare_arms(records, ["plain", "a"], "plain"), tmp_path)
    curves = j_difference(logs, "a", "plain")
    assert len(curves) == 3
    for steps, values in curves:
        assert steps == list(range(10, 101, 10))
        assert values == pytest.approx([-10.0] * 10)


def test_logs_of_failed_runs_stay_out(records: list[RunRecord], tmp_path: Path) -> None:
    for record in records:
        write_log(tmp_path, record)
    broken = [dataclasses.replace(records[0], status="failed", reason="x", samples=()), *records[1:]]
    logs = read_study_logs(compare_arms(broken, ["plain", "a"], "plain"), tmp_path)
    assert len(logs) == 5
    assert (records[0].arm, 0.01, records[0].seed) not in logs


def test_along_the_line_of_equal_j_rate_is_exchanged_at_the_reference_s_lambda(study: Study) -> None:
    """Images of very different error: PSNR of the mean error is not the mean PSNR, and the line must hold still."""
    records = study(np.random.default_rng(0), {"plain": 0.0, "a": 0.0}, seeds=1, lambdas=[0.01], images=5)
    plain = next(record for record in records if record.arm == "plain")
    (axes,) = draw_study_figures(compare_arms(records, ["plain", "a"], "plain"), {})["rd"].axes
    line = next(line for line in axes.get_lines() if line.get_label() == "equal J")
    for bpp, psnr_db in zip(*line.get_data(), strict=True):
        factor = 10 ** (-(psnr_db - plain.psnr_db) / 10)
        distortion = sum(0.01 * 255**2 * sample.mse * factor for sample in plain.samples) / 5
        assert bpp + distortion == pytest.approx(plain.j)


@pytest.mark.slow
def test_a_study_with_horizons_shows_its_learning_curves(study: Study, tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    records = [
        dataclasses.replace(
            record, horizon=horizon, steps=horizon * 11 // 10, folder=f"runs/{record.arm}/all-rates/seed-{record.seed}"
        )
        for horizon in (100, 1000)
        for record in study(rng, {"plain": 0.0, "a": -0.1}, seeds=2, lambdas=[0.0035, 0.0067, 0.013, 0.025])
    ]
    for record in {record.folder: record for record in records}.values():
        write_log(tmp_path, record)
    comparison = compare_arms(records, ["plain", "a"], "plain")
    paths = write_study_report(comparison, {**STUDY, "horizons": [100, 1000]}, tmp_path)
    assert {"over-steps", "j"} <= {path.stem for path in paths}
    page = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert comparison.over_steps[0].sentence in page
    assert page.index("<h2>Over steps") < page.index("<h2>Differences")
