"""The image sets of the literature: known by their pixels where these could be had, else by names, counts and sizes."""

from __future__ import annotations

import functools
import json
import re
from collections.abc import Mapping, Sequence
from importlib.resources import files
from pathlib import PurePosixPath

from pydantic import BaseModel, ConfigDict

from hpcmbal.evaluation.image_set import image_set_hash

_NAMED = 4
"""Pictures that a note lists before it counts the rest."""
_DIGITS = 16


class DataSet(BaseModel):
    """A set of images that papers report on.

    Attributes:
        name: What it is called in results.
        title: In words.
        count: How many images it has.
        licence: Of the images, none of which comes with this package.
        source: Where they are.
        aliases: Other names that results use.
        images: The beginning of each image's hash by its name; None where no copy was at hand.
        size: Width and height of all images.
        longest_side: Of every image.
        longest_side_at_most: Likewise.
        names: Matches the names of the images, without extension.
        folder: Part of the name of the folder: counts and sizes alone would say too little.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    title: str
    count: int
    licence: str
    source: str
    aliases: tuple[str, ...] = ()
    images: Mapping[str, str] | None = None
    size: tuple[int, int] | None = None
    longest_side: int | None = None
    longest_side_at_most: int | None = None
    names: str = ""
    folder: str = ""

    def looks_like(self, names: Sequence[str], sizes: Sequence[tuple[int, int]], folder: str) -> bool:
        """Whether images could be this set, by what is known of one without hashes."""
        longest = [max(size) for size in sizes]
        return (
            len(names) == self.count
            and (self.size is None or set(sizes) == {self.size})
            and (self.longest_side is None or set(longest) == {self.longest_side})
            and (self.longest_side_at_most is None or max(longest) <= self.longest_side_at_most)
            and all(re.fullmatch(self.names or ".*", PurePosixPath(name).stem, re.DOTALL) for name in names)
            and self.folder in folder.lower()
        )


@functools.cache
def data_sets() -> tuple[DataSet, ...]:
    """Every set that is known."""
    text = files("hpcmbal.evaluation").joinpath("data", "data_sets.json").read_text(encoding="utf-8")
    return tuple(DataSet.model_validate(entry) for entry in json.loads(text)["sets"])


def canonical_name(name: str) -> str:
    """What a set is called here, of whatever name results give it."""
    return next((item.name for item in data_sets() if name in item.aliases), name)


def describe_image_set(
    image_hashes: Mapping[str, str], sizes: Sequence[tuple[int, int]], folder_name: str
) -> dict[str, object]:
    """What results say about their images.

    A folder that holds exactly a set of the literature, whatever its name and those of the files, gets the set's name;
    only then are published points compared with it. A set of which no copy was at hand is recognised by counts, sizes
    and names, and a note says that this is not verified; so does a note of a set that is not complete.

    Args:
        image_hashes: By name (`image_hash`).
        sizes: Width and height of each.
        folder_name: What to call the set if it is none.
    """
    described: dict[str, object] = {
        "name": folder_name,
        "published_set": None,
        "hash": image_set_hash(image_hashes.values()),
        "images": dict(image_hashes),
    }
    for item in data_sets():
        if item.images is None:
            if item.looks_like(list(image_hashes), sizes, folder_name):
                note = f"taken for {item.name} by counts, sizes and names: not verified, no copy of it was at hand"
                return {**described, "name": item.name, "published_set": item.name, "verified": False, "note": note}
            continue
        found = {digest[:_DIGITS]: name for name, digest in image_hashes.items()}
        missing = [name for name, digest in item.images.items() if digest not in found]
        extra = [name for digest, name in found.items() if digest not in set(item.images.values())]
        if not missing and not extra and len(image_hashes) == item.count:
            return {**described, "name": item.name, "published_set": item.name, "verified": True}
        if 2 * (len(found) - len(extra)) > len(found):
            seen = set(found.values())
            twice = [name for name in image_hashes if name not in seen]
            return {**described, "note": _difference(item, missing, extra, twice)}
    return described


def _difference(item: DataSet, missing: Sequence[str], extra: Sequence[str], twice: Sequence[str]) -> str:
    parts = [f"{item.count - len(missing)} of the {item.count} images of {item.name}"]
    parts += [f"missing: {listed(missing)}"] if missing else []
    parts += [f"not of it: {listed(extra)}"] if extra else []
    parts += [f"there twice: {listed(twice)}"] if twice else []
    return "; ".join(parts)


def listed(names: Sequence[str]) -> str:
    """The first few of `names`, and how many more there are."""
    more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
    return ", ".join(names[:_NAMED]) + more
