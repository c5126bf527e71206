"""Early stopping: of a whole training, or of each scale on its own validation loss; the best weights are kept."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from torch import Tensor

from hpcmbal.core.scales import SCALES
from hpcmbal.errors import setting

if TYPE_CHECKING:
    from hpcmbal.settings.finetune import EarlyStoppingSettings
    from hpcmbal.training.checkpoint import Checkpoint

WHOLE = "j"
"""Name of what is watched when scales are not watched apart."""


def scale_losses(values: Mapping[str, float]) -> dict[str, float]:
    """What each scale costs of an image's J: the measured split of `HierarchicalLoss`, from the record of a loss.

    They sum to J: s1 has its bits and the error in block means of 4x4, s2 its bits and the rest of the error, s3 its
    bits and those of the hyperprior.
    """
    distortion = values["distortion"]
    detail = values["distortion_share_s2"] + values["distortion_share_s3"]
    return {
        "s1": values["bpp_s1"] + distortion * values["distortion_share_s1"],
        "s2": values["bpp_s2"] + distortion * detail,
        "s3": values["bpp_s3"] + values["bpp_z"],
    }


@dataclass
class Watch:
    """One loss that should fall.

    Attributes:
        best: The lowest so far.
        waited: Validations since then.
        stopped: It has waited long enough.
    """

    best: float = math.inf
    waited: int = 0
    stopped: bool = False


class EarlyStopping:
    """Watches validations and remembers the best weights.

    Args:
        settings: Patience, and what counts as better.
    """

    def __init__(self, settings: EarlyStoppingSettings) -> None:
        self.settings = settings
        self.watches = {name: Watch() for name in (SCALES if settings.per_scale else (WHOLE,))}
        self.best_j = math.inf
        self.best_step = 0
        self.best_weights: dict[str, Tensor] | None = None

    @property
    def done(self) -> bool:
        """Everything that is watched has stopped."""
        return all(watch.stopped for watch in self.watches.values())

    @property
    def stopped(self) -> list[str]:
        """What has stopped."""
        return [name for name, watch in self.watches.items() if watch.stopped]

    def note(self, step: int, values: Mapping[str, float], weights: Mapping[str, Tensor]) -> list[str]:
        """Look at a validation.

        Args:
            step: Steps done.
            values: `j`, and the losses of the scales by name (see `scale_losses`).
            weights: Of the network that was validated; copied if it is the best so far.

        Returns:
            What stops with this validation.
        """
        if values["j"] < self.best_j:
            self.best_j, self.best_step = values["j"], step
            self.best_weights = {name: tensor.detach().cpu().clone() for name, tensor in weights.items()}
        newly = []
        for name, watch in self.watches.items():
            if watch.stopped:
                continue
            if values[name] < watch.best - self.settings.min_delta:
                watch.best, watch.waited = values[name], 0
                continue
            watch.waited += 1
            if watch.waited >= self.settings.patience:
                watch.stopped = True
                newly.append(name)
        return newly

    def state_dict(self) -> dict[str, Any]:
        """All that `load_state_dict` needs."""
        watches = {name: [watch.best, watch.waited, watch.stopped] for name, watch in self.watches.items()}
        return {
            "watches": watches,
            "best_j": self.best_j,
            "best_step": self.best_step,
            "best_weights": self.best_weights,
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continue exactly where `state_dict` was taken."""
        self.watches = {name: Watch(*values) for name, values in state["watches"].items()}
        self.best_j, self.best_step = state["best_j"], state["best_step"]
        self.best_weights = state["best_weights"]


def ended_early(checkpoint: Checkpoint) -> str | None:
    """That early stopping ended a checkpoint's training, and what to do instead of going on; None if it did not."""
    settings = checkpoint.settings.finetune.early_stopping
    state = None if settings is None else checkpoint.trainer_state().get("stopping")
    if settings is None or state is None:
        return None
    stopping = EarlyStopping(settings)
    stopping.load_state_dict(state)
    if not stopping.done:
        return None
    other = setting("finetune.init_from", checkpoint.run)
    return (
        f"early stopping ended {checkpoint.run} after step {checkpoint.step}; the weights of step "
        f"{stopping.best_step} are kept. To train on, start a new run with {other}"
    )
