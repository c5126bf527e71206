"""Adam, as torch has it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from hpcmbal.core.optim.parameters import ParameterKinds
    from hpcmbal.settings import OptimizerSettings


def build_adam(settings: OptimizerSettings, parameters: ParameterKinds) -> torch.optim.Optimizer:
    """Torch's Adam with batched tensor operations; weight decay is decoupled (AdamW).

    On CUDA in one fused operation, which undoes by itself a step that is not finite.
    """
    fused = parameters.all()[0].is_cuda
    return torch.optim.AdamW(
        parameters.groups(),
        lr=settings.learning_rate,
        betas=settings.betas,
        eps=settings.eps,
        weight_decay=settings.weight_decay,
        amsgrad=settings.amsgrad,
        foreach=not fused,
        fused=fused,
    )
