"""At which lambdas a study's models are evaluated: one training each, or points of a variable-rate model's curve."""

from __future__ import annotations

from collections.abc import Sequence

from pydantic import TypeAdapter, ValidationError

from hpcmbal.ablation.plan.study import Study
from hpcmbal.settings import TrainSettings
from hpcmbal.settings.choices import QUALITY_MAX, QUALITY_MIN
from hpcmbal.settings.layers import Layer
from hpcmbal.settings.problems import Problem

LMBDA = 0.013
"""Of a study that names none."""

QUALITIES = (10.0, 30.0, 50.0, 70.0, 90.0)
"""Of a variable-rate study that names neither qualities nor lambdas: enough for BD-rates."""


def is_variable_rate(common: Layer) -> bool:
    """Whether the settings that all arms share ask for one training of all rates; a wrong value does not."""
    entry = common.get("loss.variable_rate")
    try:
        return entry is not None and TypeAdapter(bool).validate_python(entry.value)
    except ValidationError:
        return False


def curve_lambdas(study: Study, settings: TrainSettings) -> tuple[float, ...]:
    """The lambdas at which variable-rate models are evaluated.

    Quality 1 to 100 spans the lambdas that are trained, log lambda being linear in it, as in `hpcmbal compress`.
    """
    if study.lambdas is not None:
        return study.lambdas
    low, high = settings.lmbda_range
    return tuple(low * (high / low) ** ((quality - 1) / 99) for quality in study.qualities or QUALITIES)


def points_problems(study: Study, settings: Sequence[TrainSettings]) -> list[Problem]:
    """Points that no arm's training, or not every arm's, has seen."""
    problems = [
        Problem("qualities", study.qualities, f"are 1 to 100, found {quality:g}")
        for quality in study.qualities or ()
        if not QUALITY_MIN <= quality <= QUALITY_MAX
    ]
    name = "lambdas" if study.lambdas is not None else "qualities"
    low = max(item.lmbda_range[0] for item in settings)
    high = min(item.lmbda_range[1] for item in settings)
    if len({item.model.name for item in settings}) > 1 and study.lambdas is None:
        problems.append(Problem(name, None, "mean other lambdas for other models; give lambdas"))
    outside = [lmbda for lmbda in curve_lambdas(study, settings[0]) if not low * 0.9999 <= lmbda <= high * 1.0001]
    if outside and not problems:
        rule = f"lambda {outside[0]:g} lies outside {low:g} to {high:g}, from which every arm draws in training"
        problems.append(Problem(name, getattr(study, name), rule))
    return problems
