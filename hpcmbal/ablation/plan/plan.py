"""From a study to its runs: which settings, which folder, which key. Nothing is read but presets, nothing is run."""

from __future__ import annotations

import importlib.util
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from hpcmbal.ablation.plan.comparability import alike, batch_notes, in_vain, located, misplaced, nested
from hpcmbal.ablation.plan.fine_tuning import fine_tuning_problems
from hpcmbal.ablation.plan.points import LMBDA, curve_lambdas, is_variable_rate, points_problems
from hpcmbal.ablation.plan.run_key import run_key, training_key
from hpcmbal.ablation.plan.study import Arm, Study
from hpcmbal.errors import CheckpointError, HpcmbalError, MissingExtraError
from hpcmbal.settings import TrainSettings, load_train_settings, read_preset
from hpcmbal.settings.layers import Entry, Layer, merge
from hpcmbal.settings.problems import InvalidSettingsError, Problem, Source, check_none
from hpcmbal.settings.section import expanded

RUNS = "runs"
"""Folder of a study that holds its runs."""
ALL_RATES = "all-rates"
"""Folder of an arm that holds its variable-rate runs, as `lmbda-0.013` holds those of one lambda."""
COOL_DOWN = 10
"""A cool-down takes one step for so many of its horizon."""

VALIDATIONS = 4
"""Validations of a run after the one before its first step."""
SAVES = 5
"""Checkpoints that a run writes on its way, of which it keeps the newest."""
LINES = 50
"""A short run logs at least so many lines."""
_STUDY = Source("study")


@dataclass(frozen=True)
class PlannedRun:
    """One training of a study.

    Attributes:
        arm: The variant.
        lmbda: Weight of distortion; None if the rate is variable.
        seed: Of initial weights, batches and noise.
        settings: Complete; folders of images are absolute, `output.save_path` is relative to the study's folder.
        key: Of settings, evaluation images, points and horizons.
        training_key: Of what decides about the weights alone: a run that is trained but not evaluated has only this.
        folder: Relative to the study's folder.
        lambdas: At which its weights are evaluated.
        horizons: Steps after which a copy is cooled down and evaluated; none if only its end is.
    """

    arm: str
    lmbda: float | None
    seed: int
    settings: TrainSettings
    key: str
    training_key: str
    folder: PurePosixPath
    lambdas: tuple[float, ...]
    horizons: tuple[int, ...] = ()

    @property
    def name(self) -> str:
        """For people."""
        rate = "" if self.lmbda is None else f"lambda {self.lmbda:g}, "
        return f"{self.arm}, {rate}seed {self.seed}"


@dataclass(frozen=True)
class Plan:
    """All runs of a study.

    Attributes:
        study: As asked for.
        arms: Those that are run, in order.
        runs: By seed, then lambda, then arm: what is done first can be compared first.
        lambdas: At which models are evaluated: of one training each, or all of one variable-rate training.
        notes: What a user should know before they start.
    """

    study: Study
    arms: tuple[str, ...]
    runs: tuple[PlannedRun, ...]
    lambdas: tuple[float, ...]
    notes: tuple[str, ...] = ()


def plan_study(study: Study) -> Plan:
    """The runs of a study.

    Raises:
        SettingsError: Settings are wrong, in vain, or would make arms incomparable (every problem is listed); or an arm
            that is not optional needs a package that is missing.
    """
    arms, notes = _available(study)
    common = _common_layer(study)
    check_none(nested(study))
    problems = misplaced(study)
    variable = is_variable_rate(common)
    if study.qualities is not None and not variable:
        rule = "are points of one variable-rate training; set loss.variable_rate, or give lambdas"
        problems.append(Problem("qualities", study.qualities, rule))
    trained: tuple[float | None, ...] = (None,) if variable else study.lambdas or (LMBDA,)
    settings: dict[tuple[str, float | None], TrainSettings] = {}
    for arm in arms:
        for lmbda in trained:
            try:
                settings[arm.name, lmbda] = _settings(
                    common, arm, lmbda, validations=1 if study.horizons else VALIDATIONS
                )
            except InvalidSettingsError as error:
                problems += [located(problem, arm, study) for problem in error.problems]
    if not problems:
        found = list(settings.values())
        first = {arm.name: settings[arm.name, trained[0]] for arm in arms}
        problems = [*in_vain(study, found), *alike(first), *(points_problems(study, found) if variable else [])]
        problems += [
            located(problem, arm, study) for arm in arms for problem in fine_tuning_problems(first[arm.name], study)
        ]
    check_none(list({str(problem): problem for problem in problems}.values()))
    lambdas = curve_lambdas(study, settings[arms[0].name, None]) if variable else study.lambdas or (LMBDA,)
    runs = tuple(
        _run(arm.name, lmbda, seed, settings[arm.name, lmbda], points=lambdas, horizons=study.horizons)
        for seed in study.seeds
        for lmbda in trained
        for arm in arms
    )
    return Plan(study, tuple(arm.name for arm in arms), runs, lambdas, (*notes, *batch_notes(arms)))


def _available(study: Study) -> tuple[list[Arm], list[str]]:
    """The arms whose packages are installed, and what to say about the others."""
    arms, notes = [], []
    for arm in study.variants:
        missing = _missing(arm)
        if missing is None:
            arms.append(arm)
            continue
        if arm.base not in study.optional_arms or arm.name == study.reference_arm:
            raise missing
        notes.append(f"{missing} It is left out.")
    return arms, notes


def _missing(arm: Arm) -> HpcmbalError | None:
    """What an arm needs and is not there: a package, or a teacher."""
    if arm.changes.get("balancing.name") == "torchjd" and importlib.util.find_spec("torchjd") is None:
        return MissingExtraError(f"Arm '{arm.name}'", "torchjd")
    teacher = arm.changes.get("finetune.teacher")
    if not isinstance(teacher, str):
        return None
    from hpcmbal.model_files.find import find_model  # brings torch, which the help of `ablate` need not wait for

    try:
        find_model(teacher)
    except CheckpointError as error:
        return CheckpointError(f"Arm '{arm.name}' needs its teacher. {error}")
    return None


def _common_layer(study: Study) -> Layer:
    """Preset and settings that all arms share. Not judged for being in vain in one arm: see `in_vain`."""
    own: dict[str, object] = {
        "training.max_steps": study.max_steps,
        "training.epochs": study.epochs,
        "data.train": study.train_data,
        "data.val": study.eval_data,
    }
    if study.horizons:
        own |= horizon_settings(study.horizons[-1])
    stated = {**study.settings, **{path: value for path, value in own.items() if value is not None}}
    stated["training.max_hours"] = None  # a preset's time limit would give arms other lengths
    return merge(read_preset(study.base_preset).layer, {path: Entry(value, _STUDY) for path, value in stated.items()})


def horizon_settings(horizon: int) -> dict[str, int | str]:
    """Settings by path of a training that is stable up to a horizon and cools down over a tenth as many steps more."""
    total = horizon + -(-horizon // COOL_DOWN)
    return {"training.max_steps": total, "schedule.name": "wsd", "schedule.decay_start": horizon}


def cooled_settings(settings: TrainSettings, horizon: int) -> TrainSettings:
    """The settings of a run with horizons, ending with the cool-down after one of them."""
    sections: dict[str, dict[str, object]] = {}
    for path, value in horizon_settings(horizon).items():
        section, _, field = path.partition(".")
        sections.setdefault(section, {})[field] = value
    changed = {name: getattr(settings, name).model_copy(update=values) for name, values in sections.items()}
    return settings.model_copy(update=changed)


def _settings(common: Layer, arm: Arm, lmbda: float | None, *, validations: int) -> TrainSettings:
    base: dict[str, dict[str, object]] = {}
    for path, entry in common.items():
        section, _, field = path.partition(".")
        base.setdefault(section, {})[field] = entry.value
    own = {} if lmbda is None else {"loss.lmbda": lmbda}
    settings = load_train_settings(None, {**arm.changes, **own}, base=base)
    train, val = settings.data.train, settings.data.val
    absolute = {
        "train": train and tuple(expanded(folder).resolve() for folder in train),
        "val": val and expanded(val).resolve(),
    }
    settings = settings.model_copy(update={"data": settings.data.model_copy(update=absolute)})
    return _with_output(settings, common, validations)


def _with_output(settings: TrainSettings, common: Layer, validations: int) -> TrainSettings:
    """Checkpoints and validations that suit many short runs, unless the study says how it wants them."""
    output = {"keep": 1, "checkpoint": None, "log_dir": None}
    steps = settings.training.max_steps
    if steps is not None:
        output["validate_every"] = -(-steps // validations)
        output["save_freq"] = min(settings.output.save_freq, -(-steps // SAVES))
        output["log_every"] = min(settings.output.log_every, max(1, steps // LINES))
    own = {path.partition(".")[2] for path, entry in common.items() if entry.source == _STUDY}
    changed = {name: value for name, value in output.items() if name not in own}
    return settings.model_copy(update={"output": settings.output.model_copy(update=changed)})


def run_folder(arm: str, lmbda: float | None, seed: int) -> PurePosixPath:
    """A run's folder in that of its study; lambda is None for a run of all rates.

    >>> str(run_folder("plain", 0.013, 0))
    'runs/plain/lmbda-0.013/seed-0'
    """
    return PurePosixPath(RUNS, arm, ALL_RATES if lmbda is None else f"lmbda-{lmbda:g}", f"seed-{seed}")


def _run(
    arm: str,
    lmbda: float | None,
    seed: int,
    settings: TrainSettings,
    *,
    points: tuple[float, ...],
    horizons: tuple[int, ...],
) -> PlannedRun:
    folder = run_folder(arm, lmbda, seed)
    settings = settings.model_copy(
        update={
            "training": settings.training.model_copy(update={"seed": seed}),
            "output": settings.output.model_copy(update={"save_path": Path(folder)}),
        }
    )
    key = run_key(settings, points if lmbda is None else (), horizons)
    lambdas = points if lmbda is None else (lmbda,)
    return PlannedRun(arm, lmbda, seed, settings, key, training_key(settings), folder, lambdas, horizons)
