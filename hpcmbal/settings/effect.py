"""Settings that take effect only together with others: giving one in vain is an error, not ignored."""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Set as AbstractSet
from typing import NamedTuple

from hpcmbal.settings import choices
from hpcmbal.settings.flags import FLAG_OF_PATH
from hpcmbal.settings.layers import Entry, Layer
from hpcmbal.settings.problems import Problem


class Condition(NamedTuple):
    """The setting `path` must have one of the values `allowed`."""

    path: str
    allowed: tuple[object, ...]


_FIVE_TASKS = Condition("loss.tasks", ("five",))
_FAMO = Condition("balancing.name", choices.FAMO_BALANCERS)
_SAME_BATCH = Condition("balancing.update_mode", ("same_batch",))
_VARIABLE_RATE = Condition("loss.variable_rate", (True,))
_STEP = Condition("schedule.name", ("step",))
_WANDB = Condition("tracking.tracker", ("wandb",))

TAKES_EFFECT_IF: dict[str, tuple[Condition, ...]] = {
    "loss.lmbda": (Condition("loss.variable_rate", (False,)),),
    "loss.lmbda_min": (_VARIABLE_RATE,),
    "loss.lmbda_max": (_VARIABLE_RATE,),
    "loss.lmbda_power": (_VARIABLE_RATE,),
    "loss.decomposition": (_FIVE_TASKS,),
    "loss.share_learning_rate": (_FIVE_TASKS, Condition("loss.decomposition", ("learned",))),
    "optimizer.matrix_lr_factor": (Condition("optimizer.name", ("muon",)),),
    "optimizer.amsgrad": (Condition("optimizer.name", ("adam", "cautious")),),
    "schedule.milestones": (_STEP,),
    "schedule.factor": (_STEP,),
    "schedule.final_factor": (Condition("schedule.name", ("cosine", "wsd")),),
    "schedule.decay_fraction": (Condition("schedule.name", ("wsd",)),),
    "balancing.w_lr": (_FAMO,),
    "balancing.gamma_s1": (_FAMO,),
    "balancing.gamma_s2": (_FAMO, _FIVE_TASKS),
    "balancing.gamma_s3": (_FAMO, _FIVE_TASKS),
    "balancing.gamma_strategy": (_FAMO,),
    "balancing.scale_weights": (_FAMO, _FIVE_TASKS),
    "balancing.update_mode": (_FAMO,),
    "balancing.update_every": (_FAMO, _SAME_BATCH),
    "balancing.update_fraction": (_FAMO, _SAME_BATCH),
    "balancing.preserve_lambda": (Condition("balancing.name", (*choices.FAMO_BALANCERS, "qp")),),
    "balancing.aggregator": (Condition("balancing.name", ("torchjd",)),),
    "tracking.wandb_project": (_WANDB,),
    "tracking.wandb_name": (_WANDB,),
}
"""What each setting needs in order to do anything."""


def settings_without_effect(layer: Layer, value_of: Callable[[str], object], broken: AbstractSet[str]) -> list[Problem]:
    """Explicitly given settings that cannot do anything.

    Args:
        layer: Settings of all sources, merged. Those of presets may state a whole recipe and are not judged.
        value_of: The valid value of a setting by path.
        broken: Paths whose values are invalid; conditions on them are not judged.
    """
    problems = []
    for path, entry in layer.items():
        if not entry.source.explicit or entry.value is None:
            continue
        for condition in TAKES_EFFECT_IF.get(path, ()):
            if condition.path in broken or value_of(condition.path) in condition.allowed:
                continue
            problems.append(_in_vain(path, entry, condition, value_of(condition.path)))
            break
    return problems


def _in_vain(path: str, entry: Entry, condition: Condition, found: object) -> Problem:
    switch = entry.source.kind == "flag" and path not in FLAG_OF_PATH
    flag = entry.source.label if entry.source.kind == "flag" else f"--set {path}"
    value = True if switch or entry.source.label == "--adaptive-gamma" else entry.value
    allowed = " or ".join(_word(item) for item in condition.allowed)
    rule = (
        f"has no effect while {condition.path} is {_word(found)} (it needs {allowed}); "
        f"{_remedy(condition, found)}, or leave {flag} out"
    )
    return Problem(path, value, rule, entry.source)


def _remedy(condition: Condition, found: object) -> str:
    if condition == _FIVE_TASKS or (condition == _FAMO and found == "none"):
        return "add --use-hierarchical or take a preset that balances, for example --preset hierarchical"
    flag = FLAG_OF_PATH.get(condition.path)
    value = _word(condition.allowed[0])
    return f"add {flag} {value}" if flag else f"add --set {condition.path}={value}"


def _word(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
