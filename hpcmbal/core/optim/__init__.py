"""Optimisers of the network's weights, and balancers of its task losses: two independent choices."""

from hpcmbal.core.optim.balancer import Balancer, NoBalancer
from hpcmbal.core.optim.balancers import BALANCERS, build_balancer
from hpcmbal.core.optim.cautious_adam import CautiousAdam
from hpcmbal.core.optim.parameters import ParameterGroup
from hpcmbal.core.optim.registry import OPTIMIZERS, build_optimizer

__all__ = [
    "BALANCERS",
    "OPTIMIZERS",
    "Balancer",
    "CautiousAdam",
    "NoBalancer",
    "ParameterGroup",
    "build_balancer",
    "build_optimizer",
]
