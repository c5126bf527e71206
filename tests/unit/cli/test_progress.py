"""What a training shows: lines without a terminal, a bar and a table of weights with one."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
from rich.console import Console

from hpcmbal.cli.progress import LineReporter, Pace, TerminalReporter, balance_table, build_reporter, describe, waiting
from hpcmbal.training.result import TrainResult

METRICS = {"train/j": 2.6131, "train/bpp": 0.40123, "train/psnr_db": 27.106}
BALANCE = {
    "train/s1_distortion": 0.5, "weights/s1_distortion": 0.1301, "weights/s3_bpp": 0.2702,
    "effective_weights/s1_distortion": 0.6512, "gamma/s1": 0.008, "gamma/s3": 0.004, "scale_contrib/s1": 0.25,
}  # fmt: skip
RESULT = TrainResult(Path("run/checkpoints/step-10"), 10, 10, skipped_steps=0, seconds=1.0, interrupted=False)


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def console(width: int = 120, *, terminal: bool = False) -> Console:
    return Console(file=io.StringIO(), force_terminal=terminal, width=width, highlight=False)


def text_of(shown: Console) -> str:
    assert isinstance(shown.file, io.StringIO)
    return shown.file.getvalue()


def test_metrics_are_found_under_any_prefix() -> None:
    expected = "J 2.613  bpp 0.4012  PSNR 27.11 dB"
    assert describe(METRICS) == expected
    assert describe({key.replace("train/", "val/"): value for key, value in METRICS.items()}) == expected
    assert describe({"bpp": 0.5}) == "bpp 0.5000"


def test_lines_come_at_most_every_ten_seconds_and_at_the_end() -> None:
    clock, shown = Clock(), console()
    reporter = LineReporter(shown, clock)
    reporter.start(total_steps=140, initial_step=100)
    for step in range(101, 141):
        clock.now += 1
        reporter.step(step, METRICS if step % 10 == 0 else {})
    lines = text_of(shown).splitlines()
    assert len(lines) == 4
    assert lines[0] == "step 110/140  1.00 steps/s  0:30 left  J 2.613  bpp 0.4012  PSNR 27.11 dB"
    assert lines[-1].startswith("step 140/140")


def test_a_line_between_two_log_steps_shows_the_last_known_metrics() -> None:
    clock, shown = Clock(), console()
    reporter = LineReporter(shown, clock)
    reporter.start(total_steps=100, initial_step=0)
    reporter.step(10, METRICS)
    clock.now += 11
    reporter.step(13, {})
    assert "J 2.613" in text_of(shown)


def test_lines_carry_weights_validation_messages_and_the_result() -> None:
    clock, shown = Clock(), console()
    reporter = LineReporter(shown, clock)
    reporter.start(10, 0)
    reporter.step(10, {**METRICS, **BALANCE})
    reporter.validation(10, {"val/j": 3.0})
    reporter.message("[bad] file.png skipped")
    reporter.finish(RESULT)
    text = text_of(shown)
    assert "  weights s1_distortion 0.130  s3_bpp 0.270" in text
    assert "validation at step 10: J 3.000" in text
    assert "[bad] file.png skipped" in text
    assert text.endswith("Done: 10 steps. Checkpoint: run/checkpoints/step-10\n")


def test_the_terminal_shows_bar_numbers_and_weights() -> None:
    shown = console(terminal=True)
    with TerminalReporter(shown) as reporter:
        reporter.start(total_steps=300, initial_step=0)
        reporter.step(120, {**METRICS, **BALANCE})
        reporter.validation(120, {"val/j": 3.0})
        reporter.finish(RESULT)
    text = text_of(shown)
    assert "120/300" in text
    assert "J 2.613  bpp 0.4012  PSNR 27.11 dB" in text
    assert "s1_distortion" in text


def test_the_table_of_weights() -> None:
    shown = console()
    shown.print(balance_table(BALANCE))
    lines = [line.split() for line in text_of(shown).splitlines()]
    assert lines[0] == ["task", "loss", "weight", "effective", "gamma"]
    assert lines[1] == ["s1_distortion", "0.500", "0.130", "0.651", "0.0080"]
    assert lines[2] == ["s3_bpp", "0.270", "0.0040"]
    assert lines[3] == ["scale", "contributions", "s1", "0.250"]


@pytest.mark.parametrize("to_stderr", [False, True])
def test_without_a_terminal_there_are_lines(capsys: pytest.CaptureFixture[str], to_stderr: bool) -> None:
    reporter = build_reporter(to_stderr=to_stderr)
    assert isinstance(reporter, LineReporter)
    reporter.message("hello")
    captured = capsys.readouterr()
    assert (captured.err if to_stderr else captured.out) == "hello\n"


def test_a_length_that_becomes_known_or_shorter_is_shown() -> None:
    shown, clock = console(), Clock()
    reporter = LineReporter(shown, clock)
    reporter.start(None, 0)
    reporter.length(50)
    clock.now += 20
    reporter.step(10, METRICS)
    reporter.length(11)
    reporter.step(11, METRICS)
    assert [line.split()[1] for line in text_of(shown).splitlines()] == ["10/50", "11/11"]
    bar = console(terminal=True)
    with TerminalReporter(bar) as terminal:
        terminal.start(None, 0)
        terminal.length(50)
        terminal.step(10, METRICS)
    assert "10/50" in text_of(bar)


def test_the_bar_shows_the_measured_speed_before_the_first_step_and_the_real_one_after_it() -> None:
    bar = console(width=160, terminal=True)
    with TerminalReporter(bar, Pace(4.0)) as terminal:
        terminal.start(100, 0)
        assert "0.25 steps/s  6:40 left" in text_of(bar)
        terminal.step(1, METRICS)
    assert "-.-- steps/s" not in text_of(bar)
    assert text_of(bar).rstrip().count("0.25 steps/s") < text_of(bar).count("steps/s")


def test_without_a_terminal_nothing_moves(capsys: pytest.CaptureFixture[str]) -> None:
    with waiting("measuring"):
        pass
    assert capsys.readouterr() == ("", "")


def test_the_pace_leaves_validations_out_and_forgets_slow_beginnings() -> None:
    clock = Clock()
    pace = Pace(0.5, clock)
    pace.begin(0)
    clock.now += 60
    pace.interrupted()  # the validation before the first step
    pace.step(1)
    assert pace.told(10) == "2.00 steps/s  0:05 left"
    clock.now += 20
    pace.step(2)
    assert pace.told(10) == "0.05 steps/s  3:20 left"
    for step in range(3, 43):
        clock.now += 1
        pace.step(step)
    assert pace.told(10) == "1.00 steps/s  0:10 left"
    assert Pace(None, clock).told(None) == "-.-- steps/s"
