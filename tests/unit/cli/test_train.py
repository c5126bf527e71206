"""`hpcmbal train`: from typed words to settings, pre-flight and training, which is replaced by a record."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace

import pytest

from hpcmbal.cli.app import main
from hpcmbal.settings import TrainSettings, load_train_settings
from hpcmbal.settings.flags import FLAGS, SWITCHES


@dataclass
class Result:
    checkpoint: Path = Path("there")
    step: int = 3
    interrupted: bool = False
    summary: str = "Done: 3 steps."


@dataclass
class Training:
    """What the command line handed to the trainer, and what the trainer answers."""

    runs: list[TrainSettings] = field(default_factory=list)
    result: Result = field(default_factory=Result)
    preflight: list[SimpleNamespace] = field(default_factory=list)
    error: BaseException | None = None
    presets: list[str | None] = field(default_factory=list)

    def checked(self, preset: str | None) -> Iterator[SimpleNamespace]:
        self.presets.append(preset)
        yield from self.preflight

    def train(self, settings: TrainSettings, reporter: object = None, *, started: float) -> Result:
        assert started > 0
        self.runs.append(settings)
        if self.error is not None:
            raise self.error
        if reporter is not None:
            reporter.message("training")  # type: ignore[attr-defined]
        return self.result


@pytest.fixture
def training(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Training:
    """Stand in for trainer and pre-flight, in an empty working folder."""
    record = Training()
    record.preflight = [
        SimpleNamespace(name="data", status="ok", detail="20 images", step_seconds=None),
        SimpleNamespace(name="duration", status="warning", detail="about 41 days on this CPU", step_seconds=3.0),
    ]
    fake = {
        "trainer": SimpleNamespace(train=record.train),
        "preflight": SimpleNamespace(run_preflight=lambda _settings, preset: record.checked(preset)),
    }
    for name, module in fake.items():
        monkeypatch.setitem(sys.modules, f"hpcmbal.training.{name}", module)
    monkeypatch.chdir(tmp_path)
    return record


def test_standard_starts_without_another_argument(training: Training, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["train", "--preset", "standard"]) == 0
    (settings,) = training.runs
    assert settings.model.name == "hpcm-base"
    assert settings.output.save_path == Path("runs/standard")
    out = capsys.readouterr().out
    assert "  1. data: 20 images\n" in out
    assert "  2. duration: warning: about 41 days on this CPU\n" in out
    assert "training" in out


def test_no_preset_means_quickstart_and_says_so(training: Training, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["train"]) == 0
    assert training.runs[0].output.save_path == Path("runs/quickstart")
    assert "No --preset given: this is 'quickstart'" in capsys.readouterr().err


VALUES = {
    "--model-name": "hpcm-small", "--init-from": "m",
    "--lambda": "0.0067", "--train-data": "a", "--val-data": "b", "--batch-size": "3",
    "--patch-size": "192", "--num-workers": "2", "--epochs": "9", "--max-steps": "8", "--max-hours": "1.5",
    "--learning-rate": "3e-4", "--clip-max-norm": "0.5", "--seed": "11", "--device": "cuda:3", "--save-path": "c",
    "--log-dir": "d", "--checkpoint": "e", "--save-freq": "17", "--tracker": "wandb",
    "--wandb-project": "f", "--wandb-name": "g",
    "--gamma-s1": "0.1", "--gamma-s2": "0.2", "--gamma-s3": "0.3", "--w-lr": "0.4", "--scale-weights": "0.2,0.5,0.3",
    "--gamma-strategy": "cosine",
}  # fmt: skip


@pytest.mark.parametrize("flag", FLAGS)
def test_every_flag_sets_its_setting(training: Training, stored: TrainSettings, flag: str) -> None:
    del stored  # so that --checkpoint finds one
    preset = ["--preset", "hierarchical-nano", "--set", "tracking.tracker=wandb"]
    assert main(["train", *preset, flag, VALUES[flag]]) == 0
    section, _, name = FLAGS[flag].partition(".")
    value = getattr(getattr(training.runs[0], section), name)
    text = ",".join(map(str, value)) if isinstance(value, tuple) else str(value)
    assert text == VALUES[flag] or float(text) == float(VALUES[flag])


@pytest.mark.parametrize("switch", SWITCHES)
def test_every_switch_is_a_flag(training: Training, switch: str) -> None:
    assert main(["train", "--preset", "hierarchical-nano", "--init-from", "m", switch]) == 0
    assert training.runs[0].loss.tasks == "five"
    assert training.runs[0].finetune.init_strict == (switch == "--init-strict")


def test_spellings_of_the_prototype_train_the_same(training: Training) -> None:
    typed = (
        "--model_name HPCM_Base --train_dataset a --test_dataset b --lmbda 0.02 --patch_size 192 192 --use_hierarchical"
    )
    assert (
        main(["train", *typed.split(), "--gamma_s1", "0.01", "--scale_weights", "0.2", "0.5", "0.3", "--gpu_id", "1"])
        == 0
    )
    (settings,) = training.runs
    assert (settings.model.name, settings.data.train, settings.data.val) == ("hpcm-base", (Path("a"),), Path("b"))
    assert (settings.loss.lmbda, settings.data.patch_size, settings.loss.tasks) == (0.02, 192, "five")
    assert (settings.balancing.gamma_s1, settings.balancing.scale_weights) == (0.01, (0.2, 0.5, 0.3))
    assert settings.training.device == "cuda:1"


@pytest.mark.parametrize(
    ("typed", "message"),
    [
        ("--lambda -1", "--lambda -1 (loss.lmbda): must be greater than 0"),
        ("--aux_learning_rate 1e-3", "--aux-learning-rate means nothing here: HPCM has no auxiliary loss"),
        ("--preset standard --gamma-s1 0.01", "--gamma-s1 0.01 (balancing.gamma_s1): has no effect while"),
        ("--preset standart", "Preset 'standart' does not exist; perhaps you mean 'standard'"),
        ("--set lmbda=3", "--set lmbda=3: must be SECTION.FIELD=VALUE"),
        (
            "--preset hierarchical-nano --scale_weights 0.3 0.4",
            "--scale-weights 0.3,0.4 (balancing.scale_weights): must be three numbers, for example 0.3,",
        ),
        ("--seed 1 --seed 2", "--seed is given twice; it counts once."),
    ],
)
def test_wrong_settings_are_one_line_and_exit_code_2(
    training: Training, typed: str, message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    preset = [] if "--preset" in typed else ["--preset", "quickstart"]
    assert main(["train", *preset, *typed.split()]) == 2
    err = capsys.readouterr().err
    assert err.startswith(f"hpcmbal: {message}")
    assert err.count("\n") == 1
    assert not training.runs


def test_dry_run_shows_settings_with_their_origin_and_trains_nothing(
    training: Training, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["train", "--preset", "cautious", "--lambda", "0.02", "--set", "data.flips=false", "--dry-run"]
    assert main(words) == 0
    lines = capsys.readouterr().out.splitlines()
    assert "loss.lmbda = 0.02  (--lambda)" in lines
    assert "data.flips = false  (--set)" in lines
    assert "optimizer.name = cautious  (preset cautious)" in lines
    assert "data.train = null" in lines
    assert "  2. duration: warning: about 41 days on this CPU" in lines
    assert not training.runs


def test_dry_run_as_json_is_the_settings_themselves(training: Training, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["train", "--preset", "hierarchical", "--dry-run", "--json"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert TrainSettings.model_validate(report["settings"]).balancing.gamma_s2 == 0.006
    assert report["preflight"][0] == {"name": "data", "status": "ok", "detail": "20 images"}
    assert not training.runs


def test_dry_run_fails_where_the_training_would(training: Training, capsys: pytest.CaptureFixture[str]) -> None:
    training.preflight.append(
        SimpleNamespace(name="device", status="error", detail="no CUDA device", step_seconds=None)
    )
    assert main(["train", "--preset", "standard", "--dry-run"]) == 1
    assert "pre-flight failed: device" in capsys.readouterr().err


def test_the_result_as_json_leaves_standard_output_to_it(
    training: Training, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["train", "--preset", "quickstart", "--json"]) == 0
    captured = capsys.readouterr()
    assert json.loads(captured.out)["checkpoint"] == "there"
    assert "training" in captured.err
    assert training.runs


def test_an_earlier_runs_folder_is_left_alone(training: Training, capsys: pytest.CaptureFixture[str]) -> None:
    Path("runs/quickstart").mkdir(parents=True)
    Path("runs/quickstart-2").mkdir()
    assert main(["train", "--preset", "quickstart"]) == 0
    assert training.runs[0].output.save_path == Path("runs/quickstart-3")
    assert "this one goes to runs/quickstart-3" in capsys.readouterr().err


def test_a_named_folder_is_used_as_it_is(training: Training) -> None:
    Path("mine").mkdir()
    assert main(["train", "--preset", "quickstart", "--save-path", "mine"]) == 0
    assert training.runs[0].output.save_path == Path("mine")


def test_ranks_agree_on_the_folder_and_only_the_first_speaks(
    training: Training, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("WORLD_SIZE", "2")
    monkeypatch.setenv("RANK", "1")
    Path("runs/quickstart").mkdir(parents=True)
    assert main(["train"]) == 0
    assert training.runs[0].output.save_path == Path("runs/quickstart")
    assert capsys.readouterr() == ("", "")


def test_an_interrupted_training_ends_with_130(training: Training) -> None:
    training.result = Result(interrupted=True)
    assert main(["train", "--preset", "quickstart"]) == 130


def test_ctrl_c_ends_with_130_and_no_traceback(training: Training, capsys: pytest.CaptureFixture[str]) -> None:
    training.error = KeyboardInterrupt()
    assert main(["train", "--preset", "quickstart"]) == 130
    assert "Traceback" not in capsys.readouterr().err


@pytest.fixture
def stored(training: Training, monkeypatch: pytest.MonkeyPatch) -> TrainSettings:
    """Settings of a checkpoint in `elsewhere/old`, which was trained when that folder was `runs/old`."""
    del training  # it enters the empty working folder
    settings = load_train_settings("hierarchical-nano", {}, {"--save-path": "runs/old"})
    checkpoint = SimpleNamespace(folder=Path("elsewhere/old/checkpoints/step-00000007"), settings=settings)
    module = SimpleNamespace(open_checkpoint=lambda _path: checkpoint)
    monkeypatch.setitem(sys.modules, "hpcmbal.training.checkpoint", module)
    Path("elsewhere/old").mkdir(parents=True)
    return settings


@pytest.mark.parametrize("words", [["--checkpoint", "elsewhere/old"], ["--set", "output.checkpoint=elsewhere/old"]])
def test_a_checkpoint_alone_continues_its_run_with_its_settings_where_it_lies(
    training: Training, stored: TrainSettings, words: list[str]
) -> None:
    assert main(["train", *words, "--max-steps", "40000"]) == 0
    (settings,) = training.runs
    assert settings.output.save_path == Path("elsewhere/old")
    assert settings.output.checkpoint == Path("elsewhere/old")
    assert (settings.training.max_steps, settings.balancing) == (40000, stored.balancing)


def test_a_checkpoint_with_a_preset_continues_in_its_folder_with_the_presets_settings(
    training: Training, stored: TrainSettings
) -> None:
    assert main(["train", "--preset", "standard-nano", "--checkpoint", "elsewhere/old"]) == 0
    (settings,) = training.runs
    assert settings.output.save_path == Path("elsewhere/old")
    assert settings.balancing != stored.balancing


@pytest.fixture
def stored_elsewhere(stored: TrainSettings, monkeypatch: pytest.MonkeyPatch) -> None:
    """The checkpoint was trained on other images, with another seed, and logged somewhere else."""
    flags = {"--train-data": "photos", "--val-data": "held", "--seed": "3", "--log-dir": "/elsewhere/logs"}
    settings = load_train_settings(None, {}, flags, base=stored.model_dump())
    monkeypatch.setattr(sys.modules["hpcmbal.training.checkpoint"].open_checkpoint(Path()), "settings", settings)


@pytest.mark.parametrize("words", [[], ["--preset", "hierarchical-nano"]])
def test_a_resumed_run_keeps_its_images_and_seed_and_not_where_it_logged(
    training: Training, stored_elsewhere: None, words: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["train", *words, "--checkpoint", "elsewhere/old"]) == 0
    (settings,) = training.runs
    assert (settings.data.train, settings.data.val) == ((Path("photos"),), Path("held"))
    assert settings.training.seed == 3
    assert settings.output.log_dir is None
    assert "The run wrote its logs to /elsewhere/logs; now they go to the run's folder." in capsys.readouterr().err


def test_images_and_logs_given_anew_are_used(
    training: Training, stored_elsewhere: None, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["--preset", "hierarchical-nano", "--train-data", "others", "--log-dir", "here"]
    assert main(["train", *words, "--checkpoint", "elsewhere/old"]) == 0
    (settings,) = training.runs
    assert (settings.data.train, settings.data.val) == ((Path("others"),), Path("held"))
    assert settings.output.log_dir == Path("here")
    assert "wrote its logs" not in capsys.readouterr().err


def test_a_checkpoint_that_was_moved_does_not_choose_where_the_run_goes_on(
    training: Training, stored: TrainSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    checkpoint = sys.modules["hpcmbal.training.checkpoint"].open_checkpoint(Path())
    monkeypatch.setattr(checkpoint, "folder", Path("downloads/step-00000007"))
    assert main(["train", "--checkpoint", "downloads/step-00000007"]) == 0
    assert training.runs[0].output.save_path == Path("runs/run") != stored.output.save_path


@pytest.fixture
def cooldowns(monkeypatch: pytest.MonkeyPatch, stored: TrainSettings) -> list[int]:
    """Lengths of the cool-downs that were asked for; their settings are those stored, for 60 steps."""
    lengths: list[int] = []

    def cooldown_settings(_checkpoint: object, steps: int) -> TrainSettings:
        lengths.append(steps)
        return load_train_settings(
            None,
            {"output.checkpoint": "elsewhere/old", "output.save_path": "elsewhere/old-cooldown-7"},
            {"--max-steps": 60},
            base=stored.model_dump(),
        )

    monkeypatch.setitem(sys.modules, "hpcmbal.training.cooldown", SimpleNamespace(cooldown_settings=cooldown_settings))
    return lengths


def test_a_cool_down_branches_off_into_its_own_folder(training: Training, cooldowns: list[int]) -> None:
    assert main(["train", "--checkpoint", "elsewhere/old", "--cooldown", "50"]) == 0
    (settings,) = training.runs
    assert cooldowns == [50]
    assert settings.output.save_path == Path("elsewhere/old-cooldown-7")
    assert settings.output.checkpoint == Path("elsewhere/old")
    assert settings.training.max_steps == 60


def test_other_settings_of_a_cool_down_may_be_given(training: Training, cooldowns: list[int]) -> None:
    assert main(["train", "--checkpoint", "x", "--cooldown", "50", "--save-path", "mine", "--max-hours", "2"]) == 0
    (settings,) = training.runs
    assert settings.output.save_path == Path("mine")
    assert settings.output.checkpoint == Path("elsewhere/old")
    assert settings.training.max_hours == 2
    assert cooldowns == [50]


@pytest.mark.parametrize(
    ("typed", "message"),
    [
        ("--cooldown 50", "--cooldown needs the run that it branches off: give --checkpoint RUN."),
        ("--checkpoint x --cooldown 50 --max-steps 9", "decide about --max-steps; leave it out."),
        ("--checkpoint x --cooldown 50 --set schedule.name=step", "decide about --set schedule.name; leave it out."),
        ("--checkpoint x --cooldown 50 --preset standard", "decide about --preset; leave it out."),
    ],
)
def test_what_contradicts_a_cool_down_is_refused(
    training: Training, cooldowns: list[int], typed: str, message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["train", *typed.split()]) == 2
    assert message in capsys.readouterr().err
    assert not training.runs
    assert not cooldowns


def test_several_folders_are_one_training_set(training: Training) -> None:
    words = ["--train-data", "a", "--train_dataset", "b, c", "-d", "d"]
    assert main(["train", "--preset", "quickstart", *words]) == 0
    assert training.runs[0].data.train == (Path("a"), Path("b, c"), Path("d"))


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--val-data", "a", "--val-data", "b"], "--val-data is given twice; it counts once. Leave all but one out."),
        (["--lmbda", "0.1", "--lambda", "0.2", "--lambda", "0.3"], "--lambda is given 3 times"),
        (["--preset", "standard"], "--preset is given twice"),
        (["--set", "loss.lmbda=1", "--set", "loss.lmbda=2"], "loss.lmbda: is given twice with --set"),
    ],
)
def test_what_counts_once_is_refused_when_given_twice(
    training: Training, words: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["train", "--preset", "quickstart", *words]) == 2
    assert message in capsys.readouterr().err
    assert not training.runs


@pytest.mark.parametrize(
    "words", [["compress", "x.png"], ["eval"], ["presets", "show", "standard"], ["ablate", "gamma"]]
)
def test_every_command_refuses_an_option_that_is_given_twice(
    words: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    options = {"compress": ["--quality", "3", "--quality", "4"], "eval": ["-o", "a", "-o", "b"]}
    repeated = options.get(words[0], ["--nonsense", "1"])
    if words[0] == "ablate":
        repeated = ["--max-steps", "3", "--max-steps", "4"]
    assert main([*words, *repeated]) == 2
    assert ("is given twice" in capsys.readouterr().err) == (words[0] != "presets")


def test_a_switch_may_be_repeated(training: Training) -> None:
    assert main(["train", "--preset", "hierarchical-nano", "--use-hierarchical", "--use-hierarchical"]) == 0


def test_the_preflight_knows_the_preset(training: Training) -> None:
    assert main(["train", "--preset", "hierarchical-adaptive"]) == 0
    assert training.presets == ["hierarchical-adaptive"]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--preset", "quickstart", "--init-strict"], "--init-strict (finetune.init_strict): has no effect without"),
        (["--preset", "quickstart", "--set", "finetune.freeze=g_a"], "what is frozen would stay random; start from"),
        (["--preset", "quickstart", "--set", "finetune.learning_rates=g_a=0"], "the factor of g_a must be above 0"),
        (["--preset", "finetune-encoder-nano", "--set", "finetune.early_stopping=patience=0"], "early_stopping"),
        (["--checkpoint", "x", "--init-from", "y"], "--checkpoint goes on with a run and --init-from starts a new one"),
    ],
)
def test_fine_tuning_is_checked(
    training: Training, words: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["train", *words]) == 2
    assert message in capsys.readouterr().err
    assert not training.runs


def test_fine_tuning_is_typed(training: Training) -> None:
    words = ["learning_rates=g_a=1,context.s3=0.5", "freeze=g_s,h_s", "early_stopping=patience=3,per_scale=false"]
    settings = [part for word in words for part in ("--set", f"finetune.{word}")]
    assert main(["train", "--preset", "quickstart", "--init-from", "hpcm-nano", *settings]) == 0
    tuning = training.runs[0].finetune
    assert tuning.learning_rates == {"g_a": 1.0, "context.s3": 0.5}
    assert tuning.freeze == ("g_s", "h_s")
    assert tuning.early_stopping is not None
    assert (tuning.early_stopping.patience, tuning.early_stopping.per_scale) == (3, False)
