"""Drawn pages of text as two folders of PNGs: one domain, for adapting a codec to it.

python pages.py FOLDER [--train 120] [--held-back 16] [--side 512]
"""

from __future__ import annotations

import argparse
from pathlib import Path

from PIL import Image

from hpcmbal.data import DrawnPictures

SEEDS = {"train": 1, "held-back": 2}


def main() -> None:
    """Draw both folders; pages of one are never in the other."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--train", type=int, default=120)
    parser.add_argument("--held-back", type=int, default=16)
    parser.add_argument("--side", type=int, default=512)
    arguments = parser.parse_args()
    for split, count in (("train", arguments.train), ("held-back", arguments.held_back)):
        folder = arguments.folder / split
        folder.mkdir(parents=True, exist_ok=True)
        drawn = DrawnPictures(arguments.side, 1.0, SEEDS[split])
        for index in range(count):
            Image.fromarray(drawn.draw(0, index, "page")).save(folder / f"page-{index:03d}.png")


if __name__ == "__main__":
    main()
