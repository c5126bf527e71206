"""Plans: every arm gets the same seeds, batches and steps, and keys hold what decides about results."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest

from hpcmbal.ablation.plan import plan as plan_module
from hpcmbal.ablation.plan.plan import Plan, cooled_settings, plan_study
from hpcmbal.ablation.plan.run_key import differences, run_key, training_key
from hpcmbal.ablation.plan.study import build_study
from hpcmbal.ablation.plan.study_file import read_study, study_names, study_path
from hpcmbal.cli.text import error_text
from hpcmbal.errors import MissingExtraError, SettingsError
from hpcmbal.settings import InvalidSettingsError, TrainSettings
from hpcmbal.training.schedule import learning_rate_factor

EXPERIMENTS = Path(__file__).parents[4] / "docs" / "experiments"


def planned(**changes: object) -> Plan:
    values = {
        "name": "test",
        "base_preset": "hierarchical-nano",
        "arms": {"low": {"balancing.gamma_s1": 0.001}, "high": {"balancing.gamma_s1": 0.1}},
        "lambdas": [0.0067, 0.013],
        "seeds": 2,
        "max_steps": 40,
        **changes,
    }
    return plan_study(build_study({key: value for key, value in values.items() if value is not None}))


def test_runs_are_all_arms_of_a_lambda_and_seed_before_the_next() -> None:
    places = [(run.arm, run.lmbda, run.seed) for run in planned().runs]
    assert places[:4] == [("low", 0.0067, 0), ("high", 0.0067, 0), ("low", 0.013, 0), ("high", 0.013, 0)]
    assert len(places) == len(set(places)) == 8


def test_arms_of_a_pair_differ_in_their_own_setting_alone() -> None:
    for low, high in zip(planned().runs[::2], planned().runs[1::2], strict=True):
        assert differences(low.settings, high.settings) == ["balancing.gamma_s1 0.001 and 0.1"]


def test_a_run_has_the_folder_and_the_settings_of_its_place() -> None:
    run = planned().runs[3]
    assert str(run.folder) == "runs/high/lmbda-0.013/seed-0"
    assert run.settings.output.save_path == Path(run.folder)
    assert (run.settings.loss.lmbda, run.settings.training.seed) == (0.013, 0)
    assert run.settings.training.max_steps == 40


def test_short_runs_keep_one_checkpoint_validate_four_times_and_log_often() -> None:
    output = planned().runs[0].settings.output
    assert (output.keep, output.validate_every, output.save_freq, output.log_every) == (1, 10, 8, 1)


def test_the_study_decides_about_output_where_it_says_so() -> None:
    output = planned(settings={"output.keep": 5, "output.validate_every": 7}).runs[0].settings.output
    assert (output.keep, output.validate_every) == (5, 7)


def test_folders_of_images_become_absolute(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    data = planned(train_data="photos", eval_data="../held").runs[0].settings.data
    assert (data.train, data.val) == ((tmp_path / "photos",), tmp_path.parent / "held")


def changed(settings: TrainSettings, section: str, **values: object) -> TrainSettings:
    return settings.model_copy(update={section: getattr(settings, section).model_copy(update=values)})


@pytest.mark.parametrize(
    ("section", "values"),
    [
        ("training", {"num_threads": 7}),
        ("training", {"device": "cuda:1"}),
        ("output", {"save_path": Path("elsewhere"), "keep": 9}),
        ("tracking", {"tracker": "wandb"}),
        ("data", {"num_workers": 3}),
        ("data", {"cache_mebibytes": 1}),
    ],
)
def test_what_only_changes_speed_or_output_does_not_change_the_key(section: str, values: dict[str, object]) -> None:
    settings = planned().runs[0].settings
    assert run_key(changed(settings, section, **values)) == run_key(settings)


@pytest.mark.parametrize(
    ("section", "values"),
    [
        ("training", {"seed": 9}),
        ("training", {"max_steps": 41}),
        ("balancing", {"gamma_s3": 0.1}),
        ("optimizer", {"learning_rate": 0.1}),
        ("data", {"train": (Path("other"),)}),
        ("model", {"name": "hpcm-small"}),
    ],
)
def test_what_changes_the_result_changes_both_keys(section: str, values: dict[str, object]) -> None:
    settings = planned().runs[0].settings
    other = changed(settings, section, **values)
    assert run_key(other) != run_key(settings)
    assert training_key(other) != training_key(settings)


def test_other_evaluation_images_need_another_evaluation_but_no_other_training() -> None:
    settings = planned().runs[0].settings
    other = changed(settings, "data", val=Path("other"))
    assert run_key(other) != run_key(settings)
    assert training_key(other) == training_key(settings)


def test_a_folder_is_the_same_however_it_is_spelled(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    settings = planned().runs[0].settings
    keys = {run_key(changed(settings, "data", train=(Path(text),))) for text in ("a", "./a", str(tmp_path / "a"))}
    assert len(keys) == 1


@pytest.mark.parametrize("name", study_names())
def test_studies_of_the_package_plan_without_problems(name: str) -> None:
    study = read_study(study_path(name))
    plan = plan_study(study)
    assert len({run.key for run in plan.runs}) == len(plan.runs) == 3 * len(plan.arms)


@pytest.mark.parametrize("path", sorted(EXPERIMENTS.glob("**/*.yaml")), ids=lambda path: path.stem)
def test_studies_of_the_documentation_plan_without_problems(path: Path) -> None:
    assert plan_study(read_study(path)).runs


def test_every_problem_is_told_by_its_place_in_the_study() -> None:
    with pytest.raises(SettingsError) as caught:
        planned(
            arms={
                "low": {"balancing.gama_s1": 0.1},
                "off": {"balancing.name": "none", "balancing.w_lr": 0.1},
                "long": {"training.max_steps": 3},
            },
            settings={"training.seed": 3, "data.batch_size": 0},
            lambdas=[-1],
        )
    message = str(caught.value)
    for part in (
        "settings.training.seed = 3: is the same in all arms: use the study's 'seeds'",
        "settings.data.batch_size = 0: must be greater than or equal to 1",
        "arms.low.balancing.gama_s1 = 0.1: is no setting; perhaps you mean 'balancing.gamma_s1'",
        "arms.off.balancing.w_lr = 0.1: has no effect while balancing.name is none",
        "arms.long.training.max_steps = 3: is the same in all arms",
        "lambdas = -1.0: must be greater than 0",
    ):
        assert message.count(part) == 1


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"arms": {"a": {"loss.metric": "ms-ssim"}, "b": {}}}, "arms.a.loss.metric.*another meaning"),
        ({"arms": {"a": {"output.keep": 2}, "b": {}}}, "is no question for a study"),
        ({"settings": {"output.save_path": "x"}}, "settings.output.save_path = x: is decided by the study's folder"),
        ({"settings": {"balancing.gamma_s1": 1}}, "settings.balancing.gamma_s1 = 1: is what the arms change"),
        ({"settings": {"balancing.aggregator": "Mean"}}, "settings.balancing.aggregator.*so it is in every arm"),
        ({"arms": {"a": {}, "b": {"balancing.gamma_s1": 0.008}}}, "arms.b: has the same settings as arm 'a'"),
        ({"grid": {"loss.lmbda": [1, 2]}}, "grid.loss.lmbda = 1,2: is the same in all arms"),
        ({"base_preset": "standard-nano"}, "arms.low.balancing.gamma_s1 = 0.001: has no effect"),
        ({"base_preset": "nothing"}, "Preset 'nothing' does not exist"),
    ],
)
def test_what_would_make_arms_incomparable_is_refused(changes: dict[str, object], message: str) -> None:
    with pytest.raises(SettingsError, match=message):
        planned(**changes)


def test_a_common_setting_may_be_in_vain_in_some_arms() -> None:
    arms = {"none": {"balancing.name": "none"}, "linear": {"balancing.name": "linear"}}
    plan = planned(arms=arms, settings={"balancing.update_every": 1})
    assert {run.settings.balancing.update_every for run in plan.runs} == {1}


def test_arms_with_other_batches_are_told() -> None:
    plan = planned(arms={"a": {"data.batch_size": 2}, "b": {}})
    assert plan.notes == (
        "Arms differ in data.batch_size: they do not see the same batches, which widens the intervals.",
    )


class TestVariableRate:
    def test_a_variable_rate_study_trains_once_for_each_arm_and_seed(self) -> None:
        plan = planned(settings={"loss.variable_rate": True}, lambdas=[0.002, 0.01, 0.02, 0.04])
        assert [(run.arm, run.lmbda, run.seed, str(run.folder)) for run in plan.runs] == [
            ("low", None, 0, "runs/low/all-rates/seed-0"),
            ("high", None, 0, "runs/high/all-rates/seed-0"),
            ("low", None, 1, "runs/low/all-rates/seed-1"),
            ("high", None, 1, "runs/high/all-rates/seed-1"),
        ]
        assert {run.lambdas for run in plan.runs} == {plan.lambdas} == {(0.002, 0.01, 0.02, 0.04)}

    def test_the_base_preset_may_say_that_the_rate_is_variable(self) -> None:
        arms = {"soap": {}, "adam": {"optimizer.name": "adam"}}
        plan = planned(base_preset="variable-nano", arms=arms, lambdas=None)
        assert len(plan.runs) == 4
        low, high = plan.runs[0].settings.lmbda_range
        assert plan.lambdas == pytest.approx([low * (high / low) ** ((q - 1) / 99) for q in (10, 30, 50, 70, 90)])

    def test_points_are_in_the_key_of_results_but_not_in_that_of_the_training(self) -> None:
        runs = [
            planned(settings={"loss.variable_rate": True}, lambdas=lambdas).runs[0]
            for lambdas in ([0.01, 0.02], [0.01, 0.03], [0.02, 0.01])
        ]
        assert len({run.training_key for run in runs}) == 1
        assert runs[0].key == runs[2].key != runs[1].key

    @pytest.mark.parametrize(
        ("changes", "message"),
        [
            ({"lambdas": [0.001, 0.01]}, r"lambdas = 0.001,0.01: lambda 0.001 lies outside 0.0018 to 0.0483"),
            ({"lambdas": None, "qualities": [0, 50]}, "qualities = 0.0,50.0: are 1 to 100, found 0"),
            ({"qualities": [10, 50]}, "give lambdas or qualities, not both"),
            ({"arms": {"a": {"loss.variable_rate": False}, "b": {}}}, "would give J another meaning"),
            ({"settings": {"loss.variable_rate": "perhaps"}}, "loss.variable_rate = perhaps: must be a valid boolean"),
        ],
    )
    def test_points_that_were_not_trained_are_refused(self, changes: dict[str, object], message: str) -> None:
        with pytest.raises(SettingsError, match=message):
            planned(**{"settings": {"loss.variable_rate": True}, **changes})


class TestHorizons:
    def test_a_run_is_stable_up_to_its_last_horizon_and_cools_down_over_a_tenth(self) -> None:
        run = planned(max_steps=None, horizons=[1000, 3000]).runs[0]
        training, schedule = run.settings.training, run.settings.schedule
        assert (training.max_steps, schedule.name, run.horizons) == (3300, "wsd", (1000, 3000))
        assert learning_rate_factor(schedule, 2999, 3300) == 1.0
        assert learning_rate_factor(schedule, 3001, 3300) < 1.0
        assert cooled_settings(run.settings, 1000).training.max_steps == 1100

    @pytest.mark.parametrize(
        ("changes", "message"),
        [
            ({}, "horizons = 10,20: say how long runs are; leave max_steps and epochs out"),
            ({"max_steps": None, "horizons": [20, 10]}, "must be rising numbers of steps"),
            ({"max_steps": None, "settings": {"schedule.name": "cosine"}}, "is decided by the study's horizons"),
            (
                {"max_steps": None, "arms": {"a": {"schedule.decay_fraction": 0.5}, "b": {}}},
                "decided by the study's hor",
            ),
        ],
    )
    def test_what_horizons_decide_is_not_decided_twice(self, changes: dict[str, object], message: str) -> None:
        with pytest.raises(SettingsError, match=message):
            planned(**{"horizons": [10, 20], **changes})


@pytest.fixture
def without_torchjd(monkeypatch: pytest.MonkeyPatch) -> None:
    real = importlib.util.find_spec
    monkeypatch.setattr(
        plan_module.importlib.util, "find_spec", lambda name, *rest: None if name == "torchjd" else real(name, *rest)
    )


def test_an_optional_arm_without_its_package_is_left_out_and_said_so(without_torchjd: None) -> None:
    plan = plan_study(read_study(study_path("balancing")))
    assert plan.arms == ("none", "linear", "log1p", "log", "qp")
    assert plan.notes[0].startswith("Arm 'torchjd' needs the optional extra 'torchjd'")
    assert "pip install 'hpcmbal[torchjd]'" in plan.notes[0]


def test_an_arm_that_was_asked_for_is_not_left_out(without_torchjd: None) -> None:
    with pytest.raises(MissingExtraError, match="Arm 'jd' needs the optional extra 'torchjd'"):
        planned(arms={"jd": {"balancing.name": "torchjd"}, "b": {}})


def test_problems_of_a_studys_file_are_told_one_a_line(tmp_path: Path) -> None:
    path = tmp_path / "two.yaml"
    path.write_text("name: /abs\nbase_preset: standard-nano\narms: {'../b': {}}\n", encoding="utf-8")
    with pytest.raises(InvalidSettingsError, match=r"Study .*two\.yaml: 2 problems") as caught:
        read_study(path)
    assert len(error_text(caught.value).splitlines()) == 3


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"lambdas": [0.013, 0.01300000001]}, "lambdas = .*: must differ in their first six digits"),
        (
            {"arms": {"a": {}, "b": {"balancing": {"w_lr": 0}}}},
            r"arms.b.balancing: is a section.*'balancing.w_lr: ",
        ),
        ({"max_steps": True}, "max_steps = true: must be a number, not a truth value"),
        ({"lambdas": [True, 0.5]}, "lambdas = .*: must be a number, not a truth value"),
        (
            {"arms": {"a": {}, "b": {"finetune.learning_rates": {"g_a": True}}}, "base_preset": "finetune-nano"},
            "arms.b.finetune.learning_rates = .*: must be a number, not a truth value",
        ),
        ({"train_data": ""}, "train_data = .*: must not be empty"),
        ({"seeds": 2.0}, "seeds = 2.0: must be a list"),
    ],
)
def test_values_that_nobody_means_are_refused(changes: dict[str, object], told: str) -> None:
    with pytest.raises(InvalidSettingsError, match=told) as caught:
        planned(**changes)
    assert len(caught.value.problems) == 1


@pytest.mark.parametrize(
    ("tuning", "changes", "told"),
    [
        ({"early_stopping": "patience=1"}, {"max_steps": None, "horizons": [2, 6]}, "would end a training before its"),
        ({"early_stopping": "patience=5"}, {}, "its patience is 5 validations, and a run has 4 after its start"),
        ({"learning_rates": {"nix": 2.0}}, {}, "nix: is no part of this network"),
        ({"init_from": "nix"}, {}, "There is no model 'nix'"),
    ],
)
def test_fine_tuning_that_cannot_work_is_refused_with_its_arm(
    tuning: dict[str, object], changes: dict[str, object], told: str
) -> None:
    arms = {"plain": {}, "tuned": {f"finetune.{name}": value for name, value in tuning.items()}}
    with pytest.raises(InvalidSettingsError, match=rf"arms\.tuned\.finetune.*{told}"):
        planned(base_preset="finetune-nano", arms=arms, lambdas=[0.0067, 0.013], **changes)


def test_early_stopping_that_can_stop_is_planned() -> None:
    arms = {"plain": {}, "tuned": {"finetune.early_stopping": "patience=3"}}
    assert len(planned(base_preset="finetune-nano", arms=arms, lambdas=[0.0067, 0.013]).runs) == 4
