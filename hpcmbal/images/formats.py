"""Names of formats that decoding must know. Imports nothing, so that registering the format is cheap."""

from __future__ import annotations

FORMAT = "HPCM"
"""Pillow's name for `.hpcm` files; they are results, so they are neither read as originals nor written as pictures."""
