"""How long `hpcmbal compress photo.png` takes beside `python -c "import torch"` and the coding itself, on one thread.

Run: python benchmarks/startup.py [--repeats 7] [--image photo.png]

Every command runs in a process of its own, in turn, after one run of each that fills the disk cache. Printed are the
medians of processor time (user and system), which other work on the machine disturbs little, and of wall-clock time;
and the ratio (compress - coding) / torch, which should be at most 1.3.
"""

from __future__ import annotations

import argparse
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

CODING = """
import sys, time
from PIL import Image
import hpcmbal
image, model = Image.open(sys.argv[1]), hpcmbal.load_model()
image.load()
start = time.process_time()
hpcmbal.compress(image, model)
print(time.process_time() - start)
"""


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=7)
    parser.add_argument("--image", type=Path, help="a photograph; a smooth random picture of 768x512 if not given")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        image = options.image or _picture(Path(folder) / "photo.png")
        file = str(Path(folder) / "photo.hpcm")
        hpcmbal = [sys.executable, "-m", "hpcmbal"]
        commands = {
            "python -c 'import torch'": [sys.executable, "-c", "import torch"],
            "hpcmbal compress photo.png": [*hpcmbal, "compress", str(image), "-o", file, "--force"],
            "hpcmbal info photo.hpcm": [*hpcmbal, "info", file],
            "hpcmbal --help": [*hpcmbal, "--help"],
        }
        times: dict[str, list[tuple[float, float]]] = {name: [] for name in commands}
        coding = []
        for number in range(options.repeats + 1):
            for name, command in commands.items():
                seconds = _run(command)
                if number:
                    times[name].append(seconds)
            coding.append(float(_output([sys.executable, "-c", CODING, str(image)])))
    print(f"{'command':<28}{'CPU s':>8}{'wall s':>8}")
    medians = {name: [statistics.median(column) for column in zip(*runs, strict=True)] for name, runs in times.items()}
    for name, (cpu, wall) in medians.items():
        print(f"{name:<28}{cpu:>8.2f}{wall:>8.2f}")
    seconds = statistics.median(coding[1:])
    torch, compress = (medians[name][0] for name in list(commands)[:2])
    print(f"{'coding alone':<28}{seconds:>8.2f}")
    print(f"(compress - coding) / torch = {(compress - seconds) / torch:.2f}")


def _picture(path: Path) -> Path:
    import numpy as np
    from PIL import Image

    coarse = Image.fromarray(np.random.default_rng(0).integers(0, 256, (32, 48, 3), dtype=np.uint8))
    coarse.resize((768, 512), Image.Resampling.BICUBIC).save(path)
    return path


def _run(command: list[str]) -> tuple[float, float]:
    """Processor seconds and wall-clock seconds of a process."""
    before, start = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    _output(command)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return cpu, time.perf_counter() - start


def _output(command: list[str]) -> str:
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    return subprocess.run(command, env=environment, check=True, capture_output=True, text=True).stdout


if __name__ == "__main__":
    main()
