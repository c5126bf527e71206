"""Time and memory of coding images of 1 to 50 megapixels: one process each, as memory is never given back.

Run: python benchmarks/large_images.py MODEL [--megapixels 1 4 12 24 50] [--plot docs/images/large_images.svg]

The picture is a photograph, scaled up. Prints a line each: megapixels, seconds to encode and to decode, largest
resident memory of a process that does only that.
"""

from __future__ import annotations

import argparse
import json
import math
import subprocess
import sys
from pathlib import Path

ASPECT = 1.5
GIBIBYTE = 1 << 20
"""In the kibibytes of `ru_maxrss`."""

CHILD = """
import json, resource, sys, time
import numpy as np
from PIL import Image
from skimage.data import coffee
from hpcmbal.codec.bitstream import read_container
from hpcmbal.codec.codec import compress_picture, decompress_container
from hpcmbal.codec.codec_model import load_codec_model
from hpcmbal.images.picture import Picture
what, model, width, height, path = sys.argv[1:]
model = load_codec_model(model)
picture = Picture(np.array(Image.fromarray(coffee()).resize((int(width), int(height)), Image.BICUBIC)))
start = time.perf_counter()
if what == "encode":
    open(path, "wb").write(compress_picture(picture, model, mode="learned"))
else:
    decompress_container(read_container(open(path, "rb").read()), model)
seconds = time.perf_counter() - start
print(json.dumps([seconds, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss]))
"""


def main() -> None:
    """Measure, print, plot."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("model")
    parser.add_argument("--megapixels", type=float, nargs="+", default=[1, 4, 12, 24, 50])
    parser.add_argument("--work", type=Path, default=Path("/tmp"))
    parser.add_argument("--plot", type=Path)
    options = parser.parse_args()
    rows = []
    for megapixels in options.megapixels:
        width = round(math.sqrt(megapixels * 1e6 * ASPECT))
        file = options.work / "large.hpcm"
        encode, decode = (
            _measure(what, options.model, width, round(width / ASPECT), file) for what in ("encode", "decode")
        )
        rows.append((megapixels, *encode, *decode))
        print(
            f"{megapixels:5g} MP  encode {encode[0]:6.1f} s {encode[1]:5.2f} GiB"
            f"  decode {decode[0]:6.1f} s {decode[1]:5.2f} GiB  {file.stat().st_size:,} bytes",
            flush=True,
        )
        file.unlink()
    if options.plot:
        _plot(rows, options.plot)


def _measure(what: str, model: str, width: int, height: int, file: Path) -> tuple[float, float]:
    """Seconds, and GiB of resident memory."""
    command = [sys.executable, "-W", "ignore", "-c", CHILD, what, model, str(width), str(height), str(file)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    seconds, kibibytes = json.loads(done.stdout)
    return seconds, kibibytes / GIBIBYTE


def _plot(rows: list[tuple[float, float, float, float, float]], path: Path) -> None:
    import matplotlib as mpl

    mpl.use("svg")
    from matplotlib import pyplot as plt

    megapixels, encode_seconds, encode_gib, decode_seconds, decode_gib = zip(*rows, strict=True)
    figure, (time_axes, memory_axes) = plt.subplots(1, 2, figsize=(9, 3.5), layout="constrained")
    for axes, encode, decode, label in (
        (time_axes, encode_seconds, decode_seconds, "seconds"),
        (memory_axes, encode_gib, decode_gib, "largest resident memory, GiB"),
    ):
        axes.plot(megapixels, encode, "o-", label="compress")
        axes.plot(megapixels, decode, "s--", label="decompress")
        axes.set(xlabel="megapixels", ylabel=label, ylim=(0, None), xlim=(0, None))
        axes.grid(visible=True, alpha=0.3)
        axes.legend()
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path)


if __name__ == "__main__":
    main()
