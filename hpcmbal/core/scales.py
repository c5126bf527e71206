"""The names of a picture's coded parts, in the order in which they are coded. Plain data, for every layer."""

from __future__ import annotations

SCALES = ("s1", "s2", "s3")
"""The latents' scales, coarse to fine."""

SEGMENTS = ("z", *SCALES)
"""The segments of a file: side information, then the scales; each needs those before it."""

Triple = tuple[float, float, float]
"""One value for each of the scales."""
