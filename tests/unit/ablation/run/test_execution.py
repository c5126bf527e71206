"""One run: trained or taken over, evaluated, recorded. A network of a few thousand parameters on generated images."""

from __future__ import annotations

import dataclasses
import json
import math
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, ClassVar

import pytest
from hypothesis import given
from hypothesis import strategies as st
from reader_fuzz import reader_fuzz
from tiny import TINY_NANO, write_photos

from hpcmbal.ablation.plan.plan import PlannedRun, plan_study
from hpcmbal.ablation.plan.study import build_study
from hpcmbal.ablation.run import execution
from hpcmbal.ablation.run.execution import RunStage, RunTask, execute_run, progress_of, steps_of_run
from hpcmbal.ablation.run.record_file import RECORD_FILE, read_records
from hpcmbal.ablation.run.records import RunRecord
from hpcmbal.ablation.run.run_watch import StudyWatch
from hpcmbal.ablation.run.storage import LocalStorage
from hpcmbal.core.model import variants
from hpcmbal.errors import CheckpointError, DataError, NumericalError, SettingsError
from hpcmbal.training.checkpoint import list_checkpoints
from hpcmbal.training.result import TrainResult
from hpcmbal.training.trainer import train


@pytest.fixture(autouse=True)
def tiny_model(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(variants.VARIANTS, "hpcm-nano", TINY_NANO)


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_photos(tmp_path_factory.mktemp("photos"), 3)


BuildRun = Callable[..., PlannedRun]


@pytest.fixture
def build_run(photos: Path) -> BuildRun:
    """The first run of a study of one arm and so many steps."""

    def build(steps: int = 4, **changes: Any) -> PlannedRun:
        settings = {"data.batch_size": 2, "data.patch_size": 64, "training.device": "cpu", "schedule.warmup_steps": 1}
        values = {
            "name": "s",
            "base_preset": "hierarchical-nano",
            "arms": {"a": {"balancing.gamma_s1": 0.1}},
            "settings": {**settings, **changes.pop("settings", {})},
            "seeds": 1,
            "max_steps": steps,
            "train_data": photos,
            "eval_data": photos,
            **changes,
        }
        return plan_study(build_study({key: value for key, value in values.items() if value is not None})).runs[0]

    return build


@pytest.fixture
def no_training(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(settings: object, **_: object) -> TrainResult:
        raise AssertionError("something was trained")

    monkeypatch.setattr(execution, "train", refuse)


def task(run: PlannedRun, folder: Path) -> RunTask:
    return RunTask(LocalStorage(folder), run)


def test_a_run_leaves_a_record_of_every_image_one_checkpoint_and_a_log(build_run: BuildRun, tmp_path: Path) -> None:
    run = build_run()
    (record,) = execute_run(task(run, tmp_path))
    folder = tmp_path / run.folder
    assert (record.status, record.reason, record.steps, record.key) == ("done", None, 4, run.key)
    assert [sample.name for sample in record.samples] == ["0.png", "1.png", "2.png"]
    for sample in record.samples:
        assert sample.j == pytest.approx(sample.bpp + 0.013 * 255**2 * sample.mse, rel=1e-5)
        assert sample.psnr_db == pytest.approx(-10 * math.log10(sample.mse), abs=1e-4)
    assert record.seconds_per_step is not None
    assert record.seconds_per_step > 0
    assert [path.name for path in list_checkpoints(folder)] == ["step-00000004"]
    assert read_records(folder) == (record,)
    assert progress_of(run, folder) is RunStage.RECORDED


def test_a_training_that_stops_early_leaves_a_record(build_run: BuildRun, tmp_path: Path) -> None:
    stopping = {"finetune.early_stopping": "patience=1,min_delta=100", "output.validate_every": 1}
    (record,) = execute_run(task(build_run(6, settings=stopping), tmp_path))
    assert record.status == "done"
    assert record.steps < 6
    assert record.seconds_per_step is not None
    assert record.stops_early


def test_the_record_agrees_with_the_last_validation_of_the_same_images(build_run: BuildRun, tmp_path: Path) -> None:
    run = build_run()
    (record,) = execute_run(task(run, tmp_path))
    log = (tmp_path / run.folder / "logs" / "metrics.jsonl").read_text(encoding="utf-8").splitlines()
    last = [line for line in map(json.loads, log) if "val/j" in line][-1]
    assert last["step"] == 4
    assert record.j == pytest.approx(last["val/j"], rel=1e-6)
    assert record.bpp == pytest.approx(last["val/bpp"], rel=1e-6)


def test_the_moving_average_is_evaluated_where_there_is_one(build_run: BuildRun, tmp_path: Path) -> None:
    (plain,) = execute_run(task(build_run(), tmp_path / "plain"))
    (averaged,) = execute_run(task(build_run(settings={"training.ema_decay": 0.99}), tmp_path / "averaged"))
    assert plain.j != averaged.j


def test_a_complete_run_of_hpcmbal_train_is_adopted(
    build_run: BuildRun, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    run = build_run()
    folder = tmp_path / run.folder
    output = run.settings.output.model_copy(update={"save_path": folder, "keep": 3, "save_freq": 1, "log_every": 3})
    train(run.settings.model_copy(update={"output": output}))
    assert len(list_checkpoints(folder)) == 3
    assert progress_of(run, folder) is RunStage.STARTED
    request.getfixturevalue("no_training")
    (record,) = execute_run(task(run, tmp_path))
    assert (record.status, record.steps, len(record.samples)) == ("done", 4, 3)
    assert len(list_checkpoints(folder)) == 1


def test_a_run_goes_on_from_its_checkpoint_to_the_same_result(
    build_run: BuildRun, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = build_run(steps=6)
    (whole,) = execute_run(task(run, tmp_path / "whole"))
    with monkeypatch.context() as patched:
        patched.setattr(execution, "train", stop_after(2))
        with pytest.raises(KeyboardInterrupt):
            execute_run(task(run, tmp_path / "stopped"))
    assert read_records(tmp_path / "stopped" / run.folder) == ()
    assert progress_of(run, tmp_path / "stopped" / run.folder) is RunStage.STARTED
    (resumed,) = execute_run(task(run, tmp_path / "stopped"))
    assert resumed.samples == whole.samples


def stop_after(steps: int) -> Callable[[Any], TrainResult]:
    """A trainer that gets a signal after so many steps."""

    def stopped(settings: Any, **options: Any) -> TrainResult:
        import os
        import signal

        class Stop:
            def step(self, step: int, metrics: object) -> None:
                if step == steps:
                    os.kill(os.getpid(), signal.SIGTERM)

            def start(self, *_: object) -> None: ...
            def validation(self, *_: object) -> None: ...
            def message(self, *_: object) -> None: ...
            def finish(self, *_: object) -> None: ...

        return train(settings, Stop(), **options)

    return stopped


def test_other_evaluation_images_are_evaluated_without_training(
    build_run: BuildRun, photos: Path, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    execute_run(task(build_run(), tmp_path))
    fewer = tmp_path / "fewer"
    fewer.mkdir()
    (fewer / "1.png").write_bytes((photos / "1.png").read_bytes())
    request.getfixturevalue("no_training")
    run = build_run(eval_data=fewer)
    assert progress_of(run, tmp_path / run.folder) is RunStage.STARTED
    (record,) = execute_run(task(run, tmp_path))
    assert [sample.name for sample in record.samples] == ["1.png"]


def test_a_folder_with_another_run_is_refused_with_what_differs(
    build_run: BuildRun, tmp_path: Path, no_training: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patched:
        patched.setattr(execution, "train", train)
        execute_run(task(build_run(), tmp_path))
    other = build_run(steps=5)
    with pytest.raises(SettingsError, match=r"training.max_steps 4 and 5"):
        progress_of(other, tmp_path / other.folder)
    with pytest.raises(SettingsError, match="holds a run with other settings"):
        execute_run(task(other, tmp_path))


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (NumericalError("20 steps in a row were skipped"), "20 steps in a row were skipped"),
        (DataError("more than 1 % of the images"), "more than 1 % of the images"),
        (MemoryError(), "out of memory"),
        (RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried"), "out of memory"),
        (RuntimeError("CUDA out of memory. Tried to allocate 2 GiB"), "out of memory: CUDA out of memory"),
    ],
)
def test_a_failed_run_is_recorded_with_its_reason(
    build_run: BuildRun, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: Exception, reason: str
) -> None:
    def fail(settings: object, **_: object) -> TrainResult:
        raise error

    monkeypatch.setattr(execution, "train", fail)
    run = build_run()
    (record,) = execute_run(task(run, tmp_path))
    assert record.status == "failed"
    assert record.reason is not None
    assert record.reason.startswith(reason)
    assert (record.samples, record.steps, record.seconds_per_step) == ((), 0, None)
    assert read_records(tmp_path / run.folder) == (record,)
    assert progress_of(run, tmp_path / run.folder) is RunStage.FAILED


@pytest.mark.parametrize("error", [RuntimeError("shapes do not match"), CheckpointError("no space left")])
def test_what_is_no_property_of_the_run_is_raised(
    build_run: BuildRun, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    def fail(settings: object, **_: object) -> TrainResult:
        raise error

    monkeypatch.setattr(execution, "train", fail)
    run = build_run()
    with pytest.raises(type(error), match=str(error)):
        execute_run(task(run, tmp_path))
    assert not (tmp_path / run.folder / RECORD_FILE).exists()


def test_a_training_that_diverges_is_a_failed_run(build_run: BuildRun, tmp_path: Path) -> None:
    run = build_run(steps=40, settings={"optimizer.learning_rate": 1e30, "optimizer.clip_max_norm": 0.0})
    (record,) = execute_run(task(run, tmp_path))
    assert record.status == "failed"
    assert record.reason is not None


@pytest.mark.parametrize(
    "text",
    [
        '{"arm": "a"}',
        "[1]",
        "[" * 5000,
        "not json",
        '[{"seed": 1' + "0" * 400 + "}]",
        '["\\ud800"]',
        '[{"samples": {}}]',
    ],
)
def test_a_record_that_is_none_is_named(tmp_path: Path, text: str) -> None:
    (tmp_path / RECORD_FILE).write_text(text, encoding="utf-8")
    with pytest.raises(CheckpointError, match=r"record.json is not a record of a run: .*Remove it"):
        read_records(tmp_path)


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5) | st.just(10**400),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)
GOOD = {
    "arm": "a", "lmbda": 0.01, "seed": 0, "key": "k", "status": "done", "reason": None, "steps": 4, "folder": "f",
    "seconds_per_step": 0.1, "samples": [{"name": "x", "bpp": 1.0, "mse": 0.1, "psnr_db": 10.0, "j": 2.0}],
}  # fmt: skip


@reader_fuzz(60)
@given(changes=st.dictionaries(st.sampled_from(sorted(GOOD)), VALUES, max_size=3))
def test_whatever_a_record_holds_it_is_one_or_refused(tmp_path: Path, changes: dict[str, Any]) -> None:
    (tmp_path / RECORD_FILE).write_text(json.dumps([{**GOOD, **changes}]), encoding="utf-8")
    with suppress(CheckpointError):
        (record,) = read_records(tmp_path)
        assert math.isfinite(record.lmbda)
        assert all(isinstance(sample.bpp, float) for sample in record.samples)


class TestVariableRate:
    """One training, and a record for every point of its curve."""

    SETTINGS: ClassVar = {"loss.variable_rate": "true", "loss.lmbda_power": 0.8}

    def test_one_training_gives_a_record_for_every_quality(self, build_run: BuildRun, tmp_path: Path) -> None:
        run = build_run(settings=self.SETTINGS, qualities=[1, 30, 60, 100])
        records = execute_run(task(run, tmp_path))
        low, high = run.settings.lmbda_range
        assert [record.lmbda for record in records] == pytest.approx(
            [low * (high / low) ** (q / 99) for q in (0, 29, 59, 99)]
        )
        assert {(record.arm, record.seed, record.status, len(record.samples)) for record in records} == {
            ("a", 0, "done", 3)
        }
        assert len({record.j for record in records}) == 4
        for record in records:
            for sample in record.samples:
                assert sample.j == pytest.approx(sample.bpp + record.lmbda * 255**2 * sample.mse, rel=1e-5)

    def test_a_failed_training_has_failed_at_every_point(
        self, build_run: BuildRun, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def fail(settings: object, **_: object) -> TrainResult:
            raise NumericalError("diverged")

        monkeypatch.setattr(execution, "train", fail)
        records = execute_run(task(build_run(settings=self.SETTINGS, lambdas=[0.002, 0.01]), tmp_path))
        assert [(record.lmbda, record.status, record.reason) for record in records] == [
            (0.002, "failed", "diverged"),
            (0.01, "failed", "diverged"),
        ]

    @pytest.mark.slow
    def test_more_points_need_no_training(
        self, build_run: BuildRun, tmp_path: Path, request: pytest.FixtureRequest
    ) -> None:
        first = execute_run(task(build_run(settings=self.SETTINGS, lambdas=[0.002, 0.01]), tmp_path))
        request.getfixturevalue("no_training")
        more = execute_run(task(build_run(settings=self.SETTINGS, lambdas=[0.002, 0.005, 0.01]), tmp_path))
        assert [record.samples for record in more[::2]] == [record.samples for record in first]


class TestHorizons:
    """One stable training, of which a copy is cooled down and evaluated after every horizon."""

    @pytest.fixture
    def run(self, build_run: BuildRun) -> PlannedRun:
        return build_run(max_steps=None, horizons=[2, 4])

    @pytest.mark.slow
    def test_every_horizon_has_the_result_of_a_training_of_that_length(
        self, run: PlannedRun, build_run: BuildRun, tmp_path: Path
    ) -> None:
        """A tenth of 2 and of 4 is a whole step each: 3 and 5 steps, with the rate falling in the last one."""
        records = execute_run(task(run, tmp_path))
        assert [(record.horizon, record.steps) for record in records] == [(2, 3), (4, 5)]
        assert steps_of_run(run, 3) == 6
        for record, steps in zip(records, (3, 5), strict=True):
            schedule = {"schedule.name": "wsd", "schedule.decay_start": steps - 1}
            alone = build_run(steps=steps, settings=schedule)
            (whole,) = execute_run(task(alone, tmp_path / f"alone-{steps}"))
            assert whole.samples == record.samples

    @pytest.mark.slow
    def test_copies_leave_their_weights_and_the_run_its_last_checkpoint(self, run: PlannedRun, tmp_path: Path) -> None:
        execute_run(task(run, tmp_path))
        folder = tmp_path / run.folder
        files = {path.relative_to(folder).as_posix() for path in folder.rglob("*.safetensors")}
        assert files == {
            "horizon-2/model.safetensors",
            "horizon-4/model.safetensors",
            "checkpoints/step-00000004/model.safetensors",
        }
        assert StudyWatch(tmp_path, [run]).steps() == {run.name: 6}

    @pytest.mark.parametrize("stops", [(1, 3), *(pytest.param((n,), marks=pytest.mark.slow) for n in (2, 3, 4))])
    def test_interrupted_anywhere_it_ends_with_the_same_records(
        self, run: PlannedRun, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, stops: tuple[int, ...]
    ) -> None:
        whole = timeless(execute_run(task(run, tmp_path / "whole")))
        for stop in stops:
            with monkeypatch.context() as patched:
                patched.setattr(execution, "train", stop_after(stop))
                with suppress(KeyboardInterrupt):
                    execute_run(task(run, tmp_path / "stopped"))
        assert timeless(execute_run(task(run, tmp_path / "stopped"))) == whole

    def test_a_horizon_may_be_added_later(self, build_run: BuildRun, tmp_path: Path) -> None:
        """What was trained is not trained again, and the result is that of a study that had all of them at once."""
        short, long = (build_run(max_steps=None, horizons=horizons) for horizons in ([2, 4], [2, 4, 6]))
        execute_run(task(short, tmp_path))
        assert progress_of(long, tmp_path / long.folder) is RunStage.STARTED
        whole = timeless(execute_run(task(long, tmp_path / "whole")))
        trained: list[int] = []

        def noting(settings: Any, *, until: int) -> TrainResult:
            trained.append(until)
            return train(settings, until=until)

        with pytest.MonkeyPatch.context() as patched:
            patched.setattr(execution, "train", noting)
            assert timeless(execute_run(task(long, tmp_path))) == whole
        assert trained == [6, 7]

    def test_no_horizon_is_added_where_the_gammas_follow_the_length(self, build_run: BuildRun, tmp_path: Path) -> None:
        gammas = {"balancing.gamma_strategy": "hierarchical"}
        short, long = (build_run(max_steps=None, horizons=h, settings=gammas) for h in ([2, 4], [2, 4, 6]))
        execute_run(task(short, tmp_path))
        with pytest.raises(SettingsError, match="training.max_steps"):
            progress_of(long, tmp_path / long.folder)

    def test_a_training_that_fails_keeps_the_horizons_that_it_reached(
        self, run: PlannedRun, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def fail_late(settings: Any, *, until: int) -> TrainResult:
            if until > 3:
                raise NumericalError("diverged")
            return train(settings, until=until)

        monkeypatch.setattr(execution, "train", fail_late)
        records = execute_run(task(run, tmp_path))
        assert [(record.horizon, record.status, record.reason) for record in records] == [
            (2, "done", None),
            (4, "failed", "diverged"),
        ]
        assert progress_of(run, tmp_path / run.folder) is RunStage.FAILED

    @pytest.mark.slow
    def test_other_evaluation_images_need_no_training(
        self, run: PlannedRun, build_run: BuildRun, photos: Path, tmp_path: Path, request: pytest.FixtureRequest
    ) -> None:
        execute_run(task(run, tmp_path))
        fewer = tmp_path / "fewer"
        fewer.mkdir()
        (fewer / "1.png").write_bytes((photos / "1.png").read_bytes())
        request.getfixturevalue("no_training")
        records = execute_run(task(build_run(max_steps=None, horizons=[2, 4], eval_data=fewer), tmp_path))
        assert [len(record.samples) for record in records] == [1, 1]

    @pytest.mark.slow
    def test_a_horizon_that_the_training_has_passed_is_refused(
        self, run: PlannedRun, build_run: BuildRun, tmp_path: Path
    ) -> None:
        execute_run(task(run, tmp_path))
        between = build_run(max_steps=None, horizons=[3, 4])
        with pytest.raises(SettingsError, match="is at step 4, past the horizon 3"):
            execute_run(task(between, tmp_path))


def timeless(records: Sequence[RunRecord]) -> list[RunRecord]:
    return [dataclasses.replace(record, seconds_per_step=None) for record in records]
