"""What keeps the arms of a study comparable, and its settings from being in vain."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from hpcmbal.ablation.plan.run_key import training_key
from hpcmbal.ablation.plan.study import Arm, Study
from hpcmbal.settings import TrainSettings
from hpcmbal.settings.check import sections_of, settings_without_effect
from hpcmbal.settings.layers import Entry
from hpcmbal.settings.problems import Problem, Source

OF_THE_STUDY = {
    "loss.lmbda": "lambdas",
    "training.seed": "seeds",
    "training.max_steps": "max_steps",
    "training.epochs": "epochs",
    "training.max_hours": "max_steps",
    "data.train": "train_data",
    "data.val": "eval_data",
}
"""Settings that are fields of the study, because every arm must have them alike."""

OF_THE_FOLDER = ("output.save_path", "output.log_dir", "output.checkpoint")

OF_HORIZONS = ("schedule.name", "schedule.decay_fraction", "schedule.decay_start", "schedule.decay_from")
"""Settings that a study with horizons decides: stable, and down over a tenth of the horizon."""

CHANGES_THE_TASK = ("loss.metric", "loss.variable_rate", "loss.lmbda_min", "loss.lmbda_max")
"""Settings that no arm may change: J would mean something else in it."""

CHANGES_THE_BATCHES = (
    "data.batch_size", "data.patch_size", "data.flips", "data.min_downscale", "data.drawn_fraction",
    "training.accumulate",
)  # fmt: skip
"""Settings that an arm may change, at the price that its batches are no longer those of the other arms."""


def misplaced(study: Study) -> list[Problem]:
    """Settings in a place where they would make arms incomparable, and those that the study decides itself."""
    stated = [(f"settings.{path}", path, value) for path, value in study.settings.items()]
    stated += [(f"arms.{arm}.{path}", path, value) for arm, part in study.arms.items() for path, value in part.items()]
    stated += [(f"grid.{path}", path, values) for path, values in study.grid.items()]
    rules = [
        (where, value, _misplaced(path, common=where.startswith("settings."), horizons=bool(study.horizons)))
        for where, path, value in stated
    ]
    overruled = [path for path in study.settings if all(path in arm.changes for arm in study.variants)]
    return [Problem(where, value, rule) for where, value, rule in rules if rule is not None] + [
        Problem(f"settings.{path}", study.settings[path], "is what the arms change; change it there")
        for path in overruled
    ]


def nested(study: Study) -> list[Problem]:
    """Sections, as presets have them (`balancing: {w_lr: 0}`), in place of settings by path (`balancing.w_lr: 0`)."""
    stated = [(f"settings.{path}", path, value) for path, value in study.settings.items()]
    stated += [(f"arms.{arm}.{path}", path, value) for arm, part in study.arms.items() for path, value in part.items()]
    return [
        Problem(where, None, f"is a section; write its settings by path: '{path}.{next(iter(value))}: ...'")
        for where, path, value in stated
        if path in sections_of(TrainSettings) and isinstance(value, Mapping) and value
    ]


def _misplaced(path: str, *, common: bool, horizons: bool) -> str | None:
    if horizons and path in OF_HORIZONS:
        return "is decided by the study's horizons: the rate is stable, and falls over a tenth of each"
    if path in OF_THE_STUDY:
        return f"is the same in all arms: use the study's '{OF_THE_STUDY[path]}'"
    if path in OF_THE_FOLDER:
        return "is decided by the study's folder"
    return None if common else _no_question(path)


def _no_question(path: str) -> str | None:
    """Why an arm must not change a setting that is fine where it holds for all arms."""
    if path in CHANGES_THE_TASK:
        return "would give J another meaning in this arm; put it under 'settings', for all arms"
    if path.startswith(("output.", "tracking.")):
        return "is no question for a study; put it under 'settings'"
    return None


def located(problem: Problem, arm: Arm, study: Study) -> Problem:
    """A setting's problem, told by the place in the study that it comes from."""
    path, rule = problem.path, problem.rule.partition("; add ")[0]
    name = OF_THE_STUDY.get(path)
    if path in study.grid:
        where = f"grid.{path}"
    elif path in arm.changes:
        where = f"arms.{arm.base}.{path}"
    elif path in study.settings:
        where = f"settings.{path}"
    elif name is not None and (name == "lambdas" or getattr(study, name) is not None):
        where = name
    else:
        where = f"{path} (base_preset {study.base_preset})"
    return Problem(where, problem.value, rule)


def in_vain(study: Study, settings: Sequence[TrainSettings]) -> list[Problem]:
    """Common settings that cannot do anything in any arm; those that do nothing in one arm are fine."""
    problems = []
    for path, value in study.settings.items():
        layer = {path: Entry(value, Source("set"))}
        found = [settings_without_effect(TrainSettings, layer, _getter(item), frozenset()) for item in settings]
        if all(found):
            rule = found[0][0].rule.partition("; add ")[0]
            problems.append(Problem(f"settings.{path}", value, f"{rule}; so it is in every arm"))
    return problems


def alike(settings: Mapping[str, TrainSettings]) -> list[Problem]:
    """Arms that are one and the same, by their settings at one lambda: comparing them would show equal numbers."""
    first: dict[str, str] = {}
    problems = []
    for arm, its_settings in settings.items():
        key = training_key(its_settings)
        if key in first:
            problems.append(Problem(f"arms.{arm}", None, f"has the same settings as arm '{first[key]}'"))
        first.setdefault(key, arm)
    return problems


def batch_notes(arms: Sequence[Arm]) -> list[str]:
    """A warning if the arms do not see the same batches."""
    paths = [path for path in CHANGES_THE_BATCHES if any(path in arm.changes for arm in arms)]
    if not paths:
        return []
    return [f"Arms differ in {', '.join(paths)}: they do not see the same batches, which widens the intervals."]


def _getter(settings: TrainSettings) -> Callable[[str], object]:
    def value_of(path: str) -> object:
        section, _, field = path.partition(".")
        return getattr(getattr(settings, section), field)

    return value_of
