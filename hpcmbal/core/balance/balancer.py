"""What every balancer offers to a training step, the one that does nothing, and how they are found by name."""

from __future__ import annotations

from abc import abstractmethod
from importlib import import_module
from typing import TYPE_CHECKING, Any, Protocol

from hpcmbal.settings.plugins import load_plugin

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from torch import Tensor, nn

    from hpcmbal.settings import BalancingSettings


class Balancer(Protocol):
    """Decides in which mixture the gradients of K tasks reach the parameters.

    One training step, in order: `backward(losses)` for every batch, the optimiser's step,
    `update(step, before, measure_after)`, `set_progress(fraction)`. A step that is skipped, because something in it was
    not finite, ends after the first.

    A balancer that learns nothing inherits all but `backward` from here.

    On another device than the CPU a balancer should not wait for values: what is not finite there flows on, and the
    step drops it. Only `metrics` and `state_dict` have to read.

    Attributes:
        task_names: Names of the K tasks, in the order of their losses.
        compares_gradients: Whether it looks at one gradient per task. Ranks share gradients only after the backward
            pass, so such a balancer trains in one process.
    """

    task_names: tuple[str, ...]
    compares_gradients: bool

    @abstractmethod
    def backward(self, losses: Tensor, parameters: Sequence[nn.Parameter], scale: float = 1.0) -> None:
        """Add the balanced gradient of `losses` to the parameters' `.grad`.

        Args:
            losses: Task losses `[K]` with their graph, which is used up. In data parallelism their values are averages
                over ranks, so that every rank computes the same weights.
            parameters: The network's trainable parameters.
            scale: Factor of the gradient, 1 / n when gradients of n batches are accumulated. Balancing sees the losses
                unscaled.

        Raises:
            NumericalError: A loss is not finite; the message names the task, and no gradient was touched.
        """

    def update(self, step: int, before: Tensor, measure_after: Callable[[], Tensor]) -> None:
        """Learn from what one optimiser step did to the tasks.

        Args:
            step: Number of the step, from 0.
            before: Task losses `[K]` before it, averaged over batches and ranks.
            measure_after: Returns the same losses after the step (same images, same noise), at the price of a forward
                pass; to be called only when they are needed, in the same steps on every rank.

        Raises:
            NumericalError: A loss is negative or not finite; the message names the task, and nothing was learnt.
        """
        del step, before, measure_after

    def set_progress(self, fraction: float, epoch_losses: Tensor | None = None) -> None:
        """Tell how much of the training is done.

        Args:
            fraction: 0 to 1.
            epoch_losses: Once per epoch, the epoch's mean task losses `[K]`; NaN if no step of it was finite.
        """
        del fraction, epoch_losses

    def metrics(self) -> dict[str, float]:
        """What to log about the last step, by metric name."""
        return {}

    def state_dict(self) -> dict[str, Any]:
        """What was learnt, so that `load_state_dict` continues exactly; not how the balancer was configured."""
        return {}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore what `state_dict` returned."""
        del state


class NoBalancer(Balancer):
    """The plain sum of the tasks, which is J.

    Args:
        task_names: Names of the tasks.
    """

    compares_gradients = False

    def __init__(self, task_names: Sequence[str]) -> None:
        self.task_names = tuple(task_names)

    def backward(self, losses: Tensor, parameters: Sequence[nn.Parameter], scale: float = 1.0) -> None:
        """Gradient of J. Losses that are not finite pass through: the step sees them in the gradient's norm."""
        del parameters
        (losses.sum() * scale).backward()


def build_none(settings: BalancingSettings, task_names: tuple[str, ...]) -> NoBalancer:
    """`NoBalancer`, whatever the other settings."""
    del settings
    return NoBalancer(task_names)


BALANCERS: dict[str, str] = {
    "none": "hpcmbal.core.balance.balancer:build_none",
    "linear": "hpcmbal.core.balance.famo:build_famo",
    "log1p": "hpcmbal.core.balance.famo:build_famo",
    "log": "hpcmbal.core.balance.famo:build_famo",
    "qp": "hpcmbal.core.balance.qp:build_qp",
    "torchjd": "hpcmbal.core.balance.jacobian_descent:build_torchjd",
}
"""`module:factory` of each balancing; a factory takes the settings and the task names. A new one is a file and a line
here."""


def build_balancer(settings: BalancingSettings, task_names: Sequence[str]) -> Balancer:
    """The balancer that `settings` name, for tasks of these names in this order.

    Raises:
        SettingsError: The name is unknown; or these tasks cannot be balanced so.
        MissingExtraError: The balancing needs a package that is not installed.
    """
    if settings.name in BALANCERS:
        module, _, name = BALANCERS[settings.name].partition(":")
        factory = getattr(import_module(module), name)
    else:
        factory = load_plugin("balancers", settings.name)
    balancer: Balancer = factory(settings, tuple(task_names))
    return balancer
