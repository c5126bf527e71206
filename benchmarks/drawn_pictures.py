"""How long a drawn crop takes, by kind, and what the kinds look like.

    python benchmarks/drawn_pictures.py [--size 128] [--count 200] [--sheet FILE.png]

Prints milliseconds of CPU time per crop, the first ones left out (fonts are opened then).
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

import numpy as np
from PIL import Image

from hpcmbal.data.drawn.pictures import KINDS, DrawnPictures

WARM_UP = 10
COLUMNS = 10


def milliseconds(drawn: DrawnPictures, kind: str | None, count: int) -> float:
    """Mean CPU time of a crop of `kind`, of the mixture if None."""
    for index in range(WARM_UP):
        drawn.draw(1, index, kind)
    start = time.process_time()
    for index in range(count):
        drawn.draw(0, index, kind)
    return (time.process_time() - start) / count * 1e3


def contact_sheet(drawn: DrawnPictures) -> Image.Image:
    """A row of crops of every kind."""
    rows = [np.concatenate([drawn.draw(0, index, kind) for index in range(COLUMNS)], axis=1) for kind in KINDS]
    return Image.fromarray(np.concatenate(rows))


def main() -> None:
    """Measure and draw."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size", type=int, default=128)
    parser.add_argument("--count", type=int, default=200)
    parser.add_argument("--sheet", type=Path)
    arguments = parser.parse_args()
    drawn = DrawnPictures(arguments.size, 1.0)
    for kind in (*KINDS, None):
        print(f"{kind or 'mixture':10s} {milliseconds(drawn, kind, arguments.count):6.2f} ms a crop")
    if arguments.sheet is not None:
        contact_sheet(drawn).save(arguments.sheet)


if __name__ == "__main__":
    main()
