"""Time limits: what still fits, and when a decay begins; then trainings on a clock that the test turns."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from hpcmbal.settings import ScheduleSettings, TrainSettings
from hpcmbal.training import time_limit
from hpcmbal.training import trainer as trainer_module
from hpcmbal.training.checkpoint import list_checkpoints, open_checkpoint
from hpcmbal.training.reporting import SilentReporter
from hpcmbal.training.schedule import learning_rate_factor
from hpcmbal.training.time_limit import Course, TimeLimit, course_in_time
from hpcmbal.training.trackers import read_log
from hpcmbal.training.trainer import train

Run = Callable[..., TrainSettings]
OFTEN = {"validate_every": 10**18, "save_freq": 10**18}
WSD = ScheduleSettings(name="wsd", warmup_steps=0, decay_fraction=0.2, final_factor=0.0)


class Clock:
    """A clock that stands still until it is told."""

    def __init__(self) -> None:
        self.now = 50.0

    def __call__(self) -> float:
        return self.now

    def monotonic(self) -> float:
        return self.now


def limit(seconds: float, clock: Clock, steps: list[float]) -> TimeLimit:
    made = TimeLimit(seconds, started=clock.now, clock=clock)
    for step in steps:
        made.add_step(step)
    return made


def test_steps_fit_until_the_last_validation_and_saving_must_begin() -> None:
    clock = Clock()
    time = limit(100, clock, [30.0, 1.0, 1.0])
    time.validation_seconds, time.saving_seconds = 10.0, 4.0
    assert time.room(**OFTEN) == 100 - 10 - 6 - 1, "the first step, which warms up, is not counted"
    clock.now += 80
    assert time.room(**OFTEN) == 3
    clock.now += 80
    assert time.room(**OFTEN) == 0


def test_validations_and_savings_on_the_way_take_their_part() -> None:
    time = limit(100, Clock(), [1.0, 1.0])
    time.validation_seconds, time.saving_seconds = 10.0, 2.0
    assert time.step_seconds(validate_every=20, save_freq=4) == pytest.approx(1.0 + 0.5 + 0.5)


def test_a_stable_phase_ends_when_its_fraction_is_left() -> None:
    assert course_in_time(WSD, 700, None, room=200) is None
    assert course_in_time(WSD, 800, None, room=200) == Course(800, 1000)


def test_a_planned_length_that_fits_is_left_alone() -> None:
    assert course_in_time(WSD, 700, 1000, room=300) is None
    assert course_in_time(WSD, 900, 1000, room=100) is None


def test_a_planned_length_that_does_not_fit_decays_earlier() -> None:
    assert course_in_time(WSD, 400, 1000, room=100) == Course(400, 500)


def test_a_decay_that_would_end_late_is_shortened_without_a_jump() -> None:
    settings = WSD.model_copy(update={"decay_start": 800})
    before = learning_rate_factor(settings, 900, 1200)
    course = course_in_time(settings, 900, 1200, room=150)
    assert course is not None
    assert course.total_steps == 1050
    after = WSD.model_copy(update={"decay_start": course.decay_start})
    assert learning_rate_factor(after, 900, course.total_steps) == pytest.approx(before, abs=0.005)


def test_other_schedules_have_no_course() -> None:
    assert course_in_time(ScheduleSettings(name="cosine"), 900, 1000, room=3) is None


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """The trainer's clock, which only `Ticking` turns."""
    made = Clock()
    monkeypatch.setattr(trainer_module, "time", made)
    monkeypatch.setattr(time_limit.TimeLimit.__init__, "__defaults__", (made,))
    return made


class Ticking(SilentReporter):
    """Every step takes a second, which passes when the step is shown; writes down lengths and messages."""

    def __init__(self, clock: Clock, seconds: float = 1.0) -> None:
        self.clock, self.seconds = clock, seconds
        self.lengths: list[int] = []
        self.messages: list[str] = []

    def length(self, total_steps: int) -> None:
        self.lengths.append(total_steps)

    def message(self, text: str) -> None:
        self.messages.append(text)


@pytest.fixture
def timed_run(tiny_run: Run, clock: Clock, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Settings of a run whose every step takes one second of the clock, and nothing else does."""
    original = trainer_module.Stepper.step

    def step(self: Any, batches: Any) -> Any:
        clock.now += 1.0
        return original(self, batches)

    monkeypatch.setattr(trainer_module.Stepper, "step", step)

    def build(folder: str, hours: float, **sections: dict[str, Any]) -> TrainSettings:
        machine = {"device": "cpu", "num_threads": 1}
        training = {"max_steps": None, "max_hours": hours, **machine, **sections.pop("training", {})}
        wsd = sections.pop("schedule", {"name": "wsd", "decay_fraction": 0.25}) | {"warmup_steps": 0}
        output = {"log_every": 1, "validate_every": 1000, "save_freq": 1000}
        return tiny_run(folder, training=training, schedule=wsd, output=output, **sections)

    return build


def rates(settings: TrainSettings) -> list[float]:
    lines = read_log(settings.output.save_path / "logs" / "metrics.jsonl")
    return [line["train/learning_rate"] for line in lines if "train/learning_rate" in line]


def test_wsd_cools_down_within_its_time(timed_run: Run, clock: Clock) -> None:
    settings, shown = timed_run("run", 22 / 3600), Ticking(clock)
    result = train(settings, shown)
    assert result.step == result.total_steps
    assert not result.out_of_time
    assert 18 <= result.step <= 22
    course = rates(settings)
    falling = [rate for rate in course if rate < course[0]]
    assert falling == course[-len(falling) :] == sorted(falling, reverse=True)
    assert 0.2 * result.step <= len(falling) + 1 <= 0.3 * result.step + 1
    assert "The learning rate falls from step" in shown.messages[-1]
    assert shown.lengths[-1] == result.total_steps
    logged = read_log(settings.output.save_path / "logs" / "metrics.jsonl")
    assert [line["schedule/total_steps"] for line in logged if "schedule/total_steps" in line] == [result.step]


@pytest.mark.slow
def test_the_end_of_the_stable_phase_stays_and_trains_on_at_its_rate(timed_run: Run, clock: Clock) -> None:
    settings = timed_run("run", 22 / 3600)
    train(settings, Ticking(clock))
    stable, last = list_checkpoints(settings.output.save_path)
    assert open_checkpoint(stable).settings.schedule.decay_start is None
    course = open_checkpoint(last).settings
    assert course.schedule.decay_start == open_checkpoint(stable).step
    output = settings.output.model_copy(
        update={"checkpoint": stable, "save_path": settings.output.save_path.with_name("on")}
    )
    longer = settings.model_copy(update={"output": output})
    train(longer, Ticking(clock))
    assert rates(longer)[:5] == [rates(settings)[0]] * 5


@pytest.mark.slow
def test_a_decay_that_was_decided_is_resumed_exactly(timed_run: Run, clock: Clock) -> None:
    class Stop(Ticking):
        stop_at: int | None = None

        def step(self, step: int, metrics: Any) -> None:
            import signal

            if self.messages and self.stop_at is None:
                self.stop_at = step + 2
            if step == self.stop_at:
                signal.raise_signal(signal.SIGTERM)

    whole, parts = timed_run("whole", 22 / 3600), timed_run("parts", 22 / 3600)
    train(whole, Ticking(clock))
    stopped = train(parts, Stop(clock))
    assert stopped.interrupted
    stored = open_checkpoint(parts.output.save_path).settings
    for settings in (stored, parts):  # with the settings of the run, or given anew, as with --preset
        output = settings.output.model_copy(update={"checkpoint": stopped.checkpoint})
        assert train(settings.model_copy(update={"output": output}), Ticking(clock)).step == stopped.total_steps
        assert rates(parts) == rates(whole)


def test_other_schedules_save_and_stop_in_time_and_go_on(timed_run: Run, clock: Clock) -> None:
    settings = timed_run("run", 12 / 3600, schedule={"name": "cosine"}, training={"max_steps": 16})
    result = train(settings, Ticking(clock))
    assert result.out_of_time
    assert not result.interrupted
    assert 7 <= result.step <= 11
    assert result.summary.startswith(f"Time is up after step {result.step} of 16; saved to ")
    assert result.summary.endswith(f"Go on with: hpcmbal train --checkpoint {settings.output.save_path}")
    output = settings.output.model_copy(update={"checkpoint": settings.output.save_path})
    again = train(settings.model_copy(update={"output": output}), Ticking(clock))
    assert again.step == 16
    assert len(set(rates(settings))) == 16, "one cosine over both calls"


def test_a_length_that_is_reached_in_time_is_not_touched(timed_run: Run, clock: Clock) -> None:
    settings = timed_run("run", 1.0, training={"max_steps": 8})
    result = train(settings, Ticking(clock))
    assert result.step == 8
    assert open_checkpoint(result.checkpoint).settings.schedule.decay_start is None
