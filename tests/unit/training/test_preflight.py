"""The pre-flight: what it finds, in the order in which it is known."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from tiny import write_photos

from hpcmbal.settings import TrainSettings
from hpcmbal.training import preflight
from hpcmbal.training.preflight import run_preflight

Run = Callable[..., TrainSettings]


def test_items_come_one_by_one_and_the_last_knows_the_step(tiny_run: Run) -> None:
    items = run_preflight(tiny_run())
    assert [next(items).name for _ in range(3)] == ["data", "model", "device"]
    memory, duration = items
    assert (memory.name, duration.name) == ("memory", "duration")
    assert duration.step_seconds is not None
    assert duration.step_seconds > 0


def test_several_folders_are_counted(tiny_run: Run, photos: Path, tmp_path: Path) -> None:
    more = tmp_path / "more"
    more.mkdir()
    write_photos(more, 3)
    data = next(run_preflight(tiny_run(data={"train": [photos, more], "drawn_fraction": 0.1})))
    expected = f"9 training images (6 in {photos}, 3 in {more}), 10 % of the crops drawn; 6 for validation"
    assert data.detail == expected


def test_a_time_limit_is_the_duration(tiny_run: Run) -> None:
    settings = tiny_run(training={"max_steps": None, "max_hours": 2, "device": "cpu"}, schedule={"name": "wsd"})
    *_, duration = run_preflight(settings)
    assert duration.detail.startswith("2 hours by --max-hours, about ")


@pytest.mark.parametrize(
    ("preset", "twin"), [("hierarchical-adaptive", "hierarchical-adaptive-nano"), (None, "standard-nano")]
)
def test_a_run_of_days_names_the_twin_of_its_own_preset(
    tiny_run: Run, monkeypatch: pytest.MonkeyPatch, preset: str | None, twin: str
) -> None:
    monkeypatch.setattr(preflight, "LONG_SECONDS", 0.0)
    asked: list[str] = []

    def seconds(name: str, *_rest: object) -> float:
        asked.append(name)
        return 0.0

    monkeypatch.setattr(preflight, "_small_preset_seconds", seconds)
    *_, duration = run_preflight(tiny_run(), preset=preset)
    assert duration.status == "warning"
    assert f"; `--preset {twin}` takes " in duration.detail
    assert asked == [twin]
