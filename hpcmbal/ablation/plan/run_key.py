"""Keys of runs: two runs with one key give one result."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from hpcmbal.settings import TrainSettings
from hpcmbal.settings.choices import GAMMAS_OVER_PROGRESS
from hpcmbal.settings.section import expanded

WITHOUT_INFLUENCE: dict[str, frozenset[str]] = {
    "training": frozenset({"num_threads", "device"}),
    "data": frozenset({"num_workers", "cache_mebibytes"}),
}
"""Settings that decide how fast a run is, not what it learns; `output` and `tracking` are left out as a whole."""


def training_key(settings: TrainSettings) -> str:
    """Hash of everything that decides about the weights.

    Thread counts and devices round differently, but a study may move to another machine and stay the same study.
    """
    content = _deciding(settings)
    del content["data"]["val"]
    return _digest(content)


def stable_key(settings: TrainSettings) -> str:
    """`training_key` of a training that is still stable, whose length decides about nothing yet.

    Unless gammas or the annealing follow the length: then it is `training_key`.
    """
    balancing = settings.balancing
    if balancing.gamma_strategy in GAMMAS_OVER_PROGRESS or balancing.anneal_from < 1:
        return training_key(settings)
    schedule = settings.schedule.model_copy(update={"decay_start": None})
    training = settings.training.model_copy(update={"max_steps": None})
    return training_key(settings.model_copy(update={"schedule": schedule, "training": training}))


def run_key(settings: TrainSettings, lambdas: Sequence[float] = (), horizons: Sequence[int] = ()) -> str:
    """Hash of everything that decides about the weights and about what they are evaluated on.

    Args:
        settings: Of the run.
        lambdas: Points at which a variable-rate model is evaluated; the lambda of other models is in `settings`.
        horizons: Steps after which the run is cooled down and evaluated, if there are any.
    """
    content = _deciding(settings)
    points = {"lambdas": sorted(lambdas), "horizons": list(horizons)}
    return _digest({**content, **{name: values for name, values in points.items() if values}})


def differences(settings: TrainSettings, other: TrainSettings) -> list[str]:
    """Deciding settings that differ, for people: `training.max_steps 300 and 1500`."""
    ours, theirs = _deciding(settings), _deciding(other)
    return [
        f"{section}.{name} {value} and {theirs[section][name]}"
        for section, fields in ours.items()
        for name, value in fields.items()
        if value != theirs[section][name]
    ]


def _deciding(settings: TrainSettings) -> dict[str, dict[str, Any]]:
    content: dict[str, dict[str, Any]] = settings.model_dump(mode="json", exclude={"output", "tracking"})
    for section, names in WITHOUT_INFLUENCE.items():
        content[section] = {name: value for name, value in content[section].items() if name not in names}
    data = content["data"]
    for name, folders in (("train", data["train"] or ()), ("val", [data["val"]] if data["val"] else ())):
        data[name] = [str(expanded(Path(folder)).resolve()) for folder in folders]
    return content


def _digest(content: dict[str, Any]) -> str:
    text = json.dumps(content, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:16]
