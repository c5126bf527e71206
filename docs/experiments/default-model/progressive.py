"""A photo after z, s1, s2 and s3, with the bytes that each needed: progressive.py MODEL -o FIGURE [--quality 50].

Every picture is decoded from a file that was really cut off there (`hpcmbal decompress --allow-truncated`).
"""

from __future__ import annotations

import argparse
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
from PIL import Image
from skimage.data import coffee
from skimage.metrics import peak_signal_noise_ratio

import hpcmbal
from hpcmbal.codec.bitstream import read_container

SEGMENTS = ("z", "z, s1", "z, s1, s2", "z, s1, s2, s3")


def main() -> None:
    """Draw."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("model", type=Path)
    parser.add_argument("-o", "--output", type=Path, required=True)
    parser.add_argument("--quality", type=float, default=50)
    arguments = parser.parse_args()
    model = hpcmbal.load_model(arguments.model)
    photo = coffee()
    data = hpcmbal.compress(Image.fromarray(photo), model=model, quality=arguments.quality)
    segments = [len(segment.data) for segment in read_container(data).segments]
    overhead = len(data) - sum(segments)
    figure, axes = plt.subplots(2, 4, figsize=(13, 5.0), layout="constrained")
    for index, name in enumerate(SEGMENTS):
        size = overhead + sum(segments[: index + 1])
        preview = np.asarray(hpcmbal.decompress(data[:size], model=model, allow_truncated=True))
        whole, detail = axes[:, index]
        whole.imshow(preview)
        psnr = peak_signal_noise_ratio(photo, preview)
        whole.set_title(f"{name}\n{size:,} bytes ({size / len(data):.0%}), {psnr:.2f} dB", fontsize=11)
        detail.imshow(preview[100:240, 200:410], interpolation="nearest")
    for axis in axes.flat:
        axis.axis("off")
    height, width = photo.shape[:2]
    bpp = 8 * len(data) / (height * width)
    figure.suptitle(f"One file of {len(data):,} bytes ({bpp:.3f} bpp), cut off after each of its segments", fontsize=13)
    figure.savefig(arguments.output, dpi=90)


if __name__ == "__main__":
    main()
