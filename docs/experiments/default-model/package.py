"""Turn a finished run into a packaged model: package.py RUN MODEL.safetensors --hours H --data TEXT [--data TEXT ...].

Weights for coding (the moving average), and what a user of the file should know; no paths of the machine that made it.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from hpcmbal import __version__
from hpcmbal.model_files.find import find_model
from hpcmbal.model_files.store import load_network, save_model
from hpcmbal.training.checkpoint import open_checkpoint

LARGEST_BYTES = 10**7


def main() -> None:
    """Write the model file."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path)
    parser.add_argument("output", type=Path)
    parser.add_argument("--hours", type=float, required=True, help="wall-clock time of the training")
    parser.add_argument("--data", action="append", required=True, help="what it was trained on, with the licence")
    arguments = parser.parse_args()
    checkpoint = open_checkpoint(arguments.run)
    settings = checkpoint.settings
    network = load_network(find_model(arguments.run))
    metadata = {
        "steps": checkpoint.step,
        "hours": arguments.hours,
        "training_data": arguments.data,
        "settings": settings.model_dump(mode="json", include={"model", "loss", "optimizer", "schedule", "training"}),
        "batch_size": settings.data.batch_size,
        "patch_size": settings.data.patch_size,
        "hpcmbal": __version__,
    }
    name, weights = network.variant.name, network.state_dict()
    identity = save_model(arguments.output, name, weights, metadata, rates=network.rates)
    size = arguments.output.stat().st_size
    print(f"{arguments.output}: {size:,} bytes, model id {identity.hex()}, {checkpoint.step} steps")
    if size > LARGEST_BYTES:
        raise SystemExit(f"A packaged model may have {LARGEST_BYTES:,} bytes.")


if __name__ == "__main__":
    main()
