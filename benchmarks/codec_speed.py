"""Seconds and memory of coding pictures of 0.4 to 50 megapixels, beside the arithmetic's limit and other codecs.

Run: python benchmarks/codec_speed.py MODEL [--megapixels 0.39 4 24 50] [--threads 2] [--json FILE] [--plot FILE.svg]

The picture is a photograph, scaled up; quality 50. Every codec is a process of its own for each size and direction, as
memory is never given back; all of one size run one after another, so that ratios belong to one state of the machine.
The limit is what the multiply-accumulates of the direction take at the float32 speed of a large matrix product,
measured in the same run with the same threads. Other codecs (Pillow's) run at the quality whose PSNR is nearest to ours
at the smallest size. Prints a row for each size.
"""

from __future__ import annotations

import argparse
import io
import json
import math
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from skimage.data import coffee

from hpcmbal.core.model.complexity import complexity
from hpcmbal.core.model.variants import get_variant
from hpcmbal.model_files.find import find_model
from hpcmbal.model_files.store import read_header

ASPECT = 1.5
GIBIBYTE = 1 << 20
"""In the kibibytes of `ru_maxrss`."""

OTHERS: dict[str, dict[str, object]] = {
    "AVIF speed 6": {"format": "AVIF", "speed": 6},
    "AVIF speed 4": {"format": "AVIF", "speed": 4},
    "WebP method 4": {"format": "WEBP", "method": 4},
    "WebP method 6": {"format": "WEBP", "method": 6},
    "JPEG": {"format": "JPEG"},
}

OURS = """
import json, resource, sys, time
import torch
what, model, source, path, threads = sys.argv[1:]
torch.set_num_threads(int(threads))
from PIL import Image
import numpy as np
from hpcmbal.codec.bitstream import read_container
from hpcmbal.codec.codec import compress_picture, decompress_container
from hpcmbal.codec.codec_model import load_codec_model
from hpcmbal.images.picture import Picture
loaded = load_codec_model(model)
small = Picture(np.zeros((256, 256, 3), dtype=np.uint8))
decompress_container(read_container(compress_picture(small, loaded, mode="learned")), loaded)  # what is made only once
picture = Picture(np.load(source))
start = time.perf_counter()
if what == "encode":
    open(path, "wb").write(compress_picture(picture, loaded, mode="learned"))
else:
    decompress_container(read_container(open(path, "rb").read()), loaded)
seconds = time.perf_counter() - start
print(json.dumps([seconds, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss]))
"""

OTHER = """
import json, resource, sys, time
import numpy as np
from PIL import Image
what, settings, source, path = sys.argv[1:]
settings = json.loads(settings)
image = Image.fromarray(np.load(source))
start = time.perf_counter()
if what == "encode":
    image.save(path, **settings)
else:
    Image.open(path).load()
seconds = time.perf_counter() - start
print(json.dumps([seconds, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss]))
"""


def main() -> None:
    """Measure, print, plot."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model")
    parser.add_argument("--megapixels", type=float, nargs="+", default=[0.393216, 4, 12, 24, 50])
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--without-others", action="store_true", help="only our codec and the limit")
    parser.add_argument("--json", type=Path)
    parser.add_argument("--plot", type=Path)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    with tempfile.TemporaryDirectory() as folder:
        rows = measure_all(options, Path(folder))
    if options.json:
        options.json.write_text(json.dumps(rows, indent=1) + "\n")
    if options.plot:
        plot(rows, options.plot)


def measure_all(options: argparse.Namespace, folder: Path) -> list[dict[str, object]]:
    """A row for each size."""
    cost = complexity(get_variant(read_header(find_model(options.model)).variant))
    qualities: dict[str, int] = {}
    rows: list[dict[str, object]] = []
    for megapixels in options.megapixels:
        source, file = folder / "picture.npy", folder / "picture.hpcm"
        width = round(math.sqrt(megapixels * 1e6 * ASPECT))
        pixels = np.array(Image.fromarray(coffee()).resize((width, round(width / ASPECT)), Image.Resampling.BICUBIC))
        np.save(source, pixels)
        speed = matrix_speed()
        size = pixels.shape[0] * pixels.shape[1]
        limits = {
            "encode": cost.encode_macs_per_pixel * size / speed,
            "decode": cost.decode_macs_per_pixel * size / speed,
        }
        arguments = [options.model, str(source), str(file), str(options.threads)]
        ours = {what: run(OURS, what, *arguments) for what in limits}
        row: dict[str, object] = {
            "megapixels": size / 1e6,
            "threads": options.threads,
            "limit": limits,
            "hpcmbal": ours,
        }
        print(f"{size / 1e6:5.2f} megapixels, {options.threads} threads, {speed / 1e9:.0f} GMAC/s in a matrix product")
        for what, (seconds, gibibytes) in ours.items():
            ratio = seconds / limits[what]
            print(
                f"  {what}: {seconds:6.2f} s, {ratio:.2f} times the limit of {limits[what]:.2f} s, {gibibytes:.2f} GiB"
            )
        if not options.without_others:
            qualities = qualities or matched(pixels, file, options.model)
            row["others"] = others(ours, qualities, source, folder)
        rows.append(row)
    return rows


def others(
    ours: dict[str, tuple[float, float]], qualities: dict[str, int], source: Path, folder: Path
) -> dict[str, dict[str, object]]:
    """Seconds of the other codecs; prints ours relative to them."""
    found: dict[str, dict[str, object]] = {}
    for name, settings in OTHERS.items():
        file = folder / "other"
        chosen = json.dumps({**settings, "quality": qualities[name]})
        seconds = {what: run(OTHER, what, chosen, str(source), str(file))[0] for what in ours}
        found[name] = {**seconds, "quality": qualities[name], "bytes": file.stat().st_size}
        ratios = ", ".join(f"{what} {ours[what][0] / seconds[what]:.2f}" for what in seconds)
        print(f"  ours against {name} (quality {qualities[name]}): {ratios} times", flush=True)
    return found


def matched(pixels: np.ndarray, file: Path, model: str) -> dict[str, int]:
    """The quality of each other codec whose PSNR is nearest to ours, by bisection."""
    from hpcmbal.codec.codec import decompress
    from hpcmbal.codec.codec_model import load_codec_model

    target = mse(pixels, np.array(decompress(file.read_bytes(), model=load_codec_model(model))))
    found = {}
    for name, settings in OTHERS.items():
        low, high = 1, 98
        while low < high:
            middle = (low + high) // 2
            stream = io.BytesIO()
            Image.fromarray(pixels).save(stream, quality=middle, **settings)
            if mse(pixels, np.array(Image.open(stream).convert("RGB"))) > target:
                low = middle + 1
            else:
                high = middle
        found[name] = low
    return found


def mse(first: np.ndarray, second: np.ndarray) -> float:
    """Mean squared error of 8-bit pictures."""
    return float(np.mean((first.astype(np.float64) - second) ** 2))


def matrix_speed() -> float:
    """Multiply-accumulates a second of a float32 product of 2048 x 2048 matrices, the best of five."""
    a, b = torch.rand(2048, 2048), torch.rand(2048, 2048)
    best = math.inf
    for _ in range(5):
        start = time.perf_counter()
        torch.mm(a, b)
        best = min(best, time.perf_counter() - start)
    return 2048**3 / best


def run(program: str, *arguments: str) -> tuple[float, float]:
    """Seconds, and GiB of resident memory."""
    command = [sys.executable, "-W", "ignore", "-c", program, *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    seconds, kibibytes = json.loads(done.stdout)
    return seconds, kibibytes / GIBIBYTE


def plot(rows: list[dict[str, object]], path: Path) -> None:
    """Time and memory against megapixels."""
    import matplotlib as mpl

    mpl.use("svg")
    from matplotlib import pyplot as plt

    figure, (time_axes, memory_axes) = plt.subplots(1, 2, figsize=(9, 3.5), layout="constrained")
    sizes = [row["megapixels"] for row in rows]
    for what, style in (("encode", "o-"), ("decode", "s--")):
        time_axes.plot(sizes, [row["hpcmbal"][what][0] for row in rows], style, label=f"{what}, hpcmbal")
        memory_axes.plot(sizes, [row["hpcmbal"][what][1] for row in rows], style, label=what)
        time_axes.plot(sizes, [row["limit"][what] for row in rows], ":", label=f"{what}, arithmetic alone")
    if all("others" in row for row in rows):
        time_axes.plot(
            sizes, [row["others"]["AVIF speed 6"]["encode"] for row in rows], "^-.", label="encode, AVIF speed 6"
        )
    time_axes.set(ylabel="seconds")
    memory_axes.set(ylabel="largest resident memory, GiB")
    for axes in (time_axes, memory_axes):
        axes.set(xlabel="megapixels", ylim=(0, None), xlim=(0, None))
        axes.grid(visible=True, alpha=0.3)
        axes.legend(fontsize=8)
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path)


if __name__ == "__main__":
    main()
