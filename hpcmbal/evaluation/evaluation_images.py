"""The images of an evaluation: found in a folder, named, and known by their pixels."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from hpcmbal.data import ImageFolder
from hpcmbal.evaluation.data_sets import describe_image_set, listed
from hpcmbal.evaluation.image_set import image_hash
from hpcmbal.images.image_file import read_rgb_and_losses
from hpcmbal.visible_text import visible


@dataclass(frozen=True)
class EvaluationImages:
    """The images of an evaluation.

    Attributes:
        name: What to call the set.
        paths: Their files.
        names: What to call each: its path below the folder.
        hashes: Of each one's pixels.
        sizes: Width and height of each.
        losses: What of each is not in the 8-bit RGB image that is coded; empty where nothing is lost.
    """

    name: str
    paths: tuple[Path, ...]
    names: tuple[str, ...]
    hashes: tuple[str, ...]
    sizes: tuple[tuple[int, int], ...]
    losses: tuple[str, ...] = ()

    @classmethod
    def from_folder(cls, folder: Path, limit: int | None = None) -> EvaluationImages:
        """All images below `folder`, or the first `limit`.

        Raises:
            DataError: There are none, or one cannot be read: results about other images would not be comparable.
        """
        paths = ImageFolder(folder).paths[:limit]
        name = visible(folder.resolve().name) + (f" (first {limit})" if limit else "")
        names = _unique([visible(path.relative_to(folder).as_posix()) for path in paths])
        hashes, sizes, losses = zip(*map(_hash_size_and_losses, paths), strict=True)
        return cls(name, paths, names, hashes, sizes, losses)

    def describe(self) -> dict[str, object]:
        """For `Curve.meta`."""
        described = describe_image_set(dict(zip(self.names, self.hashes, strict=True)), self.sizes, self.name)
        changed = [f"{name} without its {what}" for name, what in zip(self.names, self.losses, strict=False) if what]
        if not changed:
            return described
        notes = [described.get("note"), f"coded as 8-bit RGB: {listed(changed)}"]
        return {**described, "note": "; ".join(str(note) for note in notes if note)}


def _hash_size_and_losses(path: Path) -> tuple[str, tuple[int, int], str]:
    image, losses = read_rgb_and_losses(path)
    return image_hash(image), (image.shape[1], image.shape[0]), losses


def _unique(names: Sequence[str]) -> tuple[str, ...]:
    """Names that escaping made equal get a number."""
    found: dict[str, None] = {}
    for name in names:
        number, unique = 1, name
        while unique in found:
            number += 1
            unique = f"{name} ({number})"
        found[unique] = None
    return tuple(found)
