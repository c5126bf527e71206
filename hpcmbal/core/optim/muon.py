"""Muon: orthogonalised momentum for matrices, Adam for everything else."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch

    from hpcmbal.core.optim.parameters import ParameterGroup, ParameterKinds
    from hpcmbal.settings import OptimizerSettings


def build_muon(settings: OptimizerSettings, parameters: ParameterKinds) -> torch.optim.Optimizer:
    """pytorch-optimizer's Muon (Jordan et al., 2024).

    Weights of dense layers `[out, in, k, k]` are seen as matrices `[out, in k k]` and learn at `learning_rate *
    matrix_lr_factor`; depthwise weights, biases, gains and modulations take Adam's update at `learning_rate`.

    Muon's Nesterov step overwrites the gradients of matrices: read norms of gradients before `step()`.
    """
    from pytorch_optimizer import Muon

    plain: ParameterGroup = {
        "use_muon": False,
        "lr": settings.learning_rate,
        "betas": settings.betas,
        "eps": settings.eps,
        "weight_decay": settings.weight_decay,
    }
    matrices: ParameterGroup = {
        "use_muon": True,
        "params": parameters.matrices,
        "lr": settings.learning_rate * settings.matrix_lr_factor,
        "weight_decay": settings.weight_decay / settings.matrix_lr_factor,
    }
    groups = [matrices, {**plain, "params": [*parameters.depthwise, *parameters.vectors]}]
    groups.extend({**plain, **group} for group in parameters.own_groups)
    return Muon([group for group in groups if group["params"]])
