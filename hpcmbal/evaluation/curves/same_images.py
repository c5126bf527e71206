"""Which curves belong into one figure and one table: those about the same images."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from hpcmbal.evaluation.curves.curve import Curve
from hpcmbal.evaluation.image_set import compare_image_sets, image_set_known

_NAMED = 3
"""Names that a sentence lists before it counts the rest."""


@dataclass(frozen=True)
class LeftOut:
    """A curve that is neither drawn nor compared, and why."""

    name: str
    reason: str


def same_images(
    curves: Sequence[Curve], reference: Mapping[str, object] | None = None
) -> tuple[list[Curve], list[LeftOut]]:
    """The curves about the same images, and the others.

    Args:
        curves: All there are.
        reference: `Curve.meta` of the images to go by; if None, those of the first curve that has results by image,
            else of the first that says its images.
    """
    if reference is None:
        known = [curve for curve in curves if curve.samples] or curves
        reference = next((curve.meta for curve in known if image_set_known(curve.meta)), {})
    kept, left = [], []
    for curve in curves:
        reason = compare_image_sets(reference, curve.meta)
        if reason is None:
            kept.append(curve)
        else:
            left.append(LeftOut(curve.name, reason))
    return kept, left


def left_out_lines(left: Sequence[LeftOut]) -> list[str]:
    """One line for each reason: how many curves were left out, and which."""
    by_reason: dict[str, list[str]] = {}
    for item in left:
        by_reason.setdefault(item.reason, []).append(item.name)
    lines = []
    for reason, names in by_reason.items():
        more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
        count = f"{len(names)} curve{'s' * (len(names) != 1)}"
        lines.append(f"{count} left out of figures and comparisons ({', '.join(names[:_NAMED])}{more}): {reason}.")
    return lines
