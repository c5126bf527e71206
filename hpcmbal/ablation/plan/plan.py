"""From a study to its runs: which settings, which folder, which key. Nothing is read but presets, nothing is run."""

from __future__ import annotations

import importlib.util
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from hpcmbal.ablation.plan.comparability import alike, batch_notes, in_vain, located, misplaced
from hpcmbal.ablation.plan.run_key import run_key, training_key
from hpcmbal.ablation.plan.study import Arm, Study
from hpcmbal.errors import MissingExtraError
from hpcmbal.settings import TrainSettings, load_train_settings, read_preset
from hpcmbal.settings.layers import Entry, Layer, merge
from hpcmbal.settings.problems import InvalidSettingsError, Source, check_none

RUNS = "runs"
"""Folder of a study that holds its runs."""

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
        lmbda: Weight of distortion.
        seed: Of initial weights, batches and noise.
        settings: Complete; folders of images are absolute, `output.save_path` is relative to the study's folder.
        key: Of settings and evaluation images.
        training_key: Of what decides about the weights alone: a run that is trained but not evaluated has only this.
        folder: Relative to the study's folder.
    """

    arm: str
    lmbda: float
    seed: int
    settings: TrainSettings
    key: str
    training_key: str
    folder: PurePosixPath

    @property
    def name(self) -> str:
        """For people."""
        return f"{self.arm}, lambda {self.lmbda:g}, seed {self.seed}"


@dataclass(frozen=True)
class Plan:
    """All runs of a study.

    Attributes:
        study: As asked for.
        arms: Those that are run, in order.
        runs: By seed, then lambda, then arm: what is done first can be compared first.
        notes: What a user should know before they start.
    """

    study: Study
    arms: tuple[str, ...]
    runs: tuple[PlannedRun, ...]
    notes: tuple[str, ...] = ()


def plan_study(study: Study) -> Plan:
    """The runs of a study.

    Raises:
        SettingsError: Settings are wrong, in vain, or would make arms incomparable (every problem is listed); or an arm
            that is not optional needs a package that is missing.
    """
    arms, notes = _available(study)
    common = _common_layer(study)
    problems = misplaced(study)
    settings: dict[tuple[str, float], TrainSettings] = {}
    for arm in arms:
        for lmbda in study.lambdas:
            try:
                settings[arm.name, lmbda] = _settings(common, arm, lmbda)
            except InvalidSettingsError as error:
                problems += [located(problem, arm, study) for problem in error.problems]
    if not problems:
        problems = [*in_vain(study, list(settings.values())), *alike(study, arms, settings)]
    check_none(list({str(problem): problem for problem in problems}.values()))
    runs = tuple(
        _run(arm.name, lmbda, seed, settings[arm.name, lmbda])
        for seed in study.seeds
        for lmbda in study.lambdas
        for arm in arms
    )
    return Plan(study, tuple(arm.name for arm in arms), runs, (*notes, *batch_notes(arms)))


def _available(study: Study) -> tuple[list[Arm], list[str]]:
    """The arms whose packages are installed, and what to say about the others."""
    arms, notes = [], []
    for arm in study.variants:
        if arm.changes.get("balancing.name") != "torchjd" or importlib.util.find_spec("torchjd") is not None:
            arms.append(arm)
            continue
        missing = MissingExtraError(f"Arm '{arm.name}'", "torchjd")
        if arm.base not in study.optional_arms or arm.name == study.reference_arm:
            raise missing
        notes.append(f"{missing} It is left out.")
    return arms, notes


def _common_layer(study: Study) -> Layer:
    """Preset and settings that all arms share. Not judged for being in vain in one arm: see `_in_vain`."""
    own = {
        "training.max_steps": study.max_steps,
        "training.epochs": study.epochs,
        "data.train": study.train_data,
        "data.val": study.eval_data,
    }
    stated = {**study.settings, **{path: value for path, value in own.items() if value is not None}}
    stated["training.max_hours"] = None  # a preset's time limit would give arms other lengths
    return merge(read_preset(study.base_preset).layer, {path: Entry(value, _STUDY) for path, value in stated.items()})


def _settings(common: Layer, arm: Arm, lmbda: float) -> TrainSettings:
    base: dict[str, dict[str, object]] = {}
    for path, entry in common.items():
        section, _, field = path.partition(".")
        base.setdefault(section, {})[field] = entry.value
    settings = load_train_settings(None, {**arm.changes, "loss.lmbda": lmbda}, base=base)
    folders = {name: getattr(settings.data, name) for name in ("train", "val")}
    absolute = {name: path and path.expanduser().resolve() for name, path in folders.items()}
    settings = settings.model_copy(update={"data": settings.data.model_copy(update=absolute)})
    return _with_output(settings, common)


def _with_output(settings: TrainSettings, common: Layer) -> TrainSettings:
    """Checkpoints and validations that suit many short runs, unless the study says how it wants them."""
    output = {"keep": 1, "checkpoint": None, "log_dir": None}
    steps = settings.training.max_steps
    if steps is not None:
        output["validate_every"] = -(-steps // VALIDATIONS)
        output["save_freq"] = min(settings.output.save_freq, -(-steps // SAVES))
        output["log_every"] = min(settings.output.log_every, max(1, steps // LINES))
    own = {path.partition(".")[2] for path, entry in common.items() if entry.source == _STUDY}
    changed = {name: value for name, value in output.items() if name not in own}
    return settings.model_copy(update={"output": settings.output.model_copy(update=changed)})


def _run(arm: str, lmbda: float, seed: int, settings: TrainSettings) -> PlannedRun:
    folder = PurePosixPath(RUNS, arm, f"lmbda-{lmbda:g}", f"seed-{seed}")
    settings = settings.model_copy(
        update={
            "training": settings.training.model_copy(update={"seed": seed}),
            "output": settings.output.model_copy(update={"save_path": Path(folder)}),
        }
    )
    return PlannedRun(arm, lmbda, seed, settings, run_key(settings), training_key(settings), folder)
