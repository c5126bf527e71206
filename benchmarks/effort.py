"""What `--effort` buys: J, bytes and seconds of each effort beside the single pass, and the BD-rate over qualities.

    python benchmarks/effort.py FOLDER [--model NAME] [--efforts 3 5 7] [--qualities 10 30 50 70 90] [--threads 2]
        [--images N] [--crop 256] [--json FILE]

Every file is decoded for its PSNR. BD-rates are the mean over images of each image's own. With --json the same
command goes on where it was interrupted, or takes more images.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from dataclasses import asdict, dataclass
from pathlib import Path

import bjontegaard
import numpy as np
import torch

from hpcmbal.atomic_file import write_text
from hpcmbal.codec.bitstream import read_container
from hpcmbal.codec.codec import code_picture, decompress_container
from hpcmbal.codec.codec_model import CodecModel, load_codec_model
from hpcmbal.codec.coding_options import CodingOptions
from hpcmbal.codec.refine import STEPS
from hpcmbal.images.formats import source_extensions
from hpcmbal.images.image_file import read_picture
from hpcmbal.images.picture import Picture
from hpcmbal.images.psnr import mean_squared_error, psnr_db


@dataclass(frozen=True)
class Point:
    """One file: bits per pixel, PSNR in dB, J and the seconds that coding it took."""

    bpp: float
    psnr_db: float
    cost: float
    seconds: float


def measure(picture: Picture, model: CodecModel, quality: float, effort: int) -> Point:
    """Code and decode a picture."""
    start = time.perf_counter()
    data = code_picture(picture, model, CodingOptions(quality, mode="learned", effort=effort)).data
    seconds = time.perf_counter() - start
    decoded = decompress_container(read_container(data), model).pixels
    height, width = picture.pixels.shape[:2]
    bpp = 8 * len(data) / (height * width)
    cost = bpp + float(model.rates.lmbda_at(quality) or 0) * mean_squared_error(picture.pixels, decoded)
    return Point(bpp, psnr_db(picture.pixels, decoded), cost, seconds)


def pictures(folder: Path, count: int | None, crop: int | None) -> dict[str, Picture]:
    """The first images of a folder, or the middle of each."""
    files = sorted(path for path in folder.iterdir() if path.suffix.lower() in source_extensions())[:count]
    found = {path.name: read_picture(path.read_bytes(), path.name) for path in files}
    if crop:
        for name, picture in found.items():
            top, left = ((side - crop) // 2 for side in picture.pixels.shape[:2])
            found[name] = Picture(np.ascontiguousarray(picture.pixels[top : top + crop, left : left + crop]))
    return found


def main() -> None:
    """Print one row for each effort, as Markdown."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--model")
    parser.add_argument("--efforts", nargs="+", type=int, default=[3, 5, 7])
    parser.add_argument("--qualities", nargs="+", type=float, default=[10, 30, 50, 70, 90])
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--images", type=int)
    parser.add_argument("--crop", type=int)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    model = load_codec_model(options.model)
    points: dict[str, dict[str, list[Point]]] = {str(effort): {} for effort in (0, *options.efforts)}
    told = {**vars(options), "folder": options.folder.name, "json": None, "images": None}
    if options.json and options.json.exists():  # go on where an earlier run of the same command ended
        stored = json.loads(options.json.read_text())
        if stored["options"] != told:
            parser.error(f"{options.json} holds a run with other options. Choose another file, or remove that one.")
        points = {
            e: {name: [Point(**p) for p in curve] for name, curve in c.items()} for e, c in stored["points"].items()
        }
    for name, picture in pictures(options.folder, options.images, options.crop).items():
        for effort, curves in points.items():
            if name not in curves:
                curves[name] = [measure(picture, model, quality, int(effort)) for quality in options.qualities]
                print(f"{name} effort {effort}: {np.mean([p.seconds for p in curves[name]]):.1f} s", file=sys.stderr)
        if options.json:
            kept = {e: {name: [asdict(p) for p in curve] for name, curve in c.items()} for e, c in points.items()}
            write_text(options.json, json.dumps({"options": told, "points": kept}, indent=1))
    print("| effort | steps | J | bytes | BD-rate | seconds an image |\n|---:|---:|---:|---:|---:|---:|")
    for effort in points:
        print(row(effort, points))


def row(effort: str, points: dict[str, dict[str, list[Point]]]) -> str:
    """An effort beside effort 0."""
    curves = [(points["0"][name], curve) for name, curve in points[effort].items()]
    pairs = [pair for before, after in curves for pair in zip(before, after, strict=True)]
    cost, size = (100 * (np.mean([getattr(b, key) / getattr(a, key) for a, b in pairs]) - 1) for key in ("cost", "bpp"))
    seconds = np.mean([after.seconds for _, after in pairs])
    change = (
        f"{np.mean([bd_rate(*curve) for curve in curves]):+.2f} %" if effort != "0" and len(curves[0][0]) > 3 else ""
    )
    return f"| {effort} | {STEPS[int(effort)]} | {cost:+.2f} % | {size:+.2f} % | {change} | {seconds:.1f} |"


def bd_rate(before: list[Point], after: list[Point]) -> float:
    """Percent of bits at equal PSNR."""
    rates, psnrs = (
        [[getattr(point, key) for point in curve] for curve in (before, after)] for key in ("bpp", "psnr_db")
    )
    return float(
        bjontegaard.bd_rate(
            rates[0], psnrs[0], rates[1], psnrs[1], method="pchip", require_matching_points=False, min_overlap=0
        )
    )


if __name__ == "__main__":
    main()
