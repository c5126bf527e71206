"""Doing what is left of a study: which runs are done, which are skipped, what becomes of lost ones."""

from __future__ import annotations

import dataclasses
import errno
import json
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from hpcmbal.ablation.plan.plan import Plan, plan_study
from hpcmbal.ablation.plan.study import build_study
from hpcmbal.ablation.plan.study_file import STUDY_FILE, read_study
from hpcmbal.ablation.plan.study_size import seed_note, size_notes
from hpcmbal.ablation.run.cost import Cost, forecast, kind_of, measure_costs, memory_warning
from hpcmbal.ablation.run.execution import RunStage, RunTask
from hpcmbal.ablation.run.record_file import read_records, write_records
from hpcmbal.ablation.run.records import ImageResult, RunRecord
from hpcmbal.ablation.run.run_watch import StudyWatch
from hpcmbal.ablation.run.storage import LocalStorage
from hpcmbal.ablation.run.study_lock import study_lock
from hpcmbal.ablation.run.study_runner import run_study, take_inventory
from hpcmbal.engines.engine import Lost
from hpcmbal.errors import CheckpointError, HpcmbalError, SettingsError


@pytest.fixture
def plan() -> Plan:
    """Two arms and two seeds."""
    values = {
        "name": "s",
        "base_preset": "hierarchical-nano",
        "arms": {"a": {"balancing.gamma_s1": 0.1}, "b": {"balancing.gamma_s1": 0.2}},
        "seeds": 2,
        "max_steps": 10,
    }
    return plan_study(build_study(values))


def record_of(task: RunTask, **changes: Any) -> RunRecord:
    run = task.run
    sample = ImageResult("x", 1.0, 0.1, 10.0, 1.0 + run.seed)
    record = RunRecord(run.arm, run.lmbda, run.seed, run.key, "done", None, 10, 0.1, (sample,), str(run.folder))
    return dataclasses.replace(record, **changes)


class Fake:
    """An engine that writes records without training, last task first; `outcome` may say otherwise for a run."""

    def __init__(self, outcome: Callable[[RunTask], RunRecord | Lost] = record_of) -> None:
        self.outcome = outcome
        self.done: list[str] = []

    def run(self, function: object, tasks: Sequence[Any], on_result: Callable[[int, Any], None]) -> None:
        for index, task in reversed(list(enumerate(tasks))):
            result = self.outcome(task)
            if not isinstance(result, Lost):
                write_records(task.storage.folder / task.run.folder, [result])
            self.done.append(task.run.name)
            on_result(index, result if isinstance(result, Lost) else (result,))


def finish(plan: Plan, folder: Path, engine: Fake, **options: bool) -> list[RunRecord]:
    return run_study(take_inventory(plan, folder, **options), LocalStorage(folder), engine)


def test_records_come_in_the_order_of_the_plan_whatever_the_engine_did(plan: Plan, tmp_path: Path) -> None:
    records = finish(plan, tmp_path, Fake())
    assert [(record.arm, record.seed) for record in records] == [("a", 0), ("b", 0), ("a", 1), ("b", 1)]


def test_the_study_is_kept_beside_its_runs(plan: Plan, tmp_path: Path) -> None:
    finish(plan, tmp_path, Fake())
    assert read_study(tmp_path / STUDY_FILE) == plan.study


def test_a_finished_study_runs_nothing(plan: Plan, tmp_path: Path) -> None:
    first = finish(plan, tmp_path, Fake())
    engine = Fake()
    assert finish(plan, tmp_path, engine) == first
    assert engine.done == []


def test_a_larger_study_in_the_same_folder_adds_what_is_missing(plan: Plan, tmp_path: Path) -> None:
    finish(plan, tmp_path, Fake())
    study = plan.study.model_copy(update={"seeds": (0, 1, 2)})
    engine = Fake()
    assert len(finish(plan_study(study), tmp_path, engine)) == 6
    assert sorted(engine.done) == ["a, lambda 0.013, seed 2", "b, lambda 0.013, seed 2"]


def test_a_lost_run_is_a_failed_one_and_the_others_go_on(plan: Plan, tmp_path: Path) -> None:
    def lose(task: RunTask) -> RunRecord | Lost:
        return Lost("killed twice by signal 9") if (task.run.arm, task.run.seed) == ("b", 0) else record_of(task)

    records = finish(plan, tmp_path, Fake(lose))
    assert [record.status for record in records] == ["done", "failed", "done", "done"]
    assert records[1].reason == "killed twice by signal 9"
    assert read_records(tmp_path / plan.runs[1].folder) == (records[1],)


def test_failed_runs_are_tried_again_only_when_asked(plan: Plan, tmp_path: Path) -> None:
    finish(plan, tmp_path, Fake(lambda task: record_of(task, status="failed", reason="NaN", samples=())))
    inventory = take_inventory(plan, tmp_path)
    assert (inventory.pending, inventory.count_failed) == ([], 4)
    engine = Fake()
    finish(plan, tmp_path, engine)
    assert engine.done == []
    records = finish(plan, tmp_path, engine, retry_failed=True)
    assert {record.status for record in records} == {"done"}


def test_a_record_of_other_settings_does_not_count(plan: Plan, tmp_path: Path) -> None:
    finish(plan, tmp_path, Fake())
    run = plan.runs[2]
    write_records(tmp_path / run.folder, [record_of(RunTask(LocalStorage(tmp_path), run), key="other")])
    assert take_inventory(plan, tmp_path).progress[2] is RunStage.NEW


def test_every_ended_run_is_told_once(plan: Plan, tmp_path: Path) -> None:
    told: list[tuple[str, str]] = []
    run_study(
        take_inventory(plan, tmp_path),
        LocalStorage(tmp_path),
        Fake(),
        lambda run, records: told.append((run.name, records[0].status)),
    )
    assert sorted(told) == sorted((run.name, "done") for run in plan.runs)


def test_a_run_without_a_record_at_the_end_is_named(plan: Plan, tmp_path: Path) -> None:
    class Forgetful(Fake):
        def run(self, function: object, tasks: Sequence[Any], on_result: Callable[[int, Any], None]) -> None:
            super().run(function, tasks[1:], on_result)

    with pytest.raises(HpcmbalError, match="1 runs left no record, the first is a, lambda 0.013, seed 0"):
        finish(plan, tmp_path, Forgetful())


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_that_cannot_be_written(plan: Plan, tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    with pytest.raises(CheckpointError, match="Cannot write"):
        finish(plan, tmp_path / "study", Fake())


def test_a_record_that_cannot_be_written_leaves_the_one_before(
    plan: Plan, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    task = RunTask(LocalStorage(tmp_path), plan.runs[0])
    write_records(tmp_path, [record_of(task)])

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("hpcmbal.ablation.run.record_file.write_text", full)
    with pytest.raises(CheckpointError, match="No space left on device"):
        write_records(tmp_path, [record_of(task, steps=99)])
    assert read_records(tmp_path) == (record_of(task),)


def test_one_process_leads_a_study(tmp_path: Path) -> None:
    with (
        study_lock(tmp_path),
        pytest.raises(SettingsError, match="Another hpcmbal ablate is at work"),
        study_lock(tmp_path),
    ):
        pass
    with study_lock(tmp_path):
        pass


def test_the_watch_reads_the_last_whole_line_of_logs_that_grow(plan: Plan, tmp_path: Path) -> None:
    first, second = plan.runs[:2]
    old = tmp_path / second.folder / "logs" / "metrics.jsonl"
    old.parent.mkdir(parents=True)
    old.write_text('{"step": 3}\n', encoding="utf-8")
    os.utime(old, (1, 1))
    watch = StudyWatch(tmp_path, plan.runs)
    assert (watch.steps(), watch.running()) == ({second.name: 3}, [])
    log = tmp_path / first.folder / "logs" / "metrics.jsonl"
    log.parent.mkdir(parents=True)
    filler = json.dumps({"step": 7, "filler": "x" * 20000})
    log.write_text(f'{filler}\n{{"step": 8}}\n{{"step": 9, "tra', encoding="utf-8")
    assert watch.steps() == {first.name: 8, second.name: 3}
    os.utime(log, None)
    assert watch.running() == [first.name]


class TestForecast:
    COST = Cost(step_seconds=1.0, evaluation_seconds=0.0, checkpoint_bytes=1000, memory_bytes=1)

    def test_jobs_share_the_runs(self, plan: Plan) -> None:
        costs = {kind_of(run.settings): self.COST for run in plan.runs}
        one = forecast(plan.runs, [10] * 4, costs, 1)
        two = forecast(plan.runs, [10] * 4, costs, 2)
        assert one.seconds == one.machine_seconds == two.machine_seconds
        assert two.seconds == pytest.approx(one.machine_seconds / 2)
        assert one.disk_bytes > 4 * 1000

    def test_a_long_run_alone_is_as_long_as_it_is(self, plan: Plan) -> None:
        costs = {kind_of(run.settings): self.COST for run in plan.runs}
        assert forecast(plan.runs, [10, 10, 10, 1000], costs, 4).seconds == pytest.approx(1006)

    def test_a_cluster_has_no_wall_clock(self, plan: Plan) -> None:
        costs = {kind_of(run.settings): self.COST for run in plan.runs}
        assert forecast(plan.runs, [10] * 4, costs, None).seconds is None

    def test_a_kind_that_cannot_be_measured_is_told_once(self, plan: Plan) -> None:
        costs = {kind_of(run.settings): "out of memory in the trial steps" for run in plan.runs}
        found = forecast(plan.runs, [10] * 4, costs, 2)
        assert found.unknown == ((plan.runs[0], "out of memory in the trial steps"),)

    def test_more_memory_than_there_is_is_told_with_what_fits(self, plan: Plan) -> None:
        whole = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
        cost = dataclasses.replace(self.COST, memory_bytes=whole * 2 // 5)
        found = forecast(plan.runs, [10] * 4, {kind_of(run.settings): cost for run in plan.runs}, 4)
        assert "let 2 run at once" in (memory_warning(found, 4) or "")
        small = forecast(plan.runs, [10] * 4, {kind_of(run.settings): self.COST for run in plan.runs}, 4)
        assert memory_warning(small, 4) is None

    def test_gammas_and_seeds_make_no_kinds_but_optimisers_do(self, plan: Plan) -> None:
        assert len({kind_of(run.settings) for run in plan.runs}) == 1
        arms = {"a": {"optimizer.name": "adam"}, "b": {"optimizer.name": "soap"}}
        other = plan_study(plan.study.model_copy(update={"arms": arms}))
        assert len({kind_of(run.settings) for run in other.runs}) == 2

    def test_kinds_are_measured_together_under_the_load_of_the_study(self, plan: Plan) -> None:
        seconds = iter([1.0, 3.0, 2.0])

        class Engine:
            def run(self, function: object, tasks: Sequence[Any], on_result: Callable[[int, Any], None]) -> None:
                for index in range(len(tasks)):
                    on_result(index, dataclasses.replace(TestForecast.COST, step_seconds=next(seconds)))

        (cost,) = measure_costs(plan.runs, Engine(), at_once=3).values()
        assert isinstance(cost, Cost)
        assert cost.step_seconds == 3.0


def test_a_small_study_says_so_and_a_large_one_does_not(plan: Plan) -> None:
    notes = size_notes(plan.study, 10, 1)
    assert "10 of the 30,000 steps of preset 'hierarchical-nano'" in notes[0]
    assert "One evaluation image" in notes[1]
    assert "2 seeds: intervals are wide" in (seed_note(plan.study) or "")
    large = plan.study.model_copy(update={"seeds": tuple(range(8))})
    assert size_notes(large, 30000, 24) == []
    assert seed_note(large) is None
