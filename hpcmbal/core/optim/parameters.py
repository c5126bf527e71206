"""Sorts a model's parameters by what they are, because SOAP and Muon treat matrices in a way that vectors cannot be."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from torch import nn

if TYPE_CHECKING:
    from collections.abc import Iterable

ParameterGroup = dict[str, Any]

_CONVOLUTIONS = (nn.Conv1d, nn.Conv2d, nn.ConvTranspose1d, nn.ConvTranspose2d)


@dataclass(frozen=True)
class ParameterKinds:
    """Trainable parameters of a model.

    Attributes:
        matrices: Weights of linear, convolution and transposed-convolution layers, `[out, in, ...]`.
        depthwise: Weights of convolutions whose filters see one channel each, `[C, 1, k, k]`: C small filters, not a
            matrix.
        vectors: Everything else: biases, scalars, `[1, C, 1, 1]` modulations, gain tables.
        own_groups: Groups that bring their own learning rate (the loss's learned shares); treated like vectors.
    """

    matrices: list[nn.Parameter]
    depthwise: list[nn.Parameter]
    vectors: list[nn.Parameter]
    own_groups: list[ParameterGroup] = field(default_factory=list)

    def all(self) -> list[nn.Parameter]:
        """Every parameter that follows the main learning rate."""
        return [*self.matrices, *self.depthwise, *self.vectors]

    def groups(self) -> list[ParameterGroup]:
        """Parameter groups for an optimiser that treats all alike."""
        return [{"params": self.all()}, *self.own_groups]


def sort_parameters(model: nn.Module, own_groups: Iterable[ParameterGroup] = ()) -> ParameterKinds:
    """Sort the trainable parameters of `model`; each appears once, in the order of the model's modules."""
    kinds = ParameterKinds([], [], [], [dict(group) for group in own_groups])
    seen: set[int] = set()
    for module in model.modules():
        for name, parameter in module.named_parameters(recurse=False):
            if not parameter.requires_grad or id(parameter) in seen:
                continue
            seen.add(id(parameter))
            _place(module, name, parameter, kinds)
    return kinds


def _place(module: nn.Module, name: str, parameter: nn.Parameter, kinds: ParameterKinds) -> None:
    if name != "weight" or not isinstance(module, (*_CONVOLUTIONS, nn.Linear)):
        kinds.vectors.append(parameter)
    elif isinstance(module, _CONVOLUTIONS) and module.groups > 1:
        kinds.depthwise.append(parameter)
    elif min(len(parameter), parameter[0].numel()) < 2:
        kinds.vectors.append(parameter)
    else:
        kinds.matrices.append(parameter)
