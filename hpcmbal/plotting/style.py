"""What all figures of stored results share."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from matplotlib.axis import XAxis, YAxis
    from matplotlib.figure import Figure

SCALE_COLOURS = {"z": "#000000", "s1": "#D55E00", "s2": "#56B4E9", "s3": "#009E73"}
"""One colour for a scale in all figures; neighbours differ in gray too."""
ARM_COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#7F7F7F")
"""Okabe and Ito, "Color universal design", 2008, without black, which is the reference's."""
ARM_DASHES: tuple[str | tuple[int, tuple[float, ...]], ...] = ((0, (6, 1.5)), (0, (5, 1.5, 1, 1.5)), (0, (1.5, 1)), "-")
ARM_MARKERS = ("o", "^", "D", "v", "P", "X", "*")
INK, QUIET = "#333333", "#777777"


@dataclass(frozen=True)
class ArmLook:
    """How an arm of a study looks, the same in all its figures.

    Attributes:
        colour: Of its lines, bands and markers.
        dashes: Of its lines, which tell it apart in print.
        marker: Of its points.
    """

    colour: str
    dashes: str | tuple[int, tuple[float, ...]]
    marker: str


REFERENCE_LOOK = ArmLook("#000000", "-", "s")


def arm_looks(arms: Sequence[str], reference: str) -> dict[str, ArmLook]:
    """Looks by arm: the reference in black, the others in colours and dashes of their own."""
    others = [arm for arm in arms if arm != reference]
    looks = {
        arm: ArmLook(
            ARM_COLOURS[index % len(ARM_COLOURS)],
            ARM_DASHES[index % len(ARM_DASHES)],
            ARM_MARKERS[index % len(ARM_MARKERS)],
        )
        for index, arm in enumerate(others)
    }
    return {arm: REFERENCE_LOOK if arm == reference else looks[arm] for arm in arms}


@contextmanager
def figure_style() -> Iterator[None]:
    """Font, size and frame of figures drawn inside; names in them are text, never mathematics."""
    import matplotlib as mpl

    with mpl.rc_context(
        {
            "font.size": 10,
            "axes.spines.top": False,
            "axes.spines.right": False,
            "text.parse_math": False,
            "text.usetex": False,
        }
    ):
        yield


def empty_figure(width: float, height: float) -> Figure:
    """A figure of that many inches; not pyplot's, which would keep it alive and choose a window system."""
    from matplotlib.figure import Figure

    return Figure(figsize=(width, height), layout="constrained")


def plain_logarithmic(*axes: XAxis | YAxis) -> None:
    """Make axes logarithmic, with 0.2 and 50 beside the ticks in place of powers of ten, which would be mathematics."""
    from matplotlib.ticker import LogLocator, NullFormatter, StrMethodFormatter

    for axis in axes:
        axis.axes.set(**{f"{axis.axis_name}scale": "log"})
        axis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        axis.set_major_formatter(StrMethodFormatter("{x:g}"))
        axis.set_minor_formatter(NullFormatter())
