"""Lets any aggregator of the `torchjd` package combine the tasks' gradients."""

from __future__ import annotations

import ast
from collections.abc import Callable, Sequence
from importlib import import_module
from typing import TYPE_CHECKING, Any, cast

import torch
from torch import Tensor, nn

from hpcmbal.core.balance.task_gradients import GradientComparing, TaskGradients, add_gradient, task_gradients
from hpcmbal.core.balance.weighting import TaskLayout, check_losses
from hpcmbal.errors import MissingExtraError, SettingsError

if TYPE_CHECKING:
    from hpcmbal.settings import BalancingSettings

EXTRA = "torchjd"


class JacobianDescentBalancer(GradientComparing):
    """Hands the matrix of all task gradients to an aggregator (Quinton and Rey, "Jacobian descent", 2024).

    The tasks carry lmbda and sum to J; the aggregator decides the direction, and with it may move the operating point:
    `preserve_lambda` does not apply. Aggregators with a memory are refused, since it could not be saved. Those whose
    default preferences are `1 / K`, such as UPGrad and Mean, return a K-th of J's gradient where tasks do not conflict;
    Adam does not see the factor, a clipping norm does.

    Costs one backward pass per task, and twice the memory of K gradients.

    Args:
        layout: The tasks.
        aggregator: Maps the Jacobian `[K, number of parameters]` to a gradient `[number of parameters]`.
        anneal_from: Fraction of the training from which the gradient goes back to that of J (`EffectiveWeights`).
    """

    def __init__(self, layout: TaskLayout, aggregator: Callable[[Tensor], Tensor], *, anneal_from: float = 1.0) -> None:
        super().__init__(layout, anneal_from)
        self.aggregator = aggregator
        self._weights: Tensor | None = None
        weighting = getattr(aggregator, "weighting", None)
        if isinstance(weighting, nn.Module):
            weighting.register_forward_hook(self._remember_weights)

    def backward(self, losses: Tensor, parameters: Sequence[nn.Parameter], scale: float = 1.0) -> None:
        """Add the aggregated gradient to `.grad`; see `Balancer.backward`. K backward passes."""
        check_losses(losses, self.layout.names, "of the batch")
        jacobian = as_matrix(task_gradients(losses, parameters))
        self._weights = None
        combined, strength = self.aggregator(jacobian), self.effective.strength
        if strength < 1:
            combined = strength * combined + (1 - strength) * jacobian.sum(0)
        combined = combined * scale
        if self._weights is not None:
            self.effective.remember(self.effective.annealed(self._weights), losses)
        for parameter, part in zip(parameters, torch.split(combined, [p.numel() for p in parameters]), strict=True):
            add_gradient(parameter, part.view_as(parameter).clone())

    def _remember_weights(self, module: nn.Module, inputs: object, weights: Tensor) -> None:
        del module, inputs
        self._weights = weights.detach()


def as_matrix(gradients: TaskGradients) -> Tensor:
    """The Jacobian `[K, number of parameters]`."""
    return torch.stack([torch.cat([gradient.flatten() for gradient in of_task]) for of_task in gradients])


def load_aggregator(specification: str) -> Callable[[Tensor], Tensor]:
    """Build an aggregator of `torchjd.aggregation` from its name, with keyword arguments if it needs some.

    Args:
        specification: For example `UPGrad` or `CAGrad(c=0.5)`.

    Raises:
        MissingExtraError: torchjd, or a solver that this aggregator uses, is not installed.
        SettingsError: No such aggregator, wrong arguments, or one that keeps a memory between steps.
    """
    name, arguments = parse_call(specification)
    try:
        module = import_module("torchjd.aggregation")
    except ModuleNotFoundError:
        raise MissingExtraError("Balancing 'torchjd'", EXTRA) from None
    factory = getattr(module, name, None)
    if not (isinstance(factory, type) and issubclass(factory, module.Aggregator) and factory is not module.Aggregator):
        raise SettingsError(f"Unknown aggregator '{name}'. Choose one of: {', '.join(_aggregator_names(module))}.")
    try:
        aggregator = factory(**arguments)
    except ImportError as error:
        raise SettingsError(f"The aggregator '{name}' needs another package: {error}") from error
    except (TypeError, ValueError) as error:
        raise SettingsError(
            f"The aggregator '{name}' cannot be made from '{specification}': {error}. "
            "Give its arguments by keyword, for example CAGrad(c=0.5)."
        ) from error
    if hasattr(aggregator, "reset"):
        raise SettingsError(
            f"The aggregator '{name}' keeps a memory between steps that cannot be saved in a checkpoint, so training "
            "could not be resumed. Choose one without, for example UPGrad."
        )
    return cast("Callable[[Tensor], Tensor]", aggregator)


def parse_call(specification: str) -> tuple[str, dict[str, Any]]:
    """Split `Name` or `Name(key=literal, ...)` into the name and the arguments, without running anything.

    Raises:
        SettingsError: It has another form.

    >>> parse_call("CAGrad(c=0.5)")
    ('CAGrad', {'c': 0.5})
    """
    problem = SettingsError(
        f"An aggregator is a name, with literal keyword arguments if it needs some, like UPGrad or CAGrad(c=0.5). "
        f"Found '{specification}'."
    )
    try:
        node = ast.parse(specification.strip(), mode="eval").body
        call = node if isinstance(node, ast.Call) else ast.Call(func=node, args=[], keywords=[])
        arguments = {str(keyword.arg): ast.literal_eval(keyword.value) for keyword in call.keywords if keyword.arg}
    except (SyntaxError, ValueError):
        raise problem from None
    if not isinstance(call.func, ast.Name) or call.args or len(arguments) != len(call.keywords):
        raise problem
    return call.func.id, arguments


def _aggregator_names(module: Any) -> list[str]:
    values = ((name, getattr(module, name)) for name in module.__all__)
    return [
        name
        for name, value in values
        if isinstance(value, type) and issubclass(value, module.Aggregator) and "Aggregator" not in name
    ]


def build_torchjd(settings: BalancingSettings, task_names: tuple[str, ...]) -> JacobianDescentBalancer:
    """`JacobianDescentBalancer` with the aggregator that the settings name."""
    layout, aggregator = TaskLayout.from_names(task_names), load_aggregator(settings.aggregator)
    return JacobianDescentBalancer(layout, aggregator, anneal_from=settings.anneal_from)
