"""Gamma schedules: how strongly task weights are pulled back to neutral, per scale and over a training."""

from hpcmbal.core.balance.gamma.adaptive import AdaptiveMultipliers
from hpcmbal.core.balance.gamma.manager import STRATEGIES, ScaleGammaManager
from hpcmbal.core.balance.gamma.schedules import PHASES, SCHEDULES, Phase, schedule_multipliers

__all__ = [
    "PHASES",
    "SCHEDULES",
    "STRATEGIES",
    "AdaptiveMultipliers",
    "Phase",
    "ScaleGammaManager",
    "schedule_multipliers",
]
