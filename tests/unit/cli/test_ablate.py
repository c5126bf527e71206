"""`hpcmbal ablate`: from typed words to plan, results and exit code. No run is trained: the engine makes records up."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from hpcmbal.ablation.run.cost import Cost, measure_cost
from hpcmbal.ablation.run.execution import RunTask, execute_run
from hpcmbal.ablation.run.record_file import write_records
from hpcmbal.ablation.run.records import ImageResult, RunRecord
from hpcmbal.cli.app import main
from hpcmbal.engines.local import LocalEngine


@dataclass
class Machine:
    """What the engine was asked to do, and how runs end."""

    done: list[str] = field(default_factory=list)
    measured: int = 0
    fails: Callable[[RunTask], bool] = lambda task: False
    interrupt_after: int | None = None
    reported: list[Mapping[str, Any]] = field(default_factory=list)

    def run(self, function: object, tasks: Sequence[Any], on_result: Callable[[int, Any], None]) -> None:
        for index, task in enumerate(tasks):
            if function is measure_cost:
                self.measured += 1
                on_result(index, Cost(0.25, 0.5, 24_000_000, 1 << 30))
                continue
            assert function is execute_run
            if self.interrupt_after == len(self.done):
                raise KeyboardInterrupt
            records = self.records(task)
            with task.storage.run_folder(str(task.run.folder)) as folder:
                write_records(folder, records)
            self.done.append(task.run.name)
            on_result(index, records)

    def records(self, task: RunTask) -> tuple[RunRecord, ...]:
        run = task.run
        return tuple(self.record(task, lmbda, horizon) for horizon in run.horizons or (None,) for lmbda in run.lambdas)

    def record(self, task: RunTask, lmbda: float, horizon: int | None) -> RunRecord:
        run, failed = task.run, self.fails(task)
        j = 2.0 + 0.1 * run.seed + (0.01 if run.arm == "increasing" else 0)
        psnr_db = 30.0 + 5 * math.log10(lmbda / 0.013)
        samples = () if failed else (ImageResult("chelsea", j / 2 * lmbda / 0.013, 1e-3, psnr_db, j),)
        status, reason = ("failed", "diverged") if failed else ("done", None)
        return RunRecord(run.arm, lmbda, run.seed, run.key, status, reason, 500, 0.2, samples, str(run.folder), horizon)

    def report(self, comparison: object, study: Mapping[str, Any], folder: Path) -> list[Path]:
        self.reported.append(study)
        (folder / "report.html").write_text("report", encoding="utf-8")
        return [folder / "report.html"]


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Machine:
    machine = Machine()
    monkeypatch.setattr(LocalEngine, "run", machine.run)
    monkeypatch.setattr("hpcmbal.ablation.report.outcome.write_study_report", machine.report)
    monkeypatch.chdir(tmp_path)
    return machine


def test_gamma_needs_no_argument(machine: Machine, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["ablate", "gamma", "--jobs", "2"]) == 0
    out = capsys.readouterr().out
    assert "uniform (reference)\tgamma_s1 0.006, gamma_s2 0.006, gamma_s3 0.006\t3\t500\t0\t0.25" in out
    assert "To do: 9 of 9 runs, 4,500 steps." in out
    assert "2 runs at once" in out
    assert "500 of the 30,000 steps of preset 'hierarchical-nano'" in out
    assert "3 seeds: intervals are wide" in out
    assert "9/9  decreasing, lambda 0.013, seed 2: J 2.200" in out
    assert "Against uniform" in out
    assert "Report: runs/ablate-gamma/report.html" in out
    folder = Path("runs/ablate-gamma")
    assert {path.name for path in folder.iterdir() if not path.name.startswith(".")} == {
        "study.yaml", "runs", "results.json", "results.csv", "results.md", "report.html",
    }  # fmt: skip


def test_the_plan_alone_runs_nothing_and_leaves_nothing(
    machine: Machine, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    assert main(["ablate", "gamma", "--plan"]) == 0
    assert "To do: 9 of 9 runs" in capsys.readouterr().out
    assert machine.done == []
    assert list(tmp_path.iterdir()) == []


def test_a_plan_as_json_lists_every_run(machine: Machine, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["ablate", "strategy", "--plan", "--json", "--seeds", "1", "--lambdas", "0.0067,0.013"]) == 0
    plan = json.loads(capsys.readouterr().out)
    assert len(plan["runs"]) == 10
    assert (
        plan["runs"][0].items() >= {"arm": "fixed", "lmbda": 0.0067, "seed": 0, "steps": 500, "progress": "new"}.items()
    )
    assert plan["seconds"] > 0


def test_a_finished_study_makes_its_tables_and_report_again(
    machine: Machine, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["ablate", "gamma"]) == 0
    Path("runs/ablate-gamma/results.csv").unlink()
    measured, capsys_ = machine.measured, capsys.readouterr()
    assert main(["ablate", "gamma"]) == 0
    assert (machine.measured, len(machine.done), len(machine.reported)) == (measured, 9, 2)
    assert Path("runs/ablate-gamma/results.csv").is_file()
    out = capsys.readouterr().out
    assert "All 9 runs are done." in out
    assert out[out.index("Against") :] == capsys_.out[capsys_.out.index("Against") :]


def test_ctrl_c_says_how_to_go_on_and_going_on_does_the_rest(
    machine: Machine, capsys: pytest.CaptureFixture[str]
) -> None:
    machine.interrupt_after = 4
    assert main(["ablate", "gamma"]) == 130
    assert "interrupted with 4 of 9 runs done" in capsys.readouterr().err
    machine.interrupt_after = None
    assert main(["ablate", "gamma"]) == 0
    assert "To do: 5 of 9 runs" in capsys.readouterr().out
    assert len(set(machine.done)) == len(machine.done) == 9


def test_failed_runs_are_told_and_are_an_exit_code(machine: Machine, capsys: pytest.CaptureFixture[str]) -> None:
    machine.fails = lambda task: task.run.arm == "increasing" and task.run.seed == 1
    assert main(["ablate", "gamma"]) == 1
    captured = capsys.readouterr()
    assert "increasing, lambda 0.013, seed 1: failed: diverged" in captured.out
    assert "1 of 9 runs failed; increasing, lambda 0.013, seed 1: diverged Try them again" in captured.err
    machine.fails = lambda task: False
    assert main(["ablate", "gamma"]) == 1
    assert len(machine.done) == 9
    assert main(["ablate", "gamma", "--retry-failed"]) == 0
    assert len(machine.done) == 10


def test_results_as_json_are_alone_on_standard_output(machine: Machine, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["ablate", "gamma", "--json"]) == 0
    captured = capsys.readouterr()
    assert json.loads(captured.out)["reference"] == "uniform"
    assert "To do: 9 of 9 runs" in captured.err


def test_options_change_the_study(machine: Machine, tmp_path: Path) -> None:
    words = (
        "--base-preset hierarchical --lambdas 0.0067,0.025 --seeds 4,8 --max-steps 20 --set data.batch_size=2 -o out"
    )
    assert main(["ablate", "gamma", *words.split()]) == 0
    assert len(machine.done) == 12
    assert machine.done[0] == "uniform, lambda 0.0067, seed 4"
    study = machine.reported[0]
    assert study["base_preset"] == "hierarchical"
    assert study["settings"] == {"data.batch_size": "2"}
    assert study["max_steps"] == 20
    assert (tmp_path / "out" / "results.md").read_text(encoding="utf-8").startswith("# gamma\n")


def test_a_shown_study_runs_as_a_grid(machine: Machine, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    assert main(["ablate", "gamma", "--show"]) == 0
    (tmp_path / "mine.yaml").write_text(capsys.readouterr().out, encoding="utf-8")
    assert main(["ablate", "grid", "mine.yaml", "--seeds", "1"]) == 0
    assert len(machine.done) == 3
    assert (tmp_path / "runs" / "ablate-mine" / "study.yaml").is_file()


def test_horizons_of_variable_rate_models_from_the_command_line(
    machine: Machine, capsys: pytest.CaptureFixture[str]
) -> None:
    words = "--base-preset variable-nano --set loss.tasks=five --set balancing.name=linear --qualities 20,40,60,80"
    assert main(["ablate", "gamma", *words.split(), "--horizons", "100,1000", "--seeds", "2"]) == 0
    out = capsys.readouterr().out
    assert machine.done[0] == "uniform, seed 0"
    assert "To do: 6 of 6 runs, 6,660 steps." in out
    assert "All lambdas in one model, evaluated at" in out
    assert "after 100, 1,000 steps" in out
    assert "Over steps" in out
    assert "increasing: the difference from uniform stays" in out
    results = json.loads(Path("runs/ablate-gamma/results.json").read_text(encoding="utf-8"))
    assert results["horizon"] == 1000
    assert [point["steps"] for point in results["over_steps"][0]["points"]] == [100, 1000]
    assert len(results["lambdas"]) == 4


def test_nothing_that_a_study_writes_or_says_has_the_password_of_its_place(
    machine: Machine, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    fsspec = pytest.importorskip("fsspec", reason="needs fsspec: pip install 'hpcmbal[cluster]'")
    place = "memory://ann:hunter2@host/study"
    assert main(["ablate", "gamma", "-o", place, "--seeds", "2"]) == 0
    assert main(["ablate", "gamma", "-o", place, "--plan", "--json"]) == 0
    captured = capsys.readouterr()
    assert "memory://host/study" in captured.out
    assert "hunter2" not in captured.out + captured.err
    fs = fsspec.filesystem("memory")
    files = [path for path in fs.find("/") if "host/study" in path]
    assert {"study.yaml", "results.json", "report.html"} <= {path.rpartition("/")[2] for path in files}
    assert not [path for path in files if b"hunter2" in fs.cat_file(path)]
    assert not [path for path in Path().rglob("*") if path.is_file() and b"hunter2" in path.read_bytes()]


def test_the_long_form_of_a_study_is_a_study_of_its_own(machine: Machine, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["ablate", "balancing", "--long", "--show"]) == 0
    assert "horizons: [1000, 3000, 10000]" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        ("gama", 2, "Study 'gama' does not exist; perhaps you mean 'gamma'"),
        ("grid", 2, "hpcmbal ablate grid FILE.yaml"),
        ("grid nothing.yaml", 2, "nothing.yaml cannot be read: No such file"),
        ("gamma mine.yaml", 2, "a file of your own goes with grid: hpcmbal ablate grid mine.yaml"),
        ("mine.yaml", 2, "goes with grid: hpcmbal ablate grid mine.yaml"),
        ("gamma --train-data nowhere", 3, "nowhere: no such folder"),
        ("gamma --seeds 0 --max-steps x", 2, "--max-steps x: must be a valid integer"),
        ("gamma --seeds 0 --max-steps x", 2, "--seeds 0: must be at least 1"),
        ("gamma --epochs 1 --max-steps 2", 2, "--epochs 1: contradicts --max-steps; give one of them"),
        ("gamma --set balancing.gamma_s1=1", 2, "settings.balancing.gamma_s1 = 1: is what the arms change"),
        ("gamma --base-preset standard-nano", 2, "arms.uniform.balancing.gamma_s1 = 0.006: has no effect"),
        ("gamma --long", 2, "--long is for studies that have a long form: balancing. Found gamma"),
        ("gamma --qualities 10,50", 2, "qualities = 10.0,50.0: are points of one variable-rate training"),
        ("gamma --horizons 30,10", 2, "horizons = 30,10: must be rising numbers of steps"),
        ("gamma --engine ray --jobs 2", 2, "--jobs 2: has no effect while --engine is ray"),
        (
            "gamma --address auto --gpus-per-run 1",
            2,
            "--gpus-per-run 1: has no effect while --engine is local",
        ),
    ],
)
def test_wrong_words_are_explained_before_anything_runs(  # noqa: PLR0917 - fixtures and parameters
    machine: Machine, capsys: pytest.CaptureFixture[str], tmp_path: Path, words: str, code: int, message: str
) -> None:
    assert main(["ablate", *words.split()]) == code
    assert message in capsys.readouterr().err
    assert machine.done == []
    assert machine.measured == 0
    assert list(tmp_path.iterdir()) == []


def test_help_names_the_studies(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["ablate", "--help"]) == 0
    out = capsys.readouterr().out
    for name in ("gamma", "scale-weights", "strategy", "balancing", "optimizer", "decomposition", "grid"):
        assert name in out


@pytest.mark.parametrize("others", [["--seeds", "5"], ["--set", "optimizer.name=soap"], ["--plan"]])
def test_a_study_is_shown_as_it_is(others: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["ablate", "gamma", "--show", *others]) == 2
    assert f"leave {others[0]} out" in capsys.readouterr().err
