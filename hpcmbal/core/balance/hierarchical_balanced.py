"""The composed optimiser: any base optimiser, driven by the five balanced tasks."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from hpcmbal.core.balance.famo_balancer import FamoBalancer
from hpcmbal.core.balance.gamma import ScaleGammaManager
from hpcmbal.core.balance.task_layout import TaskLayout
from hpcmbal.core.loss.tasks import FIVE_TASKS
from hpcmbal.errors import SettingsError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

DEFAULT_GAMMAS = (0.008, 0.006, 0.004)
DEFAULT_SCALE_WEIGHTS = (0.3, 0.4, 0.3)


class HierarchicalBalanced:
    """Hierarchical balanced optimisation from Python, without trainer or command line.

    ```
    evaluate() -> tasks [5] --balance--> gradients --clip--> base optimiser
         |                                                       |
         +---- every `update_every` steps: evaluate() again, update the task weights
    ```

    `evaluate` has to return the task losses of the *same* batch with the *same* noise at every call of one step:

    ```python
    optimizer = HierarchicalBalanced(torch.optim.Adam(model.parameters()), lmbda=0.013)
    for x, seeds in batches:
        optimizer.step(lambda: loss(model(x, lmbda, seeds), x, lmbda).tasks)
    ```

    Args:
        base: Any torch optimiser.
        gammas: Initial pull of the task logits of s1, s2, s3.
        gamma_strategy: Its course over the training; call `set_progress` for any but "fixed".
        scale_weights: Emphasis of s1, s2, s3.
        clip_max_norm: Largest norm of the whole gradient; 0 turns clipping off.
        lmbda: Only to log the effective lmbda; None leaves that metric out.
        options: More options of `FamoBalancer`: mode, w_lr, update_every, preserve_lambda.
    """

    def __init__(
        self,
        base: torch.optim.Optimizer,
        *,
        gammas: Sequence[float] = DEFAULT_GAMMAS,
        gamma_strategy: str = "fixed",
        scale_weights: Sequence[float] = DEFAULT_SCALE_WEIGHTS,
        clip_max_norm: float = 0.0,
        lmbda: float | None = None,
        **options: Any,
    ) -> None:
        if options.get("update_mode", "same_batch") != "same_batch":
            raise SettingsError(
                "HierarchicalBalanced measures the losses after a step on the same batch. For update_mode 'next_batch' "
                "use FamoBalancer itself."
            )
        manager = ScaleGammaManager(gammas, gamma_strategy)
        layout = TaskLayout.from_names(FIVE_TASKS)
        self.base = base
        self.balancer = FamoBalancer(layout, manager, scale_weights=scale_weights, **options)
        self.clip_max_norm = clip_max_norm
        self.lmbda = lmbda
        self.steps = 0
        self._losses: Tensor | None = None

    @property
    def param_groups(self) -> list[dict[str, Any]]:
        """Those of the base optimiser, for learning-rate schedules."""
        return self.base.param_groups

    def step(self, evaluate: Callable[[], Tensor]) -> Tensor:
        """One whole training step.

        Args:
            evaluate: Returns the five task losses `[5]`; called with gradients, and again without when an update is
                due.

        Returns:
            The task losses before the step `[5]`, without graph.

        Raises:
            NumericalError: A loss is negative or not finite; the message names the task.
        """
        parameters = [p for group in self.param_groups for p in group["params"] if p.requires_grad]
        self.base.zero_grad()
        losses = evaluate()
        self.balancer.backward(losses, parameters)
        if self.clip_max_norm:
            nn.utils.clip_grad_norm_(parameters, self.clip_max_norm)
        self.base.step()
        self._losses = losses.detach()
        if self.balancer.wants_after(self.steps):
            with torch.no_grad():
                self.balancer.update(self._losses, evaluate())
        self.steps += 1
        return self._losses

    def set_progress(self, fraction: float, scale_losses: Sequence[float] | None = None) -> None:
        """Move the gamma schedule to a fraction of the training; see `ScaleGammaManager.set_progress`."""
        self.balancer.set_progress(fraction, scale_losses)

    def get_task_weights(self) -> dict[str, float]:
        """Present task weights `softmax(w)` by task; they sum to one."""
        return self.balancer.task_weights

    def get_scale_contributions(self) -> dict[str, float]:
        """Share of each scale in the balanced objective of the last step; they sum to one. Empty before the first."""
        return self.balancer.effective.contributions()

    def set_scale_weights(self, scale_weights: Sequence[float]) -> None:
        """Replace the emphasis of s1, s2, s3; only their ratios matter."""
        self.balancer.set_scale_weights(scale_weights)

    def set_scale_gammas(self, gammas: Sequence[float]) -> None:
        """Replace the initial gammas of s1, s2, s3; the schedule goes on multiplying them."""
        self.balancer.gammas.set_initial(gammas)

    def metrics(self) -> dict[str, float]:
        """What to log about the last step.

        `train/<task>`, `weights/<task>`, `effective_weights/<task>`, `scale_contrib/<scale>`, `gamma/<scale>`,
        `lmbda_eff_ratio`, and with a known lmbda `lmbda_eff`.
        """
        values = self.balancer.metrics()
        if self._losses is not None:
            values |= {f"train/{name}": loss for name, loss in zip(FIVE_TASKS, self._losses.tolist(), strict=True)}
        if self.lmbda is not None and "lmbda_eff_ratio" in values:
            values["lmbda_eff"] = values["lmbda_eff_ratio"] * self.lmbda
        return values

    def state_dict(self) -> dict[str, Any]:
        """State of the base optimiser, of the balancer, and the number of steps."""
        return {"base": self.base.state_dict(), "balancer": self.balancer.state_dict(), "steps": self.steps}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore what `state_dict` returned."""
        self.base.load_state_dict(state["base"])
        self.balancer.load_state_dict(state["balancer"])
        self.steps = int(state["steps"])
