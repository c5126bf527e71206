"""Resolving settings: which source wins, and what is refused."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from hpcmbal.errors import SettingsError
from hpcmbal.settings import (
    EvalSettings,
    InvalidSettingsError,
    TrainSettings,
    load_eval_settings,
    load_train_settings,
    parse_assignments,
    resolve_train_settings,
    setting_paths,
)
from hpcmbal.settings.study import StudySettings


def preset_file(folder: Path, text: str) -> str:
    path = folder / "mine.yaml"
    path.write_text(text, encoding="utf-8")
    return str(path)


def test_defaults_alone_lack_a_length() -> None:
    with pytest.raises(
        SettingsError, match=r"length of the training is missing; give training.max_steps or training.epochs"
    ):
        load_train_settings()


@pytest.mark.parametrize(
    ("overrides", "flags", "expected"),
    [
        ({}, {}, 0.02),
        ({"loss.lmbda": 0.03}, {}, 0.03),
        ({"loss.lmbda": 0.03}, {"--lambda": "0.04"}, 0.04),
        ({"loss.lmbda": 0.03}, {"--lambda": None}, 0.03),
    ],
)
def test_preset_beats_default_set_beats_preset_and_flag_beats_set(
    tmp_path: Path, overrides: dict[str, object], flags: dict[str, object], expected: float
) -> None:
    preset = preset_file(tmp_path, "loss: {lmbda: 0.02}\ntraining: {max_steps: 5}\n")
    assert load_train_settings(preset, overrides, flags).loss.lmbda == expected


def test_sources_name_who_set_a_value() -> None:
    resolved = resolve_train_settings("cautious", {"loss.lmbda": 0.03}, {"--seed": "4"})
    assert str(resolved.sources["optimizer.name"].label) == "cautious"
    assert resolved.sources["model.name"].label == "standard"
    assert resolved.sources["loss.lmbda"].kind == "set"
    assert resolved.sources["training.seed"].label == "--seed"
    assert "data.flips" not in resolved.sources


def test_all_problems_are_reported_together_with_path_value_and_rule() -> None:
    with pytest.raises(InvalidSettingsError, match="4 problems") as caught:
        load_train_settings(
            "standard", {"data.patch_size": "x", "optimiser.name": "soap"}, {"--lambda": "-1", "--gamma-s1": "0.01"}
        )
    found = {problem.path: problem.value for problem in caught.value.problems}
    assert found == {
        "data.patch_size": "x",
        "optimiser.name": "soap",
        "loss.lmbda": "-1",
        "balancing.gamma_s1": "0.01",
    }
    message = str(caught.value)
    assert "--lambda -1 (loss.lmbda): must be greater than 0" in message
    assert "optimiser.name = soap: is no setting; perhaps you mean 'optimizer.name'" in message


def test_what_was_typed_is_told_as_it_was_typed() -> None:
    with pytest.raises(SettingsError, match=r"^--set optimiser.name=soap: is no setting; perhaps you mean"):
        load_train_settings("standard", {"optimiser.name": "soap"}, typed=True)


def test_a_typo_in_a_preset_names_the_preset_and_the_nearest_setting(tmp_path: Path) -> None:
    preset = preset_file(tmp_path, "optimizer: {lerning_rate: 1.0e-4}\ntraining: {max_steps: 5}\n")
    with pytest.raises(SettingsError, match=r"lerning_rate = 0.0001 in preset 'mine': .*'optimizer.learning_rate'"):
        load_train_settings(preset)


def test_an_unknown_name_lists_those_that_exist() -> None:
    with pytest.raises(SettingsError, match=r"optimizer.name = sgd: must be one of adam, cautious, soap, muon"):
        load_train_settings("quickstart", {"optimizer.name": "sgd"})


def test_a_length_given_by_the_user_replaces_the_other_length_of_the_preset() -> None:
    assert load_train_settings("quickstart").training.epochs is None
    training = load_train_settings("quickstart", {}, {"--epochs": "5"}).training
    assert (training.epochs, training.max_steps) == (5, None)
    both = load_train_settings("quickstart", {}, {"--epochs": "5", "--max-steps": "7"}).training
    assert (both.epochs, both.max_steps) == (5, 7)


def test_save_path_follows_the_preset_unless_given() -> None:
    assert load_train_settings("standard-nano").output.save_path == Path("runs/standard-nano")
    assert load_train_settings("standard-nano", {}, {"--save-path": "x"}).output.save_path == Path("x")


@pytest.mark.parametrize("text", ["0.2,0.5,0.3", "[0.2, 0.5, 0.3]", "0.2 0.5 0.3"])
def test_lists_may_be_typed_as_one_likes(text: str) -> None:
    settings = load_train_settings("hierarchical", {}, {"--scale-weights": text})
    assert settings.balancing.scale_weights == (0.2, 0.5, 0.3)


def test_model_names_of_the_prototype_are_understood() -> None:
    assert load_train_settings("standard", {}, {"--model-name": "HPCM_Large"}).model.name == "hpcm-large"


def test_use_hierarchical_turns_five_balanced_tasks_on() -> None:
    settings = load_train_settings("quickstart", {}, {"--use-hierarchical": True, "--gamma-s3": "0.001"})
    assert (settings.loss.tasks, settings.balancing.name, settings.balancing.gamma_s3) == ("five", "linear", 0.001)


def test_use_hierarchical_keeps_a_balancing_that_is_there() -> None:
    settings = load_train_settings("quickstart", {"balancing.name": "log1p"}, {"--use-hierarchical": True})
    assert (settings.loss.tasks, settings.balancing.name) == ("five", "log1p")


@pytest.mark.parametrize(
    ("preset", "flags", "expected"),
    [
        ("hierarchical", {}, "adaptive"),
        ("hierarchical-adaptive", {}, "hierarchical"),
        ("hierarchical", {"--gamma-strategy": "cosine"}, "cosine"),
    ],
)
def test_adaptive_gamma_chooses_a_strategy_only_where_none_is_chosen(
    preset: str, flags: dict[str, object], expected: str
) -> None:
    settings = load_train_settings(preset, {}, {"--adaptive-gamma": True, **flags})
    assert settings.balancing.gamma_strategy == expected


def test_adaptive_gamma_contradicts_a_fixed_strategy() -> None:
    with pytest.raises(SettingsError, match=r"--adaptive-gamma .*contradicts --gamma-strategy fixed"):
        load_train_settings("hierarchical", {}, {"--adaptive-gamma": True, "--gamma-strategy": "fixed"})


@pytest.mark.parametrize(
    ("overrides", "rule"),
    [
        ({"balancing.name": "linear"}, r"loss.tasks = total.*: balancing 'linear' needs several tasks"),
        ({"loss.metric": "ms-ssim"}, r"data.patch_size = 128.*: ms-ssim needs patches of at least 176 pixels"),
        ({"loss.variable_rate": True, "model.name": "hpcm-base"}, r"model.name = hpcm-base: has one rate"),
        ({"loss.variable_rate": True, "loss.lmbda_max": 0.06}, r"loss.lmbda_max = 0.06: must not exceed 0.0483"),
        ({"loss.variable_rate": True, "loss.lmbda_min": 0.04, "loss.lmbda_max": 0.03}, r"lmbda_min 0.04 must be below"),
        ({"optimizer.betas": "0.9,1.0"}, r"optimizer.betas = 0.9,1.0: must be two numbers in \[0, 1\)"),
        ({"schedule.name": "step", "schedule.milestones": "0.8,0.2"}, r"must be rising fractions"),
        (
            {"training.device": "gpu"},
            r"training.device = gpu: must be auto \(a GPU if there is one\), cpu, cuda, or one GPU",
        ),
        ({"loss.lmbda": "nan"}, r"loss.lmbda = nan: must be a finite number"),
    ],
)
def test_settings_that_do_not_go_together_are_refused(overrides: dict[str, object], rule: str) -> None:
    with pytest.raises(SettingsError, match=rule):
        load_train_settings("standard-nano", overrides)


def test_run_settings_are_frozen_and_refuse_unknown_keys() -> None:
    settings = load_train_settings("quickstart")
    with pytest.raises(ValidationError, match="frozen"):
        settings.loss.lmbda = 1.0  # type: ignore[misc]
    with pytest.raises(SettingsError, match="los.lmbda = 1: is no setting; perhaps you mean 'loss.lmbda'"):
        TrainSettings.model_validate({"training": {"max_steps": 1}, "los": {"lmbda": 1}})


def test_contradictions_are_found_without_the_loader_too() -> None:
    with pytest.raises(SettingsError, match="balancing 'qp' needs several tasks; use loss.tasks=five"):
        TrainSettings.model_validate({"training": {"max_steps": 1}, "balancing": {"name": "qp"}})


@given(st.floats(1e-6, 1e3), st.integers(1, 10**6), st.sampled_from(["none", "linear", "log1p"]))
def test_settings_survive_json(lmbda: float, steps: int, balancing: str) -> None:
    overrides = {"loss.lmbda": lmbda, "training.max_steps": steps, "balancing.name": balancing, "loss.tasks": "five"}
    settings = load_train_settings(None, overrides)
    assert TrainSettings.model_validate_json(settings.model_dump_json()) == settings


def test_stored_settings_are_a_base_that_flags_change() -> None:
    stored = load_train_settings("hierarchical-nano", {}, {"--save-path": "there", "--seed": "3"})
    settings = load_train_settings(None, {}, {"--max-steps": "9"}, base=stored.model_dump())
    assert settings.training.max_steps == 9
    assert settings.model_copy(update={"training": stored.training}) == stored


def test_assignments_are_split_at_the_first_equals_sign() -> None:
    assert parse_assignments(["tracking.wandb_name=a=b", "data.train=null"]) == {
        "tracking.wandb_name": "a=b",
        "data.train": None,
    }


@pytest.mark.parametrize("text", ["lmbda=3", "loss.lmbda", "a.b.c=1"])
def test_an_assignment_of_another_form_is_refused(text: str) -> None:
    with pytest.raises(SettingsError, match=rf"--set {text}: must be SECTION.FIELD=VALUE"):
        parse_assignments([text])


def test_every_setting_has_help_text() -> None:
    descriptions = setting_paths(TrainSettings).values()
    assert all(len(description) > 10 and description.endswith(".") for description in descriptions)


def test_a_lambda_of_mse_is_refused_for_ms_ssim() -> None:
    overrides = {"loss.metric": "ms-ssim", "data.patch_size": 192}
    with pytest.raises(SettingsError, match=r"a lambda of mse; published ms-ssim models use 2\.4 to 60\.5"):
        load_train_settings("quickstart", overrides)
    assert load_train_settings("quickstart", overrides | {"loss.lmbda": 2.4}).loss.lmbda == 2.4


def test_a_length_in_steps_or_epochs_takes_the_place_of_a_presets_time_limit() -> None:
    assert load_train_settings("quickstart").training.max_hours is not None
    assert load_train_settings("quickstart", {}, {"--max-steps": "9"}).training.max_hours is None
    assert load_train_settings("quickstart", {}, {"--epochs": "9"}).training.max_hours is None
    both = load_train_settings("quickstart", {}, {"--max-steps": "9", "--max-hours": "2"}).training
    assert (both.max_steps, both.max_hours) == (9, 2)
    limited = load_train_settings("standard-nano", {}, {"--max-hours": "2"}).training
    assert (limited.max_steps, limited.max_hours) == (30000, 2)


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (
            {"schedule.name": "cosine"},
            r"schedule.name = cosine: depends on the number of steps; give training.max_steps",
        ),
        ({"training.max_hours": None}, r"training.max_steps.*: the length of the training is missing"),
        (
            {"loss.tasks": "five", "balancing.name": "linear", "balancing.gamma_strategy": "cosine"},
            r"balancing.gamma_strategy = cosine: depends on the number of steps",
        ),
        (
            {"loss.tasks": "five", "balancing.name": "linear", "balancing.anneal_from": 0.8},
            r"balancing.anneal_from = 0.8: depends on the number of steps",
        ),
    ],
)
def test_what_needs_a_number_of_steps_is_refused_without_one(overrides: dict[str, object], message: str) -> None:
    with pytest.raises(SettingsError, match=message):
        load_train_settings("quickstart", overrides)


@pytest.mark.parametrize("typed", ["jpeg,webp", "[jpeg, webp]", "jpeg,webp,jpeg"])
def test_names_of_an_evaluation_may_be_typed_as_a_list(typed: str) -> None:
    assert load_eval_settings(None, [f"anchor={typed}", "data=photos"]).anchor == ("jpeg", "webp")


def test_a_model_given_twice_is_one_curve() -> None:
    settings = load_eval_settings(None, [], {"model": ("a", "b", "a"), "data": (Path("photos"),)})
    assert settings.model == ("a", "b")
    assert EvalSettings(model=Path("a"), data=(Path("photos"),)).model == ("a",)  # type: ignore[arg-type]


def test_assignments_of_an_evaluation_are_told_all_at_once() -> None:
    with pytest.raises(SettingsError, match=r"(?s)limit.*given twice.*must be FIELD=VALUE"):
        load_eval_settings(None, ["limit=1", "limit=2", "viewer"])


@pytest.mark.parametrize(
    ("field", "typed", "found"),
    [
        ("seeds", "[0, 1]", (0, 1)),
        ("seeds", "0 1", (0, 1)),
        ("seeds", "2", (0, 1)),
        ("horizons", "[100, 200]", (100, 200)),
        ("horizons", "100,200,", (100, 200)),
        ("horizons", 100, (100,)),
        ("lambdas", "[0.1, 0.2]", (0.1, 0.2)),
    ],
)
def test_lists_are_typed_alike_everywhere(field: str, typed: object, found: tuple[float, ...]) -> None:
    assert getattr(StudySettings.model_validate({"study": "gamma", field: typed}), field) == found


@pytest.mark.parametrize("text", ["[" * 3000, "{a: 1, a: 2}", "{a: &x [1], b: *y}", "1", "{a: {b: 1}}"])
def test_options_are_read_as_carefully_as_files(text: str) -> None:
    with pytest.raises(SettingsError, match=r"optimizer\.options"):
        load_train_settings("standard-nano", {"optimizer.options": text})
