"""What a training tells about itself while it runs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from hpcmbal.training.result import TrainResult


class Reporter(Protocol):
    """Shows a training's progress; the command line has one for terminals and one for pipes."""

    def start(self, total_steps: int | None, initial_step: int) -> None:
        """The training begins after `initial_step` (0, or where it resumes) of `total_steps`, if that is known."""

    def length(self, total_steps: int) -> None:
        """There will be `total_steps` steps: an estimate while only a time limit is known, or a shorter course."""

    def step(self, step: int, metrics: Mapping[str, float]) -> None:
        """`step` steps are done. `metrics` is empty between two lines of the log."""

    def validation(self, step: int, metrics: Mapping[str, float]) -> None:
        """The validation images were coded with the weights after `step` steps."""

    def message(self, text: str) -> None:
        """Something worth a line."""

    def finish(self, result: TrainResult) -> None:
        """The training is over."""


class SilentReporter:
    """Shows nothing: for use from Python, and for all ranks but the first."""

    def start(self, total_steps: int | None, initial_step: int) -> None:
        """Nothing."""

    def length(self, total_steps: int) -> None:
        """Nothing."""

    def step(self, step: int, metrics: Mapping[str, float]) -> None:
        """Nothing."""

    def validation(self, step: int, metrics: Mapping[str, float]) -> None:
        """Nothing."""

    def message(self, text: str) -> None:
        """Nothing."""

    def finish(self, result: TrainResult) -> None:
        """Nothing."""
