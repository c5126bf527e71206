"""Folder trees as image sources."""

from __future__ import annotations

import os
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

from hpcmbal.errors import DataError
from hpcmbal.images.formats import source_extensions
from hpcmbal.images.image_file import read_rgb

if TYPE_CHECKING:
    from hpcmbal.images.rgb_image import RgbImage


class ImageFolder:
    """Every image file below one or more folders, in an order that depends on nothing but the names.

    Files are taken by their extension, in upper or lower case; whether they really are images is found out on reading.
    Links are followed. Our own `.hpcm` files are no images here (see `formats`). Names that begin with a dot are left
    out, files and folders alike: they are thumbnails, resource forks and trash, never the data set. Within a root the
    order is that of the relative paths' components.

    Args:
        roots: The folders, whose images follow each other in the order given.
        pixel_limit: The largest image (width * height) that is decoded; see `pixel_limit_or_default`.

    Raises:
        DataError: A root is missing, not a folder, cannot be listed, or contains no image file; or one root is, or
            lies in, another, so that its images would count twice.
    """

    def __init__(self, *roots: str | Path, pixel_limit: int | None = None) -> None:
        if not roots:
            raise DataError("No image folder was given: found 0 paths, at least 1 is needed. Name a folder of images.")
        _check_apart([Path(root) for root in roots])
        parts = [_image_paths(Path(root)) for root in roots]
        self.counts = tuple(map(len, parts))
        self.paths: tuple[Path, ...] = tuple(path for part in parts for path in part)
        self.pixel_limit = pixel_limit

    def __len__(self) -> int:
        """The number of files, readable or not."""
        return len(self.paths)

    def name(self, index: int) -> str:
        """The path of file `index`."""
        return str(self.paths[index])

    def read(self, index: int) -> RgbImage:
        """Decode file `index` to `[height, width, 3]` uint8; see `read_rgb` for how, and for the errors."""
        return read_rgb(self.paths[index], pixel_limit=self.pixel_limit)


def _check_apart(roots: list[Path]) -> None:
    places = [Path(os.path.realpath(root)) for root in roots]
    for inner, place in enumerate(places):
        for outer, other in enumerate(places):
            if inner != outer and place.is_relative_to(other):
                what = "is given twice" if place == other else f"lies in {roots[outer]}, whose subfolders are read"
                raise DataError(f"{roots[inner]} {what}: its images would count twice. Leave one of them out.")


def _image_paths(root: Path) -> list[Path]:
    if not root.exists():
        raise DataError(f"{root}: no such folder. Give the path of an existing folder with images.")
    if not root.is_dir():
        raise DataError(f"{root}: not a folder but a file. Give the folder that contains the images.")
    files = _visible_files(root)
    extensions = source_extensions()
    images = [path for path in files if path.suffix.lower() in extensions]
    if not images:
        raise DataError(
            f"{root}: no images found. {_contents(files)} Allowed are the {len(extensions)} extensions "
            "that Pillow reads, such as .png .jpg .webp .tif .avif, in subfolders too. Check the path."
        )
    return sorted(images, key=lambda path: path.relative_to(root).parts)


def _visible_files(root: Path) -> list[Path]:
    def stop(error: OSError) -> None:
        raise DataError(f"{error.filename}: cannot be listed: {error.strerror}. Check its permissions.") from error

    files: list[Path] = []
    # A link to a folder above itself would otherwise be walked for ever.
    visited: set[str] = set()
    for folder, subfolders, names in os.walk(root, onerror=stop, followlinks=True):
        real = os.path.realpath(folder)
        if real in visited:
            subfolders.clear()
            continue
        visited.add(real)
        # Sorted so that, of two links to one folder, it is always the same that is followed.
        subfolders[:] = sorted(name for name in subfolders if not name.startswith("."))
        files.extend(Path(folder, name) for name in names if not name.startswith("."))
    return files


def _contents(files: list[Path]) -> str:
    if not files:
        return "The folder is empty."
    counts = Counter(path.suffix.lower() or "without extension" for path in files).most_common(4)
    return f"It has {len(files)} other file(s): " + ", ".join(f"{count} {kind}" for kind, count in counts) + "."
