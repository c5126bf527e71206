"""Studies from values and files: arms, grids, and every problem told at once."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from reader_fuzz import reader_fuzz

from hpcmbal.ablation.plan.plan import plan_study
from hpcmbal.ablation.plan.study import Study, build_study
from hpcmbal.ablation.plan.study_file import read_study, study_names, study_path, study_text
from hpcmbal.errors import SettingsError
from hpcmbal.settings import preset_names

ARMS = {
    "gamma": ["uniform", "increasing", "decreasing"],
    "scale-weights": ["equal", "s1", "s2", "s3"],
    "strategy": ["fixed", "linear", "cosine", "adaptive", "hierarchical"],
    "balancing-long": ["standard", "emphasis", "hierarchical-adaptive"],
    "balancing": ["none", "linear", "log1p", "log", "qp", "torchjd"],
    "optimizer": ["adam", "cautious", "soap", "muon"],
    "decomposition": ["measured", "fixed", "learned"],
    "finetune": [
        *("everything", "layer-wise", "layer-decay", "frozen-entropy-model", "context-only", "encoder-only"),
        *("per-scale-stopping", "distillation"),
    ],
}


def names(study: Study) -> list[str]:
    return [arm.name for arm in study.variants]


def test_the_studies_that_come_with_the_package_are_those_of_the_documentation() -> None:
    assert set(study_names()) == set(ARMS)


@pytest.mark.parametrize("name", ARMS)
def test_a_study_of_the_package_has_its_arms_and_states_everything_that_a_copy_needs(name: str) -> None:
    study = read_study(study_path(name))
    assert names(study) == ARMS[name]
    assert study.reference_arm == ARMS[name][0]
    assert study.question.endswith("?")
    assert study.max_steps is not None or study.horizons
    assert len(study.seeds) == 3


def test_studies_are_not_taken_for_presets() -> None:
    assert not set(study_names()) & set(preset_names())


def test_gammas_and_weights_are_those_that_were_asked_for() -> None:
    gammas = [list(arm.changes.values()) for arm in read_study(study_path("gamma")).variants]
    assert gammas == [[0.006, 0.006, 0.006], [0.004, 0.006, 0.008], [0.008, 0.006, 0.004]]
    weights = [arm.changes["balancing.scale_weights"] for arm in read_study(study_path("scale-weights")).variants]
    assert weights == [[0.33, 0.33, 0.34], [0.5, 0.3, 0.2], [0.3, 0.4, 0.3], [0.2, 0.3, 0.5]]


def test_a_grid_is_every_combination_named_by_its_values() -> None:
    study = build_study(
        {"name": "s", "base_preset": "p", "grid": {"balancing.w_lr": [0.01, 0.02], "optimizer.name": ["adam", "soap"]}}
    )
    assert names(study) == ["w_lr=0.01,name=adam", "w_lr=0.01,name=soap", "w_lr=0.02,name=adam", "w_lr=0.02,name=soap"]
    assert study.variants[1].changes == {"balancing.w_lr": 0.01, "optimizer.name": "soap"}


def test_fields_of_the_same_name_keep_their_section() -> None:
    study = build_study(
        {"name": "s", "base_preset": "p", "grid": {"balancing.name": ["qp"], "optimizer.name": ["adam", "soap"]}}
    )
    assert names(study) == ["balancing.name=qp,optimizer.name=adam", "balancing.name=qp,optimizer.name=soap"]


def test_arms_and_grid_are_multiplied() -> None:
    study = build_study(
        {
            "name": "s",
            "base_preset": "p",
            "arms": {"a": {"balancing.gamma_s1": 0.1}, "b": {}},
            "grid": {"balancing.scale_weights": [[0.5, 0.3, 0.2], [0.2, 0.3, 0.5]]},
        }
    )
    assert names(study)[0] == "a,scale_weights=0.5-0.3-0.2"
    assert len(study.variants) == 4
    assert study.variants[0].changes.keys() == {"balancing.gamma_s1", "balancing.scale_weights"}


@pytest.mark.parametrize(("given", "seeds"), [(3, (0, 1, 2)), ("2", (0, 1)), ("4,7", (4, 7)), ([5, 1], (5, 1))])
def test_seeds_are_a_number_of_them_or_a_list(given: object, seeds: tuple[int, ...]) -> None:
    assert build_study({"name": "s", "base_preset": "p", "arms": {"a": {}}, "seeds": given}).seeds == seeds


def test_all_problems_are_told_together_with_path_and_value() -> None:
    with pytest.raises(SettingsError) as caught:
        build_study({"name": "s", "base_preset": "p", "arms": {"a b": {}}, "lambda": [1], "seeds": 0, "max_steps": "x"})
    message = str(caught.value)
    assert "lambda = 1: is no field of a study; perhaps you mean 'lambdas'" in message
    assert "seeds = 0: must be at least 1" in message
    assert "max_steps = x: must be a valid integer" in message
    assert "'a b' should be 1 to 150 letters" in message


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"arms": {}}, "a study needs arms"),
        ({"reference": "unform"}, "reference = unform: 'unform' is no arm; perhaps you mean 'uniform'"),
        ({"optional_arms": ["torch"]}, "'torch' is no arm"),
        ({"epochs": 1, "max_steps": 3}, "give max_steps or epochs, not both"),
        ({"lambdas": "0.1,0.1"}, "without repetition"),
        ({"grid": {"loss.tasks": []}}, "loss.tasks needs a list of at least one value"),
    ],
)
def test_fields_that_contradict_each_other(changes: dict[str, object], message: str) -> None:
    values = {"name": "s", "base_preset": "p", "arms": {"uniform": {}, "other": {}}, **changes}
    with pytest.raises(SettingsError, match=message):
        build_study(values)


def test_what_is_written_reads_back_as_the_same_study(tmp_path: Path) -> None:
    for name in study_names():
        study = read_study(study_path(name), {"seeds": "1,5", "settings": {"balancing.w_lr": "0.1"}})
        copy = tmp_path / "study.yaml"
        copy.write_text(study_text(study), encoding="utf-8")
        assert read_study(copy) == study


def test_options_replace_fields_and_add_settings(tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text(
        "base_preset: hierarchical-nano\narms: {a: {}}\nmax_steps: 9\n"
        "settings: {balancing.w_lr: 0.1, data.batch_size: 4}\n",
        encoding="utf-8",
    )
    study = read_study(path, {"epochs": "2", "lambdas": None, "settings": {"data.batch_size": "2"}})
    assert study.name == "mine"
    assert (study.epochs, study.max_steps) == (2, None)
    assert study.settings == {"balancing.w_lr": 0.1, "data.batch_size": "2"}


def test_a_preset_beside_the_study_is_found(tmp_path: Path) -> None:
    (tmp_path / "base.yaml").write_text("extends: hierarchical-nano\ntraining: {max_steps: 7}\n", encoding="utf-8")
    (tmp_path / "mine.yaml").write_text("base_preset: base.yaml\narms: {a: {}}\n", encoding="utf-8")
    plan = plan_study(read_study(tmp_path / "mine.yaml"))
    assert plan.runs[0].settings.training.max_steps == 7


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("arms: {a: {}, a: {}}", "'a' is given twice"),
        ("- 1", "must hold fields with values, found list"),
        ("arms: [", "is not valid YAML"),
        ("base_preset: p\narms: {off: {}, 'on': {}}", "arms.False: is a bool to YAML, not a name; put it into quotes"),
    ],
)
def test_a_file_that_is_no_study(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "bad.yaml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(SettingsError, match=message):
        read_study(path)


def test_an_unknown_study_is_told_with_those_that_exist() -> None:
    with pytest.raises(SettingsError, match="'gama' does not exist; perhaps you mean 'gamma'"):
        study_path("gama")


def test_an_arm_may_build_on_another_by_a_merge_key(tmp_path: Path) -> None:
    """What stands beside `<<` wins over what it brings, and that is no repetition."""
    path = tmp_path / "mine.yaml"
    path.write_text(
        "base_preset: hierarchical-nano\n"
        "arms:\n"
        "  slow: &slow {balancing.w_lr: 0.01, balancing.update_every: 16}\n"
        "  fast: {<<: *slow, balancing.w_lr: 0.1}\n",
        encoding="utf-8",
    )
    _, fast = read_study(path).variants
    assert fast.changes == {"balancing.w_lr": 0.1, "balancing.update_every": 16}


class TestSizes:
    @pytest.mark.parametrize(
        ("changes", "message"),
        [
            ({"seeds": 1_000_000_000}, "seeds = 1000000000: are more than 1,000; HPCMBAL_MAX_SEEDS raises this limit"),
            ({"seeds": list(range(2000))}, "are more than 1,000"),
            ({"seeds": 900, "lambdas": [0.001 * i for i in range(1, 100)]}, "89,100 results in all, more than 20,000"),
            ({"grid": {f"balancing.x{i}": list(range(10)) for i in range(5)}}, "makes 100,000 arms, more than 500"),
            ({"grid": {f"balancing.x{i}": list(range(10)) for i in range(300)}}, "HPCMBAL_MAX_ARMS raises this limit"),
        ],
    )
    def test_what_was_hardly_meant_is_refused_with_its_limit(self, changes: dict[str, object], message: str) -> None:
        with pytest.raises(SettingsError, match=message):
            build_study({"name": "s", "base_preset": "p", "arms": {"a": {}}, **changes})

    def test_limits_can_be_raised(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("HPCMBAL_MAX_SEEDS", "2000")
        assert len(build_study({"name": "s", "base_preset": "p", "arms": {"a": {}}, "seeds": 2000}).seeds) == 2000


@pytest.mark.parametrize("name", ["x/../../y", "../y", "", "a b", "a\n", "x" * 151, "é"])
def test_a_name_that_would_leave_its_folder_is_refused(name: str) -> None:
    with pytest.raises(SettingsError, match=r"(?s)name.*: should be 1 to 150 letters, digits"):
        build_study({"name": name, "base_preset": "p", "arms": {"a": {}}})


@pytest.mark.parametrize(
    ("grid", "message"),
    [
        ({"model.name": ["a\\b"]}, r"gives an arm the name 'name=a.b', which should be 1 to 150 letters"),
        ({"model.name": ["x" * 200]}, "which should be 1 to 150 letters"),
        ({"model.name": ["a", "a"]}, "gives two arms the name 'name=a'"),
    ],
)
def test_a_grid_gives_names_that_folders_can_have(grid: dict[str, object], message: str) -> None:
    with pytest.raises(SettingsError, match=message):
        build_study({"name": "s", "base_preset": "p", "grid": grid})


PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8) | st.just(10**400),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=4),
    max_leaves=10,
)


@pytest.mark.slow
@reader_fuzz(60)
@given(values=st.dictionaries(st.sampled_from([*Study.model_fields, "other"]), PLAIN, max_size=5))
def test_any_values_are_a_study_or_problems(values: dict[str, object]) -> None:
    with suppress(SettingsError):
        assert build_study({"name": "s", "base_preset": "p", "arms": {"a": {}}, **values}).variants
