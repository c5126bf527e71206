"""Rate-distortion results that can be trusted: metrics, curves, anchors, BD-rate, reports."""

from __future__ import annotations
