"""A training of hpcm-nano-2 where a GPU is at hand for some time: one file of pictures in, one run out.

    python train_on_gpu.py pack DATA.zip FOLDER [FOLDER ...] [--mebibytes 57]
    python train_on_gpu.py train DATA.zip OUT --hours 0.4 [--resume RUN]

`pack` writes pictures losslessly, as JPEG XL where pillow-jxl-plugin is installed and as WebP elsewhere, in an
order drawn from a seed until the limit is reached; the last four are for validation. Pictures whose shorter side is
longer than --side are shrunk first, which also removes the traces of their JPEG.

`train` unpacks to a temporary folder, measures which batch keeps the device busy, trains preset `variable-nano-2`
until the hours are up, cools down, and leaves OUT/run with checkpoints and logs. `--resume` goes on from the newest
checkpoint of another run at the stable rate. It runs on a CPU as well, so that it can be tried before a GPU is paid
for.
"""

from __future__ import annotations

import argparse
import io
import json
import os
import random
import tempfile
import time
import zipfile
from pathlib import Path

import torch
from PIL import Image

from hpcmbal.cli.progress import build_reporter, describe
from hpcmbal.core.device import choose_device
from hpcmbal.data import open_images
from hpcmbal.settings import TrainSettings, load_train_settings
from hpcmbal.training.checkpoint import list_checkpoints, open_checkpoint
from hpcmbal.training.preflight import measure_step
from hpcmbal.training.trainer import train

VALIDATION = 4
BATCHES = (8, 16, 32, 64)
ENOUGH = 0.8
"""The smallest batch that reaches this part of the best pixels per second is taken: more steps for the same time."""


def pack(archive: Path, folders: list[Path], limit: int, side: int) -> None:
    """Write pictures from `folders` into `archive` until it holds `limit` bytes."""
    try:
        import pillow_jxl  # noqa: F401 (registers JPEG XL)

        suffix, options = ".jxl", {"format": "JXL", "lossless": True, "effort": 7}
    except ImportError:
        suffix, options = ".webp", {"format": "WEBP", "lossless": True, "method": 4, "quality": 75}
    source = open_images(folders, "train", cache_mebibytes=0)
    order = list(range(len(source)))
    random.Random(0).shuffle(order)
    written, names = 0, []
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_STORED) as packed:
        for index in order:
            picture = Image.fromarray(source.read(index))
            scale = side / min(picture.size)
            if scale < 1:
                size = tuple(round(length * scale) for length in picture.size)
                picture = picture.resize(size, Image.Resampling.LANCZOS)
            buffer = io.BytesIO()
            picture.save(buffer, **options)
            if written + len(buffer.getvalue()) > limit:
                continue
            name = f"{len(names):05d}{suffix}"
            packed.writestr(name, buffer.getvalue())
            written += len(buffer.getvalue())
            names.append(name)
        packed.writestr("held-back.json", json.dumps(names[-VALIDATION:]))
    print(f"{len(names)} of {len(order)} pictures, {written / 2**20:.1f} MiB, in {archive}")


def unpack(archive: Path, folder: Path) -> tuple[Path, Path]:
    """Folders of training and validation pictures; JPEG XL becomes PNG."""
    train_folder, held_back = folder / "train", folder / "held-back"
    with zipfile.ZipFile(archive) as packed:
        validation = set(json.loads(packed.read("held-back.json")))
        for name in sorted(set(packed.namelist()) - {"held-back.json"}):
            target = (held_back if name in validation else train_folder) / name
            target.parent.mkdir(parents=True, exist_ok=True)
            if target.suffix == ".jxl":
                import pillow_jxl  # noqa: F401 (registers JPEG XL)

                Image.open(io.BytesIO(packed.read(name))).save(target.with_suffix(".png"), compress_level=1)
            else:
                target.write_bytes(packed.read(name))
    return train_folder, held_back


def settings_for(arguments: argparse.Namespace, folders: tuple[Path, Path], batch: int) -> TrainSettings:
    """The run's settings for one size of batch."""
    cpus = len(os.sched_getaffinity(0))
    overrides: dict[str, object] = {
        "data.train": [folders[0]],
        "data.val": folders[1],
        "data.batch_size": batch,
        "data.patch_size": arguments.patch_size,
        "data.num_workers": max(0, cpus - 2) if torch.cuda.is_available() else 0,
        "data.cache_mebibytes": 4096 if torch.cuda.is_available() else 512,
        "training.max_steps": None,
        "training.max_hours": arguments.hours,
        "output.save_path": arguments.out / "run",
        "output.validate_every": arguments.validate_every,
        "output.save_freq": arguments.validate_every,
    }
    if arguments.resume is not None:
        stable = [path for path in list_checkpoints(arguments.resume) if _is_stable(path)]
        overrides["output.checkpoint"] = (stable or list_checkpoints(arguments.resume))[-1]
    return load_train_settings(arguments.preset, overrides)


def _is_stable(path: Path) -> bool:
    return open_checkpoint(path).settings.schedule.decay_start is None


def best_batch(arguments: argparse.Namespace, folders: tuple[Path, Path]) -> int:
    """Measure the sizes of batches on the device; print each."""
    device = choose_device("auto")
    images = open_images([folders[0]], "train", cache_mebibytes=256)
    speeds = {}
    for batch in BATCHES:
        seconds = measure_step(settings_for(arguments, folders, batch), images, device, None).seconds
        speeds[batch] = batch * arguments.patch_size**2 / seconds
        print(
            f"batch {batch:3d}: {seconds:.4f} s a step, {speeds[batch] / 1e6:.2f} million pixels a second", flush=True
        )
    return next(batch for batch in BATCHES if speeds[batch] >= ENOUGH * max(speeds.values()))


def run(arguments: argparse.Namespace) -> None:
    """Unpack, measure, train."""
    started = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        folders = unpack(arguments.archive, Path(folder))
        batch = arguments.batch_size or best_batch(arguments, folders)
        print(f"Training with batches of {batch} crops of {arguments.patch_size} pixels.", flush=True)
        with build_reporter() as reporter:
            result = train(settings_for(arguments, folders, batch), reporter, started=started)
    print(f"{result.step} steps of {batch} crops in {result.seconds:.0f} s; validation: {describe(result.validation)}")


def main() -> None:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(required=True)
    packing = commands.add_parser("pack", help="make the archive")
    packing.add_argument("archive", type=Path)
    packing.add_argument("folders", type=Path, nargs="+")
    packing.add_argument("--mebibytes", type=float, default=57.0)
    packing.add_argument("--side", type=int, default=512)
    packing.set_defaults(do=lambda a: pack(a.archive, a.folders, round(a.mebibytes * 2**20), a.side))
    training = commands.add_parser("train", help="train from the archive")
    training.add_argument("archive", type=Path)
    training.add_argument("out", type=Path)
    training.add_argument("--hours", type=float, required=True)
    training.add_argument("--resume", type=Path)
    training.add_argument("--preset", default="variable-nano-2")
    training.add_argument("--patch-size", type=int, default=256)
    training.add_argument("--batch-size", type=int, help="measured if not given")
    training.add_argument("--validate-every", type=int, default=1000)
    training.set_defaults(do=run)
    arguments = parser.parse_args()
    arguments.do(arguments)


if __name__ == "__main__":
    main()
