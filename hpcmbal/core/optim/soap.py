"""SOAP: Adam in the eigenbasis of Shampoo's preconditioner."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch
    from torch import nn

    from hpcmbal.core.optim.parameters import ParameterGroup, ParameterKinds
    from hpcmbal.settings import OptimizerSettings

PRECONDITION_FREQUENCY = 10
"""Steps between updates of the eigenbases (Vyas et al., "SOAP", 2024, section 6 uses 10)."""
SHAMPOO_BETA = 0.95
"""Memory of the preconditioner, as in the paper. With 0.999 the first 250 steps on hpcm-nano end at a J 4 % higher."""
MAX_DIMENSION = 2048
"""Larger dimensions are left unrotated: the eigenbases' cost grows with the cube, their memory with the square."""


def build_soap(settings: OptimizerSettings, parameters: ParameterKinds) -> torch.optim.Optimizer:
    """pytorch-optimizer's SOAP, with weights grouped so that it sees them as what they are.

    A 1x1 convolution `[O, I, 1, 1]` becomes the matrix `[O, I]`, a k x k one `[O, I, k k]`; left alone, SOAP would
    spend two more rotations by 1x1 matrices on each. Vectors, and tensors that are vectors in disguise (`[1, C, 1,
    1]`), are updated as by Adam. The very first step only measures: SOAP moves nothing in it.
    """
    from pytorch_optimizer import SOAP

    plain: ParameterGroup = {"merge_dims": False, "max_precondition_dim": 1}
    by_dimension: dict[int, list[nn.Parameter]] = {}
    for weight in [*parameters.matrices, *parameters.depthwise]:
        by_dimension.setdefault(_merge_limit(weight), []).append(weight)
    groups: list[ParameterGroup] = [
        {"params": weights, "merge_dims": True, "max_precondition_dim": limit}
        for limit, weights in by_dimension.items()
    ]
    groups.append({"params": parameters.vectors, **plain})
    groups.extend({**plain, **group} for group in parameters.own_groups)
    return SOAP(
        [group for group in groups if group["params"]],
        lr=settings.learning_rate,
        betas=settings.betas,
        eps=settings.eps,
        weight_decay=settings.weight_decay,
        shampoo_beta=SHAMPOO_BETA,
        precondition_frequency=PRECONDITION_FREQUENCY,
    )


def _merge_limit(weight: nn.Parameter) -> int:
    """The limit below which SOAP may merge neighbouring dimensions of `weight`.

    The larger of the two leading dimensions: those two are then never merged with one another (a weight merged into a
    single dimension would make pytorch-optimizer's reshape fail), while the dimensions of the kernel are.
    """
    rows, columns = weight.shape[:2]
    return min(max(rows, columns, weight[0, 0].numel()), MAX_DIMENSION)
