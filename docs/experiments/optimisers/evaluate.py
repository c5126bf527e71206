"""Mean J, bpp and PSNR of fixed-rate runs over a folder of images, rates estimated: evaluate.py IMAGES RUN..."""

from __future__ import annotations

import sys
from pathlib import Path

from hpcmbal.core.loss import build_loss
from hpcmbal.data import open_images
from hpcmbal.model_files.find import find_model
from hpcmbal.model_files.store import load_network
from hpcmbal.training.checkpoint import open_checkpoint
from hpcmbal.training.validation import validate

images = open_images(Path(sys.argv[1]), "held-back")
print(f"{'run':24} {'J':>7} {'bpp':>7} {'PSNR dB':>8}   ({len(images)} images)")
for run in map(Path, sys.argv[2:]):
    settings = open_checkpoint(run).settings
    found = validate(load_network(find_model(run)), build_loss(settings.loss), images, [settings.loss.lmbda])
    print(f"{run.name:24} {found['j']:7.3f} {found['bpp']:7.4f} {found['psnr_db']:8.2f}")
