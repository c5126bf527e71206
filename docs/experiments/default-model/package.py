"""Turn a finished run into a packaged model: package.py RUN MODEL.safetensors --hours H --data TEXT [--data TEXT ...].

Weights for coding (the moving average), and what a user of the file should know; no paths of the machine that made it.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from hpcmbal import __version__
from hpcmbal.codec.codec_model import MODEL_ID_KEY
from hpcmbal.model_files.identity import model_id
from hpcmbal.model_files.store import load_model, save_model
from hpcmbal.training.checkpoint import open_checkpoint

LARGEST_BYTES = 8 * 10**6


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
    network = load_model(arguments.run)
    metadata = {
        MODEL_ID_KEY: model_id(network).hex(),
        "steps": checkpoint.step,
        "hours": arguments.hours,
        "training_data": arguments.data,
        "settings": settings.model_dump(mode="json", include={"model", "loss", "optimizer", "schedule", "training"}),
        "batch_size": settings.data.batch_size,
        "patch_size": settings.data.patch_size,
        "hpcmbal": __version__,
    }
    save_model(arguments.output, network.variant.name, network.state_dict(), metadata)
    size = arguments.output.stat().st_size
    print(f"{arguments.output}: {size:,} bytes, model id {metadata[MODEL_ID_KEY]}, {checkpoint.step} steps")
    if size > LARGEST_BYTES:
        raise SystemExit(f"A packaged model may have {LARGEST_BYTES:,} bytes.")


if __name__ == "__main__":
    main()
