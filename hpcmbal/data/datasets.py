"""The images of a run: the user's folders, or the bundled photographs where none are named."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from hpcmbal.data.bundled import BundledPhotographs, Split
from hpcmbal.data.image_cache import CachedImages
from hpcmbal.data.image_folder import ImageFolder
from hpcmbal.settings.choices import CACHE_MEBIBYTES

if TYPE_CHECKING:
    from collections.abc import Sequence

    from hpcmbal.data.image_source import ImageSource


def open_images(
    folders: str | Path | Sequence[str | Path] | None,
    split: Split,
    *,
    pixel_limit: int | None = None,
    cache_mebibytes: float = CACHE_MEBIBYTES,
) -> CachedImages:
    """The images below `folders`, or the bundled photographs of `split` if that is None, behind a cache.

    Args:
        folders: One folder, several, or None.
        split: Which bundled photographs stand in for folders.
        pixel_limit: The largest image (width * height) that is decoded; see `pixel_limit_or_default`.
        cache_mebibytes: The budget for decoded pixels in MiB; 0 keeps none.

    Raises:
        DataError: A folder is missing, not a folder, or contains no image file.
    """
    source: ImageSource
    if folders is None:
        source = BundledPhotographs(split)
    else:
        roots = (folders,) if isinstance(folders, str | Path) else tuple(folders)
        source = ImageFolder(*roots, pixel_limit=pixel_limit)
    return CachedImages(source, mebibytes=cache_mebibytes)
