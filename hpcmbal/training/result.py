"""How a training ended."""

from __future__ import annotations

import shlex
from dataclasses import dataclass, field
from pathlib import Path


@dataclass(frozen=True)
class TrainResult:
    """How a training ended.

    Attributes:
        checkpoint: The last one, complete on disk.
        step: Optimiser steps done, of `total_steps`.
        total_steps: Length of the training; None if only a time limit ends it, and it had not come to its decay.
        skipped_steps: Steps left out because their gradient was not finite.
        seconds: Wall-clock time of this call.
        interrupted: Ended early by Ctrl-C or SIGTERM.
        out_of_time: Ended early by `training.max_hours`.
        validation: Metrics of the last validation.
    """

    checkpoint: Path
    step: int
    total_steps: int | None
    skipped_steps: int
    seconds: float
    interrupted: bool
    out_of_time: bool = False
    validation: dict[str, float] = field(default_factory=dict)

    @property
    def summary(self) -> str:
        """One line for people."""
        if self.interrupted or self.out_of_time:
            why = "Interrupted" if self.interrupted else "Time is up"
            of = "" if self.total_steps is None else f" of {self.total_steps}"
            return f"{why} after step {self.step}{of}; saved to {self.checkpoint}. Go on with: {self.resume_command}"
        skipped = f", {self.skipped_steps} skipped" if self.skipped_steps else ""
        return f"Done: {self.step} steps{skipped}. Checkpoint: {self.checkpoint}"

    @property
    def resume_command(self) -> str:
        """What to type to go on."""
        return f"hpcmbal train --checkpoint {shlex.quote(str(self.checkpoint.parent.parent))}"
