"""`StudySettings`: which study, what of it is changed, and where its runs are done."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, ClassVar

from pydantic import BeforeValidator, Field

from hpcmbal.errors import setting
from hpcmbal.settings.check import Condition, Contradiction
from hpcmbal.settings.engine import ON_LOCAL, ON_RAY, ClusterSettings
from hpcmbal.settings.section import FloatTuple, PathText, split_list
from hpcmbal.settings.yaml_file import limit_of

MAX_SEEDS_VARIABLE, MAX_SEEDS = "HPCMBAL_MAX_SEEDS", 1000
"""Seeds beyond which a study was hardly meant; the environment variable raises it."""

GRID = "grid"
"""Instead of a study's name: the study of a file."""


def _as_seeds(value: object) -> object:
    """`3` means the seeds 0, 1, 2."""
    if isinstance(value, str):
        value = int(value) if value.strip().isdecimal() and len(value) < 20 else split_list(value)
    if isinstance(value, int) and not isinstance(value, bool) and value < 1:
        raise ValueError(f"must be at least 1, or a list of seeds, found {value}")
    limit = limit_of(MAX_SEEDS_VARIABLE, MAX_SEEDS)
    count = value if isinstance(value, int) else len(value) if isinstance(value, list | tuple) else 0
    if count > limit:
        raise ValueError(f"are more than {limit:,}; {MAX_SEEDS_VARIABLE} raises this limit")
    return list(range(value)) if isinstance(value, int) and not isinstance(value, bool) else value


Seeds = Annotated[tuple[Annotated[int, Field(ge=0, lt=2**32)], ...], BeforeValidator(_as_seeds)]
Horizons = Annotated[tuple[Annotated[int, Field(ge=1)], ...], BeforeValidator(split_list)]


class StudySettings(ClusterSettings):
    """What `hpcmbal ablate` does (docs/ablation.md)."""

    study: PathText = Field(description="Name of a study that comes with hpcmbal; or grid, with a file.")
    file: Path | None = Field(None, description="With grid: the study's .yaml file.")
    long: bool = Field(False, description="The study's long form, for days of training.")
    base_preset: PathText | None = Field(None, description="Preset that all arms start from.")
    lambdas: FloatTuple | None = Field(
        None, description="One run for each arm, seed and lambda; four or more give BD-rates."
    )
    qualities: FloatTuple | None = Field(None, description="Evaluation points of variable-rate models, 1 to 100.")
    seeds: Seeds | None = Field(None, description="How many seeds, or a list of them: 0,1,2.")
    epochs: int | None = Field(None, ge=1, description="Length of each run, in epochs.")
    max_steps: int | None = Field(None, ge=1, description="Length of each run, in optimiser steps.")
    horizons: Horizons | None = Field(
        None, description="Several lengths in optimiser steps: one training each, evaluated at all."
    )
    train_data: Path | None = Field(None, description="Folder of training images.")
    eval_data: Path | None = Field(None, description="Folder of evaluation images.")
    set: tuple[str, ...] = Field((), description="A setting of all arms, SECTION.FIELD=VALUE; repeatable.")
    output: PathText | None = Field(
        None, description="Folder of the study, or an fsspec URL; runs/ablate-STUDY if not given."
    )
    retry_failed: bool = Field(False, description="Try failed runs once more.")
    jobs: int | None = Field(None, ge=1, description="Runs at the same time; if not given, one a CPU, or one on a GPU.")
    cpus_per_run: float = Field(1.0, gt=0, description="CPUs, and threads, of a run on Ray.")
    gpus_per_run: float = Field(0.0, ge=0, description="GPUs of a run on Ray, 0.5 to share one.")

    takes_effect_if: ClassVar[Mapping[str, tuple[Condition, ...]]] = {
        **ClusterSettings.takes_effect_if,
        "cpus_per_run": ON_RAY,
        "gpus_per_run": ON_RAY,
        "jobs": ON_LOCAL,
    }

    def contradictions(self) -> list[Contradiction]:
        """See `CommandSettings`."""
        found = []
        if self.epochs is not None and self.max_steps is not None:
            found.append(Contradiction("epochs", f"contradicts {setting('max_steps')}; give one of them"))
        if self.horizons and (self.epochs is not None or self.max_steps is not None):
            found.append(Contradiction("horizons", f"say how long runs are; leave {_lengths(self)} out"))
        if self.lambdas is not None and self.qualities is not None:
            found.append(Contradiction("qualities", f"contradict {setting('lambdas')}; give one of them"))
        return found

    @property
    def changes(self) -> dict[str, object]:
        """Fields of the study that are given here, by name; `set` is apart."""
        names = ("base_preset", "lambdas", "qualities", "seeds", "epochs", "max_steps", "horizons")
        return {name: getattr(self, name) for name in (*names, "train_data", "eval_data")}


def _lengths(settings: StudySettings) -> str:
    return setting("epochs") if settings.epochs is not None else setting("max_steps")
