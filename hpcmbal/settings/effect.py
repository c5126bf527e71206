"""Settings of a training that take effect only together with others: giving one in vain is an error, not ignored."""

from __future__ import annotations

from hpcmbal.errors import setting
from hpcmbal.settings import choices
from hpcmbal.settings.check import Condition

_BALANCE = (
    f"add {setting('loss.tasks', 'five')} or take a preset that balances, for example "
    f"{setting('preset', 'hierarchical')}"
)
_FIVE_TASKS = Condition("loss.tasks", ("five",), {"total": _BALANCE, "two": _BALANCE})
_FAMO = Condition("balancing.name", choices.FAMO_BALANCERS, {"none": _BALANCE})
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
    "schedule.decay_start": (Condition("schedule.name", ("wsd",)),),
    "schedule.decay_from": (Condition("schedule.name", ("wsd",)),),
    "balancing.w_lr": (_FAMO,),
    "balancing.gamma_s1": (_FAMO,),
    "balancing.gamma_s2": (_FAMO, _FIVE_TASKS),
    "balancing.gamma_s3": (_FAMO, _FIVE_TASKS),
    "balancing.gamma_strategy": (_FAMO,),
    "balancing.scale_weights": (_FAMO, _FIVE_TASKS),
    "balancing.emphasised": (_FAMO, _FIVE_TASKS),
    "balancing.update_mode": (_FAMO,),
    "balancing.update_every": (_FAMO, _SAME_BATCH),
    "balancing.update_fraction": (_FAMO, _SAME_BATCH),
    "balancing.preserve_lambda": (Condition("balancing.name", (*choices.FAMO_BALANCERS, "qp")),),
    "balancing.anneal_from": (Condition("balancing.name", remedies={"none": _BALANCE}, other_than=("none",)),),
    "balancing.aggregator": (Condition("balancing.name", ("torchjd",)),),
    "finetune.init_strict": (Condition("finetune.init_from"),),
    "finetune.distill": (Condition("finetune.teacher"),),
    "tracking.wandb_project": (_WANDB,),
    "tracking.wandb_name": (_WANDB,),
}
"""What each setting needs in order to do anything."""
