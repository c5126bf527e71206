"""Which task belongs to which scale and to which side of the rate-distortion trade."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from hpcmbal.core.scales import SCALES
from hpcmbal.errors import SettingsError

if TYPE_CHECKING:
    from collections.abc import Sequence


@dataclass(frozen=True)
class TaskLayout:
    """What balancing needs to know of the tasks, read off their names.

    Attributes:
        names: Names of the K tasks, in order.
        distortion: Positions of the distortion tasks.
        rate: Positions of the rate tasks.
        scales: For each task its scale (0, 1, 2 for s1, s2, s3), or None where tasks are not split by scale.
    """

    names: tuple[str, ...]
    distortion: tuple[int, ...]
    rate: tuple[int, ...]
    scales: tuple[int, ...] | None

    @classmethod
    def from_names(cls, names: Sequence[str]) -> TaskLayout:
        """Read the layout off names like `distortion`, `bpp`, `s1_distortion`, `s3_bpp`.

        Raises:
            SettingsError: A single task (nothing to balance), a name of neither side, or names of which only some
                carry a scale.
        """
        if len(names) < 2:
            raise SettingsError(
                f"Balancing needs at least two tasks. Found {list(names)}. Set loss.tasks to 'two' or 'five', "
                "or balancing.name to 'none'."
            )
        distortion = tuple(i for i, name in enumerate(names) if name.endswith("distortion"))
        rate = tuple(i for i, name in enumerate(names) if name.endswith("bpp"))
        prefixes = [name.partition("_")[0] for name in names]
        scaled = [prefix in SCALES for prefix in prefixes]
        if len(distortion) + len(rate) < len(names) or any(scaled) != all(scaled):
            raise SettingsError(
                f"Task names should end in 'distortion' or 'bpp', and all or none begin with 's1_', 's2_' or 's3_'. "
                f"Found {list(names)}."
            )
        scales = tuple(SCALES.index(prefix) for prefix in prefixes) if all(scaled) else None
        return cls(tuple(names), distortion, rate, scales)

    @property
    def sides(self) -> tuple[tuple[int, ...], tuple[int, ...]]:
        """Distortion tasks, rate tasks."""
        return self.distortion, self.rate

    def per_task(self, per_scale: Sequence[float]) -> list[float]:
        """Spread values of s1, s2, s3 to the tasks; without scales, every task takes the first."""
        scales = self.scales or (0,) * len(self.names)
        return [per_scale[scale] for scale in scales]

    def has_choice_within_sides(self) -> bool:
        """Whether a side has more than one task, so that effort can move without touching lmbda."""
        return len(self.distortion) > 1 or len(self.rate) > 1
