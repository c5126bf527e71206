"""Optimisers by name. A new one is a file with a `build_...` function and a line here, or a plug-in."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

import torch
from torch import nn

from hpcmbal.core.optim.adam import build_adam
from hpcmbal.core.optim.cautious_adam import build_cautious_adam
from hpcmbal.core.optim.muon import build_muon
from hpcmbal.core.optim.parameters import ParameterGroup, ParameterKinds, sort_parameters
from hpcmbal.core.optim.soap import build_soap
from hpcmbal.settings.plugins import load_plugin

if TYPE_CHECKING:
    from hpcmbal.settings import OptimizerSettings

OptimizerFactory = Callable[["OptimizerSettings", ParameterKinds], torch.optim.Optimizer]

OPTIMIZERS: dict[str, OptimizerFactory] = {
    "adam": build_adam,
    "cautious": build_cautious_adam,
    "soap": build_soap,
    "muon": build_muon,
}


def build_optimizer(
    settings: OptimizerSettings, model: nn.Module, own_groups: Iterable[ParameterGroup] = ()
) -> torch.optim.Optimizer:
    """The optimiser that `settings` name, over the trainable parameters of `model`.

    Every parameter group has its own base learning rate in `group["lr"]` (Muon's matrices, the loss's shares): a
    schedule multiplies these, it does not set one number for all.

    Args:
        settings: Name and hyper-parameters.
        model: Its layers decide which parameters are matrices.
        own_groups: More groups with learning rates of their own, as from `RateDistortionLoss.parameter_groups`.

    Raises:
        SettingsError: The name is unknown; the message lists those that exist.
    """
    factory = OPTIMIZERS.get(settings.name) or load_plugin("optimizers", settings.name)
    optimizer: torch.optim.Optimizer = factory(settings, sort_parameters(model, own_groups))
    return optimizer
