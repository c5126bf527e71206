"""Which images a result is about: known by their pixels, not by the folder's name."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from hpcmbal.images.rgb_image import RgbImage


def image_hash(image: RgbImage) -> str:
    """SHA-256 of an image's size and pixels; a file saved anew without loss keeps it."""
    height, width = image.shape[:2]
    return hashlib.sha256(f"{width}x{height}:".encode() + image.tobytes()).hexdigest()


def image_set_hash(image_hashes: Iterable[str]) -> str:
    """One hash for a set of images, whatever their order and names: sixteen hexadecimal digits."""
    return hashlib.sha256("\n".join(sorted(image_hashes)).encode()).hexdigest()[:16]


def compare_image_sets(first: Mapping[str, object], second: Mapping[str, object]) -> str | None:
    """Why two curves' images differ, or None if they do not, as far as both metas (`Curve.meta`) tell."""
    ours, theirs = _set_of(first), _set_of(second)
    if ours.get("hash") and theirs.get("hash"):
        if ours["hash"] == theirs["hash"]:
            return None
        return f"different images: {_called(ours)} and {_called(theirs)}"
    names = [item.get("published_set") or (None if item.get("hash") else item.get("name")) for item in (ours, theirs)]
    if not ours or not theirs or names[0] == names[1]:
        return None
    return f"different images: {_called(ours)} and {_called(theirs)}"


def image_set_known(meta: Mapping[str, object]) -> bool:
    """Whether a curve says which images it is about; files written by CompressAI do not."""
    return bool(_set_of(meta))


def image_set_note(meta: Mapping[str, object]) -> str:
    """What a reader should know about a curve's images: not verified, or pictures missing; empty if nothing."""
    note = _set_of(meta).get("note")
    return note if isinstance(note, str) else ""


def image_set_name(meta: Mapping[str, object]) -> str | None:
    """What a curve's image set is called, if it says."""
    name = _set_of(meta).get("name")
    return None if name is None else str(name)


def _set_of(meta: Mapping[str, object]) -> Mapping[str, object]:
    found = meta.get("image_set")
    return found if isinstance(found, Mapping) else {}


def _called(image_set: Mapping[str, object]) -> str:
    digest = image_set.get("hash")
    return f"'{image_set.get('name')}'" + (f" (hash {digest})" if digest else "")
