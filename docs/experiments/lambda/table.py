"""What the runs of run.sh reached: table.py OUT."""

from __future__ import annotations

import sys
from pathlib import Path

from hpcmbal.training.trackers import read_log

MODES = ("linear", "log1p", "log", "linear-not-preserved", "log1p-not-preserved", "log-preserved")
LMBDAS = ("0.0035", "0.025")

print("| mode | lambda | bpp | PSNR dB | lmbda_eff / lambda, mean of the last tenth |")
print("|---|---:|---:|---:|---:|")
for mode in MODES:
    for lmbda in LMBDAS:
        lines = read_log(Path(sys.argv[1]) / mode / f"lmbda-{lmbda}" / "logs" / "metrics.jsonl")
        last = [line for line in lines if "val/bpp" in line][-1]
        ratios = [line["lmbda_eff_ratio"] for line in lines if "lmbda_eff_ratio" in line]
        ratios = ratios[-max(1, len(ratios) // 10) :]
        mean = sum(ratios) / len(ratios)
        print(f"| {mode} | {lmbda} | {last['val/bpp']:.4f} | {last['val/psnr_db']:.2f} | {mean:.3g} |")
