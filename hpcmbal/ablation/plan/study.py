"""`Study`: one question about trainings, its arms, and how often each is run."""

from __future__ import annotations

import itertools
import math
import re
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from pydantic import Field, ValidationError, field_validator, model_validator

from hpcmbal.errors import SettingsError
from hpcmbal.settings.check import rule_of
from hpcmbal.settings.problems import Problem, check_none, suggestion
from hpcmbal.settings.section import FloatTuple, Section
from hpcmbal.settings.study import Horizons, Seeds
from hpcmbal.settings.yaml_file import limit_of

ARM_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._=,+-]{0,149}")
"""Studies and arms name folders and columns: nothing that a path or a URL would read differently."""
_NAME_RULE = "should be 1 to 150 letters, digits and . _ = , + -, and begin with a letter or digit"

MAX_ARMS_VARIABLE, MAX_ARMS = "HPCMBAL_MAX_ARMS", 500
MAX_RESULTS_VARIABLE, MAX_RESULTS = "HPCMBAL_MAX_RESULTS", 20_000
"""Sizes beyond which a study was hardly meant: arms, and results of all arms, seeds, lambdas and horizons."""

Changes = dict[str, object]
"""What an arm changes: values by path `section.field`."""


class Arm(NamedTuple):
    """One variant under study.

    Attributes:
        name: In tables, and of its folder.
        base: Its key in the study's `arms`; empty for a grid alone.
        changes: Its settings by path.
    """

    name: str
    base: str
    changes: Changes


class Study(Section):
    """Arms that differ in one thing, each trained for every seed, and for every lambda unless the rate is variable.

    Built by `hpcmbal.ablation.plan.study_file.read_study` from YAML, or by `build_study`, which report all problems
    together.
    """

    name: str = Field(description="Name of the study; that of its file if not given.")
    question: str = Field("", description="What the study asks, for its report.")
    base_preset: str = Field(min_length=1, description="Preset that all arms start from: a name, or a .yaml file.")
    reference: str | None = Field(None, description="Arm that the others are compared with; the first if not given.")
    arms: dict[str, Changes] = Field(default_factory=dict, description="Settings by path that each arm changes.")
    grid: dict[str, list[object]] = Field(
        default_factory=dict, description="Values by path; every combination is an arm, of each arm if there are both."
    )
    optional_arms: tuple[str, ...] = Field((), description="Arms left out where a package that they need is missing.")
    settings: Changes = Field(default_factory=dict, description="Settings by path that all arms share.")
    lambdas: FloatTuple | None = Field(
        None,
        description="Weights of distortion, 0.013 if not given: one training each, or with loss.variable_rate points "
        "of one training's curve.",
    )
    qualities: FloatTuple | None = Field(
        None, description="With loss.variable_rate: points of the curve by quality, 1 to 100, instead of lambdas."
    )
    seeds: Seeds = Field((0, 1, 2), description="Number of seeds, or a list of them.")
    max_steps: int | None = Field(None, ge=1, description="Optimiser steps of each run; as the preset if not given.")
    epochs: int | None = Field(None, ge=1, description="Passes over the training images, instead of max_steps.")
    horizons: Horizons = Field(
        (),
        description="Instead of max_steps: steps of one stable training after which a copy of it is cooled down, over "
        "a tenth as many more, and evaluated.",
    )
    train_data: Path | None = Field(None, description="Folder of training images; bundled photographs if not given.")
    eval_data: Path | None = Field(None, description="Folder of evaluation images; a bundled photograph if not given.")

    @field_validator("lambdas", "qualities", "seeds")
    @classmethod
    def _distinct(cls, value: tuple[float, ...] | None) -> tuple[float, ...] | None:
        if value is not None and (not value or len(set(value)) < len(value)):
            raise ValueError("must be a list without repetition and not empty")
        if value is not None and len({f"{number:g}" for number in value}) < len(value):
            raise ValueError("must differ in their first six digits, which name the runs' folders")
        return value

    @field_validator("horizons")
    @classmethod
    def _rising(cls, value: tuple[int, ...]) -> tuple[int, ...]:
        if list(value) != sorted(set(value)):
            raise ValueError("must be rising numbers of steps, for example 1000,3000,10000")
        return value

    @field_validator("name")
    @classmethod
    def _name(cls, value: str) -> str:
        if not ARM_NAME.fullmatch(value):
            raise ValueError(_NAME_RULE)
        return value

    @field_validator("arms", "grid")
    @classmethod
    def _names(cls, value: dict[str, object]) -> dict[str, object]:
        bad = [name for name in value if not ARM_NAME.fullmatch(name)]
        if bad:
            raise ValueError(f"'{bad[0][:150]}' {_NAME_RULE}")
        return value

    @field_validator("grid")
    @classmethod
    def _values(cls, value: dict[str, list[object]]) -> dict[str, list[object]]:
        empty = [path for path, values in value.items() if not values]
        if empty:
            raise ValueError(f"{empty[0]} needs a list of at least one value")
        return value

    @model_validator(mode="after")
    def _consistent(self) -> Study:
        problems = self._contradictions()
        if problems:
            raise ValueError("\n".join(problems))
        return self

    def _contradictions(self) -> list[str]:
        count, limit = self._count_arms(), limit_of(MAX_ARMS_VARIABLE, MAX_ARMS)
        if count > limit:
            return [f"grid: makes {count:,} arms, more than {limit:,}; {MAX_ARMS_VARIABLE} raises this limit"]
        points = len(self.lambdas or self.qualities or (0,)) * max(1, len(self.horizons))
        results, limit = count * len(self.seeds) * points, limit_of(MAX_RESULTS_VARIABLE, MAX_RESULTS)
        if results > limit:
            return [f"seeds: {results:,} results in all, more than {limit:,}; {MAX_RESULTS_VARIABLE} raises this limit"]
        names = [arm.name for arm in self.variants]
        found = [] if self.arms or self.grid else ["arms: a study needs arms, or a grid of settings"]
        odd = next((name for name in names if not ARM_NAME.fullmatch(name)), None)
        if odd is not None:
            found.append(f"grid: gives an arm the name '{odd[:150]}', which {_NAME_RULE}; make it one of 'arms'")
        twice = next((name for name in names if names.count(name) > 1), None)
        if twice is not None:
            found.append(f"grid: gives two arms the name '{twice}'")
        if self.reference is not None and self.reference not in names:
            found.append(
                f"reference: '{self.reference}' is no arm{suggestion(self.reference, names)}; arms are "
                f"{', '.join(names)}"
            )
        found += [
            f"optional_arms: '{name}' is no arm{suggestion(name, self.arms)}"
            for name in self.optional_arms
            if name not in self.arms
        ]
        if self.max_steps is not None and self.epochs is not None:
            found.append("epochs: give max_steps or epochs, not both")
        if self.horizons and (self.max_steps is not None or self.epochs is not None):
            found.append("horizons: say how long runs are; leave max_steps and epochs out")
        if self.lambdas is not None and self.qualities is not None:
            found.append("qualities: give lambdas or qualities, not both")
        return found

    def _count_arms(self) -> int:
        return max(len(self.arms), 1 if self.grid else 0) * math.prod(len(values) for values in self.grid.values())

    @property
    def variants(self) -> tuple[Arm, ...]:
        """The arms in order, with the grid multiplied out.

        >>> [arm.name for arm in Study(name="s", base_preset="p", grid={"balancing.w_lr": [0.01, 0.02]}).variants]
        ['w_lr=0.01', 'w_lr=0.02']
        """
        names = labels(tuple(self.grid))
        points = [dict(zip(self.grid, values, strict=True)) for values in itertools.product(*self.grid.values())]
        arms: dict[str, Changes] = self.arms or ({"": {}} if self.grid else {})
        return tuple(
            Arm(
                name=",".join(filter(None, [arm, *(f"{names[path]}={_word(value)}" for path, value in point.items())])),
                base=arm,
                changes={**changes, **point},
            )
            for arm, changes in arms.items()
            for point in points
        )

    @property
    def reference_arm(self) -> str:
        """The arm that the others are compared with."""
        return self.reference or self.variants[0].name


def build_study(values: Mapping[str, object]) -> Study:
    """A study from plain values.

    Raises:
        SettingsError: Something is wrong; the message lists every problem with its path and value.
    """
    known = Study.model_fields
    check_none(_unquoted(values))
    problems = [
        Problem(
            str(key),
            value,
            f"is no field of a study{suggestion(str(key), known) or '; fields are ' + ', '.join(known)}",
        )
        for key, value in values.items()
        if key not in known
    ]
    try:
        study = Study.model_validate({str(key): value for key, value in values.items() if key in known})
    except ValidationError as error:
        problems += [
            problem for detail in error.errors() for problem in _problems(detail["loc"], detail["msg"], values)
        ]
        check_none(list({str(problem): problem for problem in problems}.values()))
        raise SettingsError(str(error)) from error
    check_none(problems)
    return study


def _unquoted(values: Mapping[str, object]) -> list[Problem]:
    """Names that YAML does not read as texts: `off` and `no` are truth values, `1` is a number."""
    return [
        Problem(f"{where}.{key}", None, f"is a {type(key).__name__} to YAML, not a name; put it into quotes")
        for where in ("arms", "grid", "settings")
        if isinstance(part := values.get(where), Mapping)
        for key in part
        if not isinstance(key, str)
    ]


def _problems(loc: tuple[int | str, ...], message: str, values: Mapping[str, object]) -> list[Problem]:
    """Pydantic's message in our words; a rule between fields names its paths itself."""
    message = rule_of(message)
    if not loc:
        parts = [part.partition(": ") for part in message.splitlines()]
        return [Problem(path, values.get(path), rule) for path, _, rule in parts]
    where: list[str] = []
    found: object = values
    for key in loc:
        if not isinstance(found, Mapping):  # inside a list or a text, which is shown as a whole
            break
        where.append(str(key))
        found = found.get(key)
    message = message.replace("a valid dictionary", "settings by path, such as {balancing.gamma_s1: 0.004}")
    return [Problem(".".join(where), found, message)]


def labels(paths: tuple[str, ...]) -> dict[str, str]:
    """Fields' names without their section where that is not ambiguous.

    >>> labels(("optimizer.name", "balancing.name", "loss.lmbda"))
    {'optimizer.name': 'optimizer.name', 'balancing.name': 'balancing.name', 'loss.lmbda': 'lmbda'}
    """
    fields = [path.rpartition(".")[2] for path in paths]
    return {path: field if fields.count(field) == 1 else path for path, field in zip(paths, fields, strict=True)}


def _word(value: object) -> str:
    if isinstance(value, list | tuple):
        return "-".join(map(_word, value))
    return str(value).lower() if isinstance(value, bool) else str(value).replace("/", "-").replace(" ", "")
