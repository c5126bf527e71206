"""Rate-distortion losses: one total, two tasks, or five tasks per scale that sum to J."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hpcmbal.core.loss.hierarchical import AdaptiveHierarchicalLoss, HierarchicalLoss
from hpcmbal.core.loss.rate_distortion import ImageWeighting, RateDistortionLoss
from hpcmbal.core.loss.tasks import FIVE_TASKS, TOTAL_TASK, TWO_TASKS, LossRecord, TaskLosses
from hpcmbal.settings.choices import TASKS
from hpcmbal.settings.plugins import load_plugin

if TYPE_CHECKING:
    from hpcmbal.settings import LossSettings

__all__ = [
    "FIVE_TASKS",
    "TOTAL_TASK",
    "TWO_TASKS",
    "AdaptiveHierarchicalLoss",
    "HierarchicalLoss",
    "ImageWeighting",
    "LossRecord",
    "RateDistortionLoss",
    "TaskLosses",
    "build_loss",
]


def build_loss(settings: LossSettings, lmbda_middle: float = 1.0) -> RateDistortionLoss:
    """The loss that `settings` describe. lmbda is not part of it: it is given per image at every call.

    Args:
        settings: Metric, tasks, and how images of different lmbda are weighed.
        lmbda_middle: The lmbda whose images count one.
    """
    weighting = ImageWeighting(settings.lmbda_power, lmbda_middle)
    if settings.tasks not in TASKS:
        loss: RateDistortionLoss = load_plugin("losses", settings.tasks)(settings, weighting)
        return loss
    if settings.tasks != "five":
        return RateDistortionLoss(metric=settings.metric, tasks=settings.tasks, weighting=weighting)
    if settings.decomposition == "learned":
        rate = settings.share_learning_rate
        return AdaptiveHierarchicalLoss(metric=settings.metric, share_learning_rate=rate, weighting=weighting)
    return HierarchicalLoss(metric=settings.metric, decomposition=settings.decomposition, weighting=weighting)
