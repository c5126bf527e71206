"""How many pixels are decoded unless somebody says otherwise: one number for every picture that comes from outside."""

from __future__ import annotations

import os

from hpcmbal.errors import SettingsError, setting

DEFAULT_PIXEL_LIMIT = 178_956_970
"""Width times height; where Pillow, too, takes a file for a decompression bomb. 512 MiB of RGB."""

PIXEL_LIMIT_VARIABLE = "HPCMBAL_MAX_PIXELS"
"""Environment variable with another limit: what a server sets once for all that runs on it."""


def pixel_limit_or_default(limit: int | None = None) -> int:
    """`limit` if there is one, else that of the environment, else the default.

    Args:
        limit: Width times height, at least 1.

    Raises:
        SettingsError: The limit, or that of the environment, is no whole number of at least 1.
    """
    if limit is not None:
        if limit < 1:
            raise SettingsError(f"A pixel limit should be at least 1. Found {limit}.")
        return limit
    text = os.environ.get(PIXEL_LIMIT_VARIABLE, "").strip()
    if not text:
        return DEFAULT_PIXEL_LIMIT
    if not text.isascii() or not text.isdecimal() or int(text) < 1:
        raise SettingsError(
            f"{PIXEL_LIMIT_VARIABLE} should be a whole number of pixels, at least 1, such as {DEFAULT_PIXEL_LIMIT}. "
            f"Found '{text}'."
        )
    return int(text)


def pixel_limit_error(found: str, limit: int) -> str:
    """What to say of a picture with `found` pixels, which are more than `limit`."""
    return (
        f"The image is too large: found {found} pixels, allowed are {limit:,}. Scale it down, or raise "
        f"{setting('max_pixels')} (or {PIXEL_LIMIT_VARIABLE}) if you trust the file."
    )
