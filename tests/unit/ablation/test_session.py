"""Studies from Python: settings, plan, result; runs are made up."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

import hpcmbal
from hpcmbal.ablation.run import study_runner
from hpcmbal.ablation.run.cost import Cost, measure_cost
from hpcmbal.ablation.run.execution import RunStage
from hpcmbal.ablation.run.record_file import write_records
from hpcmbal.ablation.run.records import ImageResult, RunRecord
from hpcmbal.ablation.session import PreparedStudy, prepare_study
from hpcmbal.engines.local import LocalEngine
from hpcmbal.errors import SettingsError
from hpcmbal.settings.study import StudySettings
from hpcmbal.training.trackers import log_of


@pytest.fixture(autouse=True)
def machine(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """An engine that makes results up; the second seed of `decreasing` fails."""

    def run(self: object, function: object, tasks: Sequence[Any], on_result: Callable[[int, Any], None]) -> None:
        for index, task in enumerate(tasks):
            if function is measure_cost:
                on_result(index, Cost(0.1, 0.1, 1000, 1000))
                continue
            image = "chelsea" if task.run.settings.data.val is None else "photo.png"
            run, bad = task.run, (task.run.arm, task.run.seed) == ("decreasing", 1)
            samples = () if bad else (ImageResult(image, 1.0, 1e-3, 30.0, 2.0 + run.seed + 0.01 * len(run.arm)),)
            status, reason = ("failed", "diverged") if bad else ("done", None)
            record = RunRecord(
                run.arm, run.lambdas[0], run.seed, run.key, status, reason, 9, 0.1, samples, str(run.folder)
            )
            with task.storage.run_folder(str(run.folder)) as folder:
                write_records(folder, [record])
            on_result(index, (record,))

    monkeypatch.setattr(LocalEngine, "run", run)
    monkeypatch.chdir(tmp_path)


def test_a_study_from_python_gives_its_comparison_and_its_failures() -> None:
    result = hpcmbal.ablate(hpcmbal.StudySettings(study="gamma", seeds=2, max_steps=9, output="out"))
    assert [item.arm for item in result.comparison.comparisons] == ["increasing", "decreasing"]
    assert [(run.name, reason) for run, reason in result.failed] == [("decreasing, lambda 0.013, seed 1", "diverged")]
    assert result.report == "out/report.html"
    assert Path(result.report).is_file()


def test_a_plan_from_python_leaves_nothing(tmp_path: Path) -> None:
    prepared = prepare_study(StudySettings(study="gamma", seeds=[4, 5], lambdas=[0.01, 0.02]))
    assert len(prepared.plan.runs) == 12
    assert prepared.forecast is not None
    assert list(tmp_path.iterdir()) == []


def test_a_plan_counts_only_the_steps_that_are_left(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = StudySettings(study="gamma", seeds=1, max_steps=50, output="out")
    whole = prepare_study(settings)
    begun, unsaved, _ = whole.plan.runs
    for run in (begun, unsaved):
        log = log_of(tmp_path / "out" / run.folder)
        log.parent.mkdir(parents=True)
        log.write_text('{"step": 20}\n', encoding="utf-8")
    stages = {begun.name: RunStage.STARTED}
    monkeypatch.setattr(study_runner, "progress_of", lambda run, folder, images: stages.get(run.name, RunStage.NEW))
    rest = prepare_study(settings)
    assert list(whole.steps_left.values()) == [50, 50, 50]
    assert list(rest.steps_left.values()) == [30, 50, 50]
    assert whole.forecast is not None
    assert rest.forecast is not None
    assert whole.forecast.machine_seconds - rest.forecast.machine_seconds == pytest.approx(
        20 * 0.1 + 0.1  # a step, and the validation that is over
    )


def test_a_view_is_told_of_the_plan_before_anything_runs() -> None:
    from contextlib import nullcontext

    told: list[str] = []

    class View:
        def measuring(self) -> None:
            told.append("measuring")

        def planned(self, prepared: PreparedStudy) -> None:
            told.append(f"planned {len(prepared.inventory.pending)}")

        def running(self, prepared: PreparedStudy) -> Any:
            return nullcontext(lambda run, records: told.append(run.name))

    hpcmbal.ablate(StudySettings(study="gamma", seeds=1, output="out"), View())
    assert told[:3] == ["measuring", "planned 3", "uniform, lambda 0.013, seed 0"]


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({}, "study: is missing"),
        ({"study": "gamma", "sed": 3}, "sed = 3: is no setting"),
        ({"study": "gamma", "jobs": 0, "seeds": 0}, "2 problems with the settings"),
        ({"study": "gamma", "jobs": 2, "engine": "ray"}, "jobs = 2: has no effect while engine is ray"),
        ({"study": "gamma", "epochs": 1, "horizons": "10,20"}, "horizons.*say how long runs are; leave epochs out"),
    ],
)
def test_problems_are_told_in_python_s_words(values: dict[str, Any], message: str) -> None:
    with pytest.raises(SettingsError, match=message):
        hpcmbal.StudySettings(**values)


def test_a_study_that_does_not_exist() -> None:
    with pytest.raises(SettingsError, match="'gama' does not exist; perhaps you mean 'gamma'"):
        hpcmbal.ablate(StudySettings(study="gama"))


def test_a_study_is_evaluated_again_where_its_images_have_changed(tmp_path: Path) -> None:
    folder = tmp_path / "photos"
    folder.mkdir()
    Image.new("RGB", (64, 64)).save(folder / "photo.png")
    settings = StudySettings(study="gamma", seeds=1, max_steps=9, output="out", eval_data=folder)
    hpcmbal.ablate(settings)
    assert prepare_study(settings).inventory.pending == []
    Image.new("RGB", (64, 64)).save(folder / "added.png")
    assert len(prepare_study(settings).inventory.pending) == 3
