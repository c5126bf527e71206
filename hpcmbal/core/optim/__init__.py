"""Optimisers of the network's weights, and balancers of its task losses: two independent choices."""

from hpcmbal.core.optim.balancer import Balancer, NoBalancer
from hpcmbal.core.optim.balancers import BALANCERS, build_balancer
from hpcmbal.core.optim.cautious_adam import CautiousAdam
from hpcmbal.core.optim.famo_balancer import FamoBalancer, LostLambdaWarning
from hpcmbal.core.optim.hierarchical_balanced import HierarchicalBalanced
from hpcmbal.core.optim.jacobian_descent import JacobianDescentBalancer
from hpcmbal.core.optim.parameters import ParameterGroup
from hpcmbal.core.optim.qp_balancer import QPBalancer
from hpcmbal.core.optim.registry import OPTIMIZERS, build_optimizer
from hpcmbal.core.optim.task_layout import TaskLayout

__all__ = [
    "BALANCERS",
    "OPTIMIZERS",
    "Balancer",
    "CautiousAdam",
    "FamoBalancer",
    "HierarchicalBalanced",
    "JacobianDescentBalancer",
    "LostLambdaWarning",
    "NoBalancer",
    "ParameterGroup",
    "QPBalancer",
    "TaskLayout",
    "build_balancer",
    "build_optimizer",
]
