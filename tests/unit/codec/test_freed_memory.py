"""Memory that coding no longer needs goes back to the system, now and then."""

from __future__ import annotations

import itertools
import platform
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from hpcmbal.codec import freed_memory
from hpcmbal.codec.codec import compress, decompress
from hpcmbal.codec.freed_memory import PICTURES_BETWEEN, give_back


def resident_pages() -> int:
    return int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="only glibc can give memory back")
def test_what_lies_between_kept_pieces_is_given_back() -> None:
    pieces = [np.ones(12_000) for _ in range(2_000)]  # 96 kB each: from the heap, not straight from the system
    kept, before = pieces[::2], resident_pages()
    del pieces
    give_back()
    assert resident_pages() < before - 1_000 * 20
    assert all(piece.sum() == 12_000 for piece in kept)


def test_where_the_c_library_cannot_nothing_happens(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(freed_memory, "_malloc_trim", lambda: None)
    give_back()


def test_it_is_given_back_once_in_several_pictures_coded_or_decoded(tiny: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    given_back: list[bool] = []
    monkeypatch.setattr(freed_memory, "_pictures", itertools.count(1))
    monkeypatch.setattr(freed_memory, "give_back", lambda: given_back.append(True))
    image = Image.fromarray(np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8))
    for _ in range(PICTURES_BETWEEN):
        decompress(compress(image, tiny, mode="learned"), model=tiny)
    assert len(given_back) == 2
