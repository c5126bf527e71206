"""A rate-distortion curve: what one codec did to one set of images, at several rates."""

from __future__ import annotations

import hashlib
import json
import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

from hpcmbal.errors import DataError
from hpcmbal.evaluation.metrics import ms_ssim_db

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from hpcmbal.plotting.rd_curves import Role

BPP, PSNR, MS_SSIM, MS_SSIM_DB = "bpp", "psnr-rgb", "ms-ssim-rgb", "ms-ssim-db-rgb"
"""Keys of results, as CompressAI writes them; MS-SSIM in dB is an addition."""

IN_DB = {MS_SSIM_DB: MS_SSIM, "iw-ssim-db": "iw-ssim", "fsim-db": "fsim"}
"""Similarities x in [0, 1] by the key of -10 log10(1 - x), in which differences near 1 can be seen."""

DISTANCES_IN_DB = {"lpips-db": "lpips", "dists-db": "dists"}
"""Distances x by the key of -10 log10(x), so that more is better."""

_LINEAR = {**IN_DB, **DISTANCES_IN_DB}

QUALITY_METRICS = (
    *(PSNR, MS_SSIM_DB, "ssimulacra2", "vmaf", "vmaf-neg", "psnr-hvs-m"),
    *("iw-ssim-db", "fsim-db", "vif", "lpips-db", "dists-db"),
)
"""What curves are drawn and compared in, those that there are: on scales on which a straight line is a fair guess."""

METRIC_LABELS = {
    PSNR: "PSNR (dB)",
    MS_SSIM_DB: "MS-SSIM (dB)",
    MS_SSIM: "MS-SSIM",
    BPP: "bits per pixel",
    "ssimulacra2": "SSIMULACRA 2",
    "vmaf": "VMAF",
    "vmaf-neg": "VMAF NEG",
    "psnr-hvs-m": "PSNR-HVS-M (dB)",
    "iw-ssim-db": "IW-SSIM (dB)",
    "fsim-db": "FSIM (dB)",
    "vif": "VIF",
    "lpips-db": "LPIPS (dB)",
    "dists-db": "DISTS (dB)",
}

Column: TypeAlias = tuple[float | None, ...]
"""One metric at every point of a curve; None where it is not defined."""


MAX_BPP, MAX_QUALITY = 1e4, 1e6
"""Beyond these no number is a rate or a quality of a picture, and arithmetic with it says nothing."""


class UsablePoints(NamedTuple):
    """The points of a curve that can be drawn and compared in one metric.

    Attributes:
        points: (bpp, quality), by rising bpp.
        indexes: Their places in the columns of the curve.
        left_out: Why the other points were left out, one reason each kind; empty if none was.
    """

    points: list[tuple[float, float]]
    indexes: list[int]
    left_out: tuple[str, ...]


@dataclass(frozen=True)
class Curve:
    """The points of one codec on one image set.

    Attributes:
        name: What to call the codec; never empty, may contain dots.
        results: Metric to its means over the images, all columns of one length, in the order of the points.
        description: A line for people.
        meta: Where the numbers come from: codec and its settings, image set, environment, or a source.
        samples: The same columns for every image, by its name; empty if unknown.
    """

    name: str
    results: Mapping[str, Column]
    description: str = ""
    meta: Mapping[str, object] = field(default_factory=dict)
    samples: Mapping[str, Mapping[str, Column]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Refuse columns that do not fit each other."""
        lengths = {key: len(column) for key, column in self.results.items()}
        if BPP not in lengths or not lengths[BPP]:
            raise DataError(f"Curve '{self.name}': no values of '{BPP}'. A curve needs a rate for every point.")
        if len(set(lengths.values())) > 1:
            raise DataError(
                f"Curve '{self.name}': results are parallel lists of one length; found {_in_words(lengths)}. "
                "The file was cut or edited: evaluate again."
            )
        for image, columns in self.samples.items():
            lengths = {key: len(column) for key, column in columns.items()}
            if BPP not in lengths or set(lengths.values()) != {len(self)}:
                raise DataError(
                    f"Curve '{self.name}', image '{image}': lists of {len(self)} values, '{BPP}' among them, are "
                    f"needed; found {_in_words(lengths) or 'none'}. The file was cut or edited: evaluate again."
                )

    def __len__(self) -> int:
        """The number of points."""
        return len(self.results[BPP])

    def has(self, metric: str) -> bool:
        """Whether `points(metric)` would succeed."""
        return bool(self.usable(metric).points)

    def points(self, metric: str) -> list[tuple[float, float]]:
        """(bpp, quality) of every usable point, by rising bpp.

        Raises:
            DataError: The curve has no such metric at any point.
        """
        found = self.usable(metric)
        if not found.points:
            reasons = "; ".join(found.left_out)
            raise DataError(
                f"Curve '{self.name}': no point of {METRIC_LABELS.get(metric, metric)} can be used ({reasons}). "
                f"It has: {', '.join(self.results)}."
            )
        return found.points

    def usable(self, metric: str) -> UsablePoints:
        """The points that can be drawn and compared in `metric`, and why the others cannot."""
        label = METRIC_LABELS.get(metric, metric)
        chosen: list[tuple[float, float, int]] = []
        reasons: dict[str, int] = {}
        for index, (bpp, quality) in enumerate(
            zip(self.results[BPP], self._quality(metric, self.results), strict=True)
        ):
            reason = _why_unusable(bpp, quality, label)
            if reason or bpp is None or quality is None:
                reasons[reason] = reasons.get(reason, 0) + 1
            else:
                chosen.append((bpp, quality, index))
        chosen.sort()
        return UsablePoints(
            [(bpp, quality) for bpp, quality, _ in chosen],
            [index for *_, index in chosen],
            tuple(f"{count} point{'s' * (count != 1)} with {reason}" for reason, count in reasons.items()),
        )

    def resampled_points(self, metric: str, images: Sequence[str]) -> list[tuple[float, float]]:
        """The usable points as the means over `images` (names; repetitions count) would give them.

        Raises:
            DataError: The curve has no such metric for one of the images.
        """
        means: dict[str, Column] = {}
        for key in (BPP, _LINEAR.get(metric, metric)):
            columns = [self.samples[name].get(key, (None,) * len(self)) for name in images]
            means[key] = tuple(mean(values) for values in zip(*columns, strict=True))
        quality = self._quality(metric, means)
        points = [(means[BPP][index], quality[index]) for index in self.usable(metric).indexes]
        known = [(bpp, value) for bpp, value in points if bpp and value is not None]
        if len(known) < len(points):
            raise DataError(
                f"Curve '{self.name}': {METRIC_LABELS.get(metric, metric)} is not known for every image at "
                f"{len(points) - len(known)} of {len(points)} points."
            )
        return sorted(known)

    def fingerprint(self, metric: str) -> str:
        """A hash of the points in `metric`, to name an anchor by: twelve hexadecimal digits of SHA-256."""
        text = json.dumps([[repr(bpp), repr(quality)] for bpp, quality in self.points(metric)])
        return hashlib.sha256(text.encode()).hexdigest()[:12]

    def _quality(self, metric: str, columns: Mapping[str, Column]) -> Column:
        # dB of the mean, as CompressAI plots it, wherever the linear values are known: a mean of dB is another number.
        linear = _LINEAR.get(metric)
        if linear is not None and linear in columns:
            return tuple(_in_db(metric, value) for value in columns[linear])
        return columns.get(metric, (None,) * len(self))


def has_half_chroma(curve: Curve) -> bool:
    """Whether the codec was given pictures with a quarter of the colour samples (4:2:0), as VVC's and WebP are."""
    codec = curve.meta.get("codec")
    return isinstance(codec, dict) and (codec.get("chroma") == "4:2:0" or codec.get("codec") == "webp")


def role_of(curve: Curve) -> Role:
    """What kind of curve it is, from its meta."""
    codec = curve.meta.get("codec")
    if isinstance(codec, dict) and codec.get("codec") == "hpcm":
        return "model"
    return "anchor" if curve.meta.get("kind") == "measured" else "published"


def mean(values: Sequence[float | None]) -> float | None:
    """The mean, or None if a value is missing: a mean over fewer images would be another number."""
    known = [value for value in values if value is not None]
    return sum(known) / len(known) if known and len(known) == len(values) else None


def mean_results(samples: Mapping[str, Mapping[str, Column]]) -> dict[str, Column]:
    """The means over images of columns that are stored by image; similarities in dB are those of the linear mean."""
    first = next(iter(samples.values()))
    results: dict[str, Column] = {}
    for key in first:
        results[key] = tuple(mean(values) for values in zip(*(item[key] for item in samples.values()), strict=True))
    for key, linear in _LINEAR.items():
        if linear in results:
            results[key] = tuple(_in_db(key, value) for value in results[linear])
    return results


def _in_db(metric: str, linear: float | None) -> float | None:
    if linear is None or metric in IN_DB:
        return ms_ssim_db(linear)
    return -10.0 * math.log10(linear) if linear > 0 else math.inf


def _why_unusable(bpp: float | None, quality: float | None, label: str) -> str:
    if bpp is None:
        return "no rate"
    if not 0 < bpp <= MAX_BPP:
        return f"a rate of {bpp:g} bpp"
    if quality is None:
        return f"no {label}"
    if math.isinf(quality):
        return f"infinite {label}"
    return "" if abs(quality) <= MAX_QUALITY else f"{label} of {quality:g}"


def _in_words(lengths: Mapping[str, int]) -> str:
    return ", ".join(f"{key}: {length}" for key, length in lengths.items())
