"""Optimisers of the network's weights."""

from hpcmbal.core.optim.cautious_adam import CautiousAdam
from hpcmbal.core.optim.parameters import ParameterGroup, ParameterKinds
from hpcmbal.core.optim.registry import OPTIMIZERS, build_optimizer

__all__ = [
    "OPTIMIZERS",
    "CautiousAdam",
    "ParameterGroup",
    "ParameterKinds",
    "build_optimizer",
]
