"""Memory that coding no longer needs goes back to the system.

glibc keeps what is freed for later. Pictures of one size find it again; pictures of many sizes leave it in pieces of
which none suits the next one, and a process that lives long grows without a leak.
"""

from __future__ import annotations

import ctypes
import itertools
import sys
from collections.abc import Callable
from functools import lru_cache

PICTURES_BETWEEN = 8
"""To give memory back, and to get it again, costs up to a tenth of a second; once in so many pictures it is little."""

_pictures = itertools.count(1)


def after_picture() -> None:
    """Count a picture that a model has coded or decoded, and now and then give back what all of them left."""
    if next(_pictures) % PICTURES_BETWEEN == 0:
        give_back()


def give_back() -> None:
    """Give freed memory back to the system, where the C library can (glibc); elsewhere it does nothing."""
    trim = _malloc_trim()
    if trim is not None:
        trim(0)


@lru_cache(maxsize=1)
def _malloc_trim() -> Callable[[int], int] | None:
    if not sys.platform.startswith("linux"):
        return None
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:
        trim.argtypes, trim.restype = [ctypes.c_size_t], ctypes.c_int
    return trim
