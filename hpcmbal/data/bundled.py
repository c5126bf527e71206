"""The photographs inside the scikit-image wheel: training without a data set, and without a download.

All of them may be used freely, by scikit-image's own documentation (`skimage.data`):

- CC0: camera (Lav Varshney), brick and gravel (CC0Textures), grass (linolafett), chelsea (Stefan van der Walt),
  coffee (Rachel Michetti), retina (Mikael Haggstrom);
- public domain: astronaut and hubble_deep_field (NASA), rocket (SpaceX);
- no known copyright restrictions: coins (Brooklyn Museum).

Left out are the drawings (horse, logo, color, phantom, chessboards), microscopy (cell, ihc), scans of text, small or
blurred pictures (clock_motion, microaneurysms, moon), and the motorcycle pair, which has no stated licence.
"""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from hpcmbal.errors import DataError
from hpcmbal.images.image_file import read_rgb

if TYPE_CHECKING:
    from hpcmbal.images.rgb_image import RgbImage

Split = Literal["train", "held-back"]

BUNDLED_PHOTOGRAPHS: dict[Split, tuple[str, ...]] = {
    "train": (
        "astronaut.png",
        "brick.png",
        "camera.png",
        "coffee.png",
        "coins.png",
        "grass.png",
        "gravel.png",
        "hubble_deep_field.jpg",
        "retina.jpg",
        "rocket.jpg",
    ),
    "held-back": ("chelsea.png",),
}
"""File names of the photographs by use: the `held-back` one, a cat, is for validation and never trained on."""


class BundledPhotographs:
    """The photographs of one split, as an image source.

    Args:
        split: `train` or `held-back`.

    Raises:
        DataError: scikit-image is not installed, or its wheel lacks the photographs.
    """

    def __init__(self, split: Split) -> None:
        folder = _photograph_folder()
        self.paths = tuple(folder / name for name in BUNDLED_PHOTOGRAPHS[split])
        missing = [path.name for path in self.paths if not path.is_file()]
        if missing:
            raise DataError(
                f"The installed scikit-image lacks {', '.join(missing)} in {folder}. "
                "Install it from its wheel (pip install --force-reinstall scikit-image), or name folders of images."
            )

    def __len__(self) -> int:
        """The number of photographs."""
        return len(self.paths)

    def name(self, index: int) -> str:
        """The photograph's name in `skimage.data`, such as `chelsea`."""
        return self.paths[index].stem

    def read(self, index: int) -> RgbImage:
        """Decode photograph `index` to `[height, width, 3]` uint8."""
        return read_rgb(self.paths[index])


def _photograph_folder() -> Path:
    # Found, not imported: skimage.data would try to download what it lacks.
    spec = find_spec("skimage")
    if spec is None or spec.origin is None:
        raise DataError(
            "The bundled photographs are part of scikit-image, which is not installed. "
            "Install it (pip install scikit-image), or name folders of images."
        )
    return Path(spec.origin).parent / "data"
