"""What a running study shows: a bar and running runs on a terminal, plain lines elsewhere."""

from __future__ import annotations

import io
import threading

import pytest
from rich.console import Console

from hpcmbal.ablation.plan.plan import PlannedRun, plan_study
from hpcmbal.ablation.plan.study import build_study
from hpcmbal.ablation.run.records import ImageResult, RunRecord
from hpcmbal.cli import study_progress
from hpcmbal.cli.study_progress import StudyProgress


@pytest.fixture
def runs() -> tuple[PlannedRun, ...]:
    arms = {"a": {"balancing.gamma_s1": 0.1}, "b": {"balancing.gamma_s1": 0.2}}
    values = {"name": "s", "base_preset": "hierarchical-nano", "arms": arms, "seeds": 1, "max_steps": 50}
    return plan_study(build_study(values)).runs


class Watch:
    """Run a is at step 20 and running; says when it was asked for the third time."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.asked = 0
        self.seen = threading.Event()

    def steps(self) -> dict[str, int]:
        self.asked += 1
        if self.asked == 3:
            self.seen.set()
        return {self.name: 20}

    def running(self) -> list[str]:
        return [self.name]


def record(run: PlannedRun, *, failed: bool = False) -> RunRecord:
    samples = () if failed else (ImageResult("x", 0.5, 1e-3, 30.0, 1.5),)
    status, reason = ("failed", "not finite [x]") if failed else ("done", None)
    return RunRecord(run.arm, run.lmbda, run.seed, run.key, status, reason, 50, 0.1, samples, str(run.folder))


def shown(runs: tuple[PlannedRun, ...], *, terminal: bool, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setattr(study_progress, "LOOK_SECONDS", 0.01)
    monkeypatch.setattr(study_progress, "LINE_SECONDS", 0.0)
    stream = io.StringIO()
    console = Console(file=stream, force_terminal=terminal, width=100, color_system=None, legacy_windows=False)
    watch = Watch(runs[0].name)
    with StudyProgress(console, watch, {run.name: 50 for run in runs}) as progress:
        progress.record(runs[1], [record(runs[1], failed=True)])
        assert watch.seen.wait(30)
        if progress._display is not None:
            progress._display.live.refresh()
        progress.record(runs[0], [record(runs[0])])
    assert progress.ended == 2
    return stream.getvalue()


def test_without_a_terminal_there_are_plain_lines(
    runs: tuple[PlannedRun, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    lines = shown(runs, terminal=False, monkeypatch=monkeypatch).splitlines()
    assert lines[0] == "1/2  b, lambda 0.013, seed 0: failed: not finite [x]"
    assert "2/2  a, lambda 0.013, seed 0: J 1.500  bpp 0.5000  PSNR 30.00 dB" in lines
    assert any(line.startswith("step 70/100 of all runs") for line in lines)


def test_a_terminal_has_one_bar_and_a_line_for_each_running_run(
    runs: tuple[PlannedRun, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    out = shown(runs, terminal=True, monkeypatch=monkeypatch)
    assert "1/2 runs" in out
    assert "70/100 steps" in out
    assert "a, lambda 0.013, seed 0: step 20 of 50" in out
    assert "b, lambda 0.013, seed 0: step" not in out


def test_nothing_to_do_shows_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    stream = io.StringIO()
    with StudyProgress(Console(file=stream, force_terminal=True), Watch("x"), {}):
        pass
    assert stream.getvalue() == ""


def test_the_speed_leaves_out_what_was_done_before_and_the_start(
    runs: tuple[PlannedRun, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    stream = io.StringIO()
    progress = StudyProgress(Console(file=stream, width=100), Watch("a"), {run.name: 50 for run in runs})
    clock = iter((0.0, 100.0, 131.0, 135.0, 171.0))
    monkeypatch.setattr(study_progress.time, "monotonic", lambda: next(clock))
    progress._spoke_at = -30.0
    for done in (40, 40, 50, 52, 90):
        progress._line(done)
    assert stream.getvalue().splitlines() == [
        "step 40/100 of all runs",
        "step 40/100 of all runs",
        "step 50/100 of all runs",
        "step 90/100 of all runs  1.00 steps/s  0:10 left",
    ]
