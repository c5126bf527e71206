"""The composed optimiser: any base optimiser, driven by the five balanced tasks."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from hpcmbal.core.balance.famo import FamoBalancer
from hpcmbal.core.balance.gamma import ScaleGammaManager
from hpcmbal.core.balance.step import NOT_FINITE, BalancedStep, Evaluation, SkippedSteps
from hpcmbal.core.balance.weighting import TaskLayout
from hpcmbal.core.loss.tasks import FIVE_TASKS
from hpcmbal.errors import SettingsError
from hpcmbal.settings.choices import GAMMAS, SCALE_WEIGHTS

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence


class HierarchicalBalanced(torch.optim.Optimizer):
    """Hierarchical balanced optimisation as a torch optimiser, without trainer or command line.

    It does the trainer's own step (`BalancedStep`): a step whose losses or gradient are not finite changes nothing and
    is counted, 20 of them in a row raise. Learning-rate schedulers take it as any other optimiser; parameter groups and
    state are those of the base optimiser.

    The closure has to return the task losses of the *same* batch with the *same* noise at every call of one step:

    ```python
    optimizer = HierarchicalBalanced(torch.optim.Adam(model.parameters()), lmbda=0.013)
    for x, seeds in batches:
        optimizer.step(lambda: loss(model(x, lmbda, seeds), x, lmbda))
    ```

    Args:
        base: Any torch optimiser. With learned shares, give it `loss.parameter_groups()` as well.
        gammas: Initial pull of the task logits of s1, s2, s3.
        gamma_strategy: Its course over the training; call `set_progress` for any but "fixed".
        scale_weights: Emphasis of s1, s2, s3.
        clip_max_norm: Largest norm of the whole gradient of `parameters`; 0 turns clipping off.
        parameters: The network's parameters, if the base optimiser moves others too (learned shares); all by default.
        update_fraction: Part of the batch that is measured again for an update; below 1 the closure takes a slice of
            the batch, and all of it by default: `lambda part=slice(None): loss(model(x[part], ...), ...)`.
        lmbda: Only to log the effective lmbda; None leaves that metric out.
        options: More options of `FamoBalancer`: mode, w_lr, update_every, preserve_lambda, anneal_from.

    Raises:
        SettingsError: An option has no meaning, or update_mode is "next_batch".
    """

    def __init__(
        self,
        base: torch.optim.Optimizer,
        *,
        gammas: Sequence[float] = GAMMAS,
        gamma_strategy: str = "fixed",
        scale_weights: Sequence[float] = SCALE_WEIGHTS,
        clip_max_norm: float = 0.0,
        parameters: Iterable[nn.Parameter] | None = None,
        update_fraction: float = 1.0,
        lmbda: float | None = None,
        **options: Any,
    ) -> None:
        if options.get("update_mode", "same_batch") != "same_batch":
            raise SettingsError(
                "HierarchicalBalanced measures the losses after a step on the same batch. For update_mode 'next_batch' "
                "use FamoBalancer itself."
            )
        if not 0 < update_fraction <= 1:
            raise SettingsError(f"update_fraction should be above 0 and at most 1. Found {update_fraction}.")
        super().__init__(base.param_groups, base.defaults)
        self.base = base
        self._share_with_base()
        manager = ScaleGammaManager(gammas, gamma_strategy)
        layout = TaskLayout.from_names(FIVE_TASKS)
        self.balancer = FamoBalancer(layout, manager, scale_weights=scale_weights, **options)
        chosen = [p for group in self.param_groups for p in group["params"]] if parameters is None else list(parameters)
        self._step = BalancedStep(
            base,
            self.balancer,
            [parameter for parameter in chosen if parameter.requires_grad],
            clip_max_norm=clip_max_norm,
            update_fraction=update_fraction,
        )
        self.lmbda = lmbda
        self.steps = 0
        self._losses: Tensor | None = None

    def _share_with_base(self) -> None:
        """Groups and state are the base's own objects: what a scheduler writes here is what the base reads."""
        self.param_groups, self.state = self.base.param_groups, self.base.state

    def __getstate__(self) -> dict[str, Any]:
        """Everything, so that copies and pickles are whole."""
        return self.__dict__.copy()

    @property
    def skipped_steps(self) -> int:
        """Steps left out because a loss or the gradient was not finite."""
        return int(self._step.skipped.total)

    def step(self, closure: Evaluation) -> Tensor:  # type: ignore[override]
        """One whole training step.

        Args:
            closure: Returns `TaskLosses`, or the five task losses `[5]`; called with gradients, and again without when
                an update of the task weights is due.

        Returns:
            The task losses before the step `[5]`, without graph.

        Raises:
            NumericalError: 20 steps in a row were skipped, or a loss after the step is not finite; the message names
                the task.
        """
        self._losses = self._step([closure], self.steps).tasks
        self.steps += 1
        return self._losses

    def zero_grad(self, set_to_none: bool = True) -> None:
        """Forget gradients; `step` does it by itself."""
        self.base.zero_grad(set_to_none)

    def add_param_group(self, param_group: dict[str, Any]) -> None:
        """Give the base optimiser one more group."""
        if "base" not in self.__dict__:  # torch's constructor adds the groups that the base has already
            super().add_param_group(param_group)
            return
        self.base.add_param_group(param_group)
        self._step.parameters += [p for p in self.param_groups[-1]["params"] if p.requires_grad]

    def set_progress(self, fraction: float, scale_losses: Sequence[float] | None = None) -> None:
        """Move gamma schedule and annealing to a fraction of the training.

        Args:
            fraction: 0 to 1.
            scale_losses: At the end of an epoch, its mean losses of s1, s2, s3, for the gamma strategy "adaptive".
        """
        self.balancer.set_progress(fraction)
        if scale_losses is not None:
            self.balancer.gammas.set_progress(fraction, scale_losses)

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
        """What to log about the last step; on other devices than the CPU this is where skipped steps are noticed.

        `train/<task>`, `train/skipped_steps`, `weights/<task>`, `effective_weights/<task>`, `scale_contrib/<scale>`,
        `gamma/<scale>`, `lmbda_eff_ratio`, and with a known lmbda `lmbda_eff`.

        Raises:
            NumericalError: 20 steps in a row were skipped.
        """
        self._step.skipped.check(self.steps - 1, NOT_FINITE)
        values = self.balancer.metrics() | {"train/skipped_steps": float(self.skipped_steps)}
        if self._losses is not None:
            values |= {f"train/{name}": loss for name, loss in zip(FIVE_TASKS, self._losses.tolist(), strict=True)}
        if self.lmbda is not None and "lmbda_eff_ratio" in values:
            values["lmbda_eff"] = values["lmbda_eff_ratio"] * self.lmbda
        return values

    def state_dict(self) -> dict[str, Any]:
        """State and parameter groups of the base optimiser under torch's names, and under `balanced` all the rest."""
        skipped = self._step.skipped
        return {
            **self.base.state_dict(),
            "balanced": {
                "balancer": self.balancer.state_dict(),
                "gammas": list(self.balancer.gammas.initial),
                "scale_weights": list(self.balancer.scale_weights),
                "steps": self.steps,
                "skipped": [int(skipped.total), int(skipped.in_a_row)],
            },
        }

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Restore what `state_dict` returned, the base optimiser's options included, as torch does."""
        own = state_dict["balanced"]
        self.base.load_state_dict({name: value for name, value in state_dict.items() if name != "balanced"})
        self._share_with_base()
        self.balancer.load_state_dict(own["balancer"])
        self.balancer.gammas.set_initial(own["gammas"])
        self.balancer.set_scale_weights(own["scale_weights"])
        self.steps = int(own["steps"])
        self._step.skipped = SkippedSteps(*own["skipped"])
