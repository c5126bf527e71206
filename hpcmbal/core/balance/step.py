"""One optimiser step with balanced tasks: the same for the trainer and for a loop of one's own."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor, nn

from hpcmbal.core.balance.balancer import Balancer
from hpcmbal.core.device import readable
from hpcmbal.core.loss.tasks import TaskLosses
from hpcmbal.core.optim.guarded_step import step_where
from hpcmbal.errors import NumericalError, SettingsError, setting

MAX_SKIPPED_IN_A_ROW = 20

Evaluation = Callable[..., TaskLosses | Tensor]
"""Measures a batch: `evaluate()` returns its task losses with their graph, the same at every call but for the weights
(the same images, the same quantisation noise); `evaluate(slice(n))`, asked for only where a balancing measures a part
of the batch, those of its first n images. Either `TaskLosses`, or the batch's task losses `[K]` alone."""


class Ranks(Protocol):
    """The processes that share each batch; `hpcmbal.training.distributed.World` is one."""

    @property
    def size(self) -> int:
        """How many there are."""

    def average(self, tensor: Tensor) -> Tensor:
        """The mean of `tensor` over all ranks, in place."""

    def average_gradients(self, parameters: Sequence[nn.Parameter]) -> None:
        """Replace every gradient by its mean over ranks."""


@dataclass
class SkippedSteps:
    """Counts the steps that were left out because something was not finite; on the device, read when asked.

    Attributes:
        total: All of them.
        in_a_row: How many just now.
    """

    total: Tensor | int = 0
    in_a_row: Tensor | int = 0

    def count(self, finite: Tensor) -> None:
        """Take note of one more step."""
        self.total = self.total + (~finite).long()
        self.in_a_row = torch.where(finite, 0, self.in_a_row + 1)

    def check(self, step: int, problem: str) -> None:
        """Raise once too many steps in a row were skipped; waits for the device.

        Raises:
            NumericalError: It tells the step, and `problem`.
        """
        if int(self.in_a_row) >= MAX_SKIPPED_IN_A_ROW:
            raise NumericalError(
                f"{int(self.in_a_row)} steps in a row were skipped, the last was step {step}. {problem}"
            )


NOT_FINITE = (
    f"Its gradient is not finite. Lower {setting('optimizer.learning_rate')} or {setting('optimizer.clip_max_norm')} "
    "and resume from the last checkpoint."
)


@dataclass(frozen=True)
class StepOutcome:
    """What one step did; everything stays on its device until it is read.

    Attributes:
        losses: What the last batch's evaluation returned, graph used up.
        tasks: Task losses `[K]` before the step, averaged over batches and ranks; no graph.
        grad_norm: Norm of the whole gradient before clipping.
        finite: Whether the step was done; false: it was skipped.
    """

    losses: TaskLosses | Tensor
    tasks: Tensor
    grad_norm: Tensor
    finite: Tensor


class BalancedStep:
    """Forward, balance, average over ranks, clip, update, learn; a step that is not finite changes nothing.

    ```
    evaluate() -> task losses [K] --balancer--> gradients --ranks, clip--> optimiser
         |                                                                     |
         +---- where the balancer asks: evaluate() again without gradients <---+
    ```

    On the CPU a skipped step is known at once, and too many in a row raise. On other devices the host never waits:
    the device skips and counts, and `skipped.check` raises when it is called.

    Args:
        optimizer: Moves the parameters.
        balancer: Weighs the tasks.
        parameters: The network's parameters: those that the tasks reach, and whose gradient is clipped; of them those
            that require gradients at a step take part in it. Others of the
            optimiser (learned shares) follow the losses' `auxiliary`.
        clip_max_norm: Largest norm of the network's whole gradient; 0 turns clipping off.
        update_fraction: Part of each batch that is measured again after a step, above 0 and at most 1.
        ranks: Processes that share the batches; None if this one is alone.
        skipped: Where skipped steps are counted.

    Raises:
        SettingsError: The balancer compares gradients and there are several ranks.
    """

    def __init__(
        self,
        optimizer: torch.optim.Optimizer,
        balancer: Balancer,
        parameters: Sequence[nn.Parameter],
        *,
        clip_max_norm: float = 0.0,
        update_fraction: float = 1.0,
        ranks: Ranks | None = None,
        skipped: SkippedSteps | None = None,
    ) -> None:
        if ranks is not None and ranks.size > 1 and balancer.compares_gradients:
            raise SettingsError(
                "This balancing compares the tasks' gradients, which ranks do not share before the step; train with "
                "one process, or choose balancing linear, log1p or log."
            )
        self.optimizer = optimizer
        self.balancer = balancer
        self.parameters = list(parameters)
        self.clip_max_norm = clip_max_norm
        self.update_fraction = update_fraction
        self.ranks = ranks if ranks is not None and ranks.size > 1 else None
        self.skipped = SkippedSteps() if skipped is None else skipped

    def __call__(self, evaluations: Sequence[Evaluation], step: int) -> StepOutcome:
        """One step over batches whose gradients are averaged.

        Args:
            evaluations: One for each batch.
            step: Number of the step, from 0.

        Raises:
            NumericalError: On the CPU: too many steps in a row were skipped, or a loss after the step is not finite.
        """
        self.optimizer.zero_grad(set_to_none=True)
        problem, passes, tasks = None, [], []
        for evaluate in evaluations:
            losses = evaluate()
            passes.append(losses)
            tasks.append(self._of_all_ranks(_tasks(losses)))
            if problem is None:
                problem = self._backward(losses, tasks[-1], 1 / len(evaluations))
        mean = torch.stack([values.detach() for values in tasks]).mean(0)
        norm = self._clip() if problem is None else torch.full_like(mean[0], math.nan)
        finite = norm.isfinite() & mean.isfinite().all()
        step_where(finite, self.optimizer)
        self.skipped.count(finite)
        if not readable(finite) or bool(finite):
            self._learn(evaluations, passes, mean, finite, step)
        else:
            self.optimizer.zero_grad(set_to_none=True)
            self.skipped.check(step, problem or NOT_FINITE)
        return StepOutcome(passes[-1], mean, norm, finite)

    def _of_all_ranks(self, tasks: Tensor) -> Tensor:
        """Values of the global batch with this rank's gradients.

        Balancing then decides the same on every rank, and averaging the gradients gives what one process with the whole
        batch would have.
        """
        if self.ranks is None:
            return tasks
        # In this order, so that the values are the mean to the last bit, and the same on every rank.
        return tasks - tasks.detach() + self.ranks.average(tasks.detach().clone())

    def _backward(self, losses: TaskLosses | Tensor, tasks: Tensor, scale: float) -> str | None:
        """Add one batch's gradients; returns what is wrong with its losses, if the balancer saw that."""
        try:
            learning = [parameter for parameter in self.parameters if parameter.requires_grad]
            self.balancer.backward(tasks, learning, scale)
        except NumericalError as error:
            return str(error)
        if isinstance(losses, TaskLosses) and losses.auxiliary is not None:
            (losses.auxiliary * scale).backward()
        return None

    def _clip(self) -> Tensor:
        if self.ranks is not None:
            every = [parameter for group in self.optimizer.param_groups for parameter in group["params"]]
            self.ranks.average_gradients(every)
        return nn.utils.clip_grad_norm_(self.parameters, self.clip_max_norm or math.inf)

    def _learn(
        self,
        evaluations: Sequence[Evaluation],
        passes: list[TaskLosses | Tensor],
        mean: Tensor,
        finite: Tensor,
        step: int,
    ) -> None:
        """Let the balancer look at what the step did; a skipped step shows it NaN, of which it learns nothing."""
        before = mean
        if self.update_fraction < 1:
            before = self._mean([_part(losses, self._part_of(losses)) for losses in passes])

        @torch.no_grad()
        def measure_after() -> Tensor:
            if self.update_fraction == 1:
                return self._mean([_tasks(evaluate()) for evaluate in evaluations])
            parts = zip(evaluations, passes, strict=True)
            return self._mean([_tasks(evaluate(self._part_of(losses))) for evaluate, losses in parts])

        if not readable(finite):
            before = torch.where(finite, before, math.nan)
        self.balancer.update(step, before, measure_after)

    def _part_of(self, losses: TaskLosses | Tensor) -> slice:
        """The images of a batch that are measured again."""
        if not isinstance(losses, TaskLosses):
            raise SettingsError("update_fraction below 1 needs an evaluation that returns TaskLosses, not a tensor.")
        return slice(math.ceil(self.update_fraction * len(losses.per_image)))

    def _mean(self, per_batch: Sequence[Tensor]) -> Tensor:
        """Mean task losses `[K]` over batches and ranks."""
        mean = torch.stack([tasks.detach() for tasks in per_batch]).mean(0)
        return mean if self.ranks is None else self.ranks.average(mean)


def _tasks(losses: TaskLosses | Tensor) -> Tensor:
    return losses.tasks if isinstance(losses, TaskLosses) else losses


def _part(losses: TaskLosses | Tensor, part: slice) -> Tensor:
    return losses.weighted[part].mean(0) if isinstance(losses, TaskLosses) else losses
