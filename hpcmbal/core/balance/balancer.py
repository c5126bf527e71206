"""What every balancer offers to the trainer, and the one that does nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import Tensor, nn


class Balancer(Protocol):
    """Decides in which mixture the gradients of K tasks reach the parameters.

    One training step, in order: `backward(losses)`, the optimiser's step, and if `wants_update(step)` an
    `update(before, after)`, for which `after` is measured only if `wants_after(step)`.
    """

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

    def wants_update(self, step: int) -> bool:
        """Whether `update` is to be called after this step (counted from 0)."""

    def wants_after(self, step: int) -> bool:
        """Whether that update needs the losses after the step: same images, same noise seeds, no gradient."""

    def update(self, before: Tensor, after: Tensor | None = None) -> None:
        """Learn from what one optimiser step did to the tasks.

        Args:
            before: Task losses `[K]` before the step; if `after` covers a part of the batch, of that part alone.
                Averaged over ranks, so that all ranks learn the same.
            after: The same after the step, or None unless `wants_after` asked for it.

        Raises:
            NumericalError: A loss is negative or not finite; the message names the task, and nothing was learnt.
        """

    def set_progress(self, fraction: float, scale_losses: Sequence[float] | None = None) -> None:
        """Tell how much of the training is done.

        Args:
            fraction: 0 to 1.
            scale_losses: Once per epoch, the epoch's mean losses of s1, s2 and s3 (each the sum of its tasks).
        """

    def metrics(self) -> dict[str, float]:
        """What to log about the last step, by metric name."""

    def state_dict(self) -> dict[str, Any]:
        """Everything that `load_state_dict` needs to continue exactly."""

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore what `state_dict` returned."""


class MemorylessBalancer:
    """What balancers share that decide anew in every step: nothing is learnt, logged or saved.

    Subclasses add `backward`.
    """

    def wants_update(self, step: int) -> bool:
        """Never."""
        del step
        return False

    def wants_after(self, step: int) -> bool:
        """Never."""
        del step
        return False

    def update(self, before: Tensor, after: Tensor | None = None) -> None:
        """Nothing to learn."""

    def set_progress(self, fraction: float, scale_losses: Sequence[float] | None = None) -> None:
        """Nothing depends on progress."""

    def metrics(self) -> dict[str, float]:
        """Nothing to log."""
        return {}

    def state_dict(self) -> dict[str, Any]:
        """No state."""
        return {}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """No state."""
        del state


class NoBalancer(MemorylessBalancer):
    """The plain sum of the tasks, which is J."""

    def backward(self, losses: Tensor, parameters: Sequence[nn.Parameter], scale: float = 1.0) -> None:
        """Gradient of J. Losses that are not finite pass through, for the trainer to see in the gradient's norm."""
        del parameters
        (losses.sum() * scale).backward()
