"""Code latents under the circumstances given on the command line and print digests: equal digests mean equal symbols.

    python tests/integration/codec/exactness_digest.py hpcm-nano --threads 4 --batch 3 --write nano.json
    other-venv/bin/python tests/integration/codec/exactness_digest.py hpcm-nano --read nano.json

The latents are functions of integers: nothing but the exact path has a say. `--write` stores the segments for a
second process, with another release of torch for example, which `--read`s and decodes them. `hpcm-base` takes the
weights of `fill.py` in the folder that `--golden` names.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import runpy
from pathlib import Path
from typing import Any

import numpy as np
import torch

from hpcmbal.core.entropy.segments import Segment
from hpcmbal.core.model import HPCM, get_variant
from hpcmbal.core.model.exact import ExactNetwork
from hpcmbal.core.model.latent_codec import decode_latents, encode_latents

TESTS = Path(__file__).resolve().parents[2]


def main() -> None:
    """Run under the circumstances of the command line."""
    options = _options()
    torch.set_num_threads(options.threads)
    torch.backends.mkldnn.enabled = not options.no_onednn
    network = ExactNetwork(_model(options.model, options.golden))
    height, width = options.height, options.width
    if options.read:
        images = [[Segment(bytes.fromhex(data), crc) for data, crc in json.loads(Path(options.read).read_text())]]
    else:
        y, z = _latents(network, height, width)
        layout = torch.channels_last if options.channels_last else torch.contiguous_format
        y, z = (part.repeat(options.batch, 1, 1, 1).to(memory_format=layout) for part in (y, z))
        images = encode_latents(network, y, z).segments
    y_hat = decode_latents(network, images, height, width, torch.device("cpu"))
    if options.write:
        Path(options.write).write_text(json.dumps([(s.data.hex(), s.symbols_crc) for s in images[-1]]))
    print(  # noqa: T201 (a script)
        _digest(b"".join(s.data for s in images[-1])), _digest(y_hat[-1].numpy().astype("<f8").tobytes())
    )


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("model", choices=["hpcm-nano", "hpcm-base"])
    parser.add_argument("--golden", type=Path)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--batch", type=int, default=1)
    parser.add_argument("--height", type=int, default=16)
    parser.add_argument("--width", type=int, default=24)
    parser.add_argument("--no-onednn", action="store_true")
    parser.add_argument("--channels-last", action="store_true")
    parser.add_argument("--write")
    parser.add_argument("--read")
    return parser.parse_args()


def _model(name: str, golden: Path | None) -> HPCM:
    if golden is None:
        made: HPCM = runpy.run_path(str(TESTS / "golden" / "tiny_model.py"))["tiny_model"](get_variant(name))
        return made
    fill: Any = runpy.run_path(str(golden / "fill.py"))["fill"]
    model = HPCM(get_variant(name)).eval()
    weights = {
        key: torch.from_numpy(fill(key, tuple(value.shape), 7)).float()
        for key, value in model.state_dict().items()
        if "bound" not in key and key != "entropy_estimation.beta"
    }
    model.load_state_dict(weights, strict=False)
    return model


def _latents(network: ExactNetwork, height: int, width: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Multiples of 1/256 between -8 and 8, by a multiplicative hash of their positions."""
    sizes = (network.variant.latent_channels, height, width), (network.variant.hyper_channels, height // 4, width // 4)
    hashed = [np.arange(np.prod(size), dtype=np.uint64) * np.uint64(2654435761) >> np.uint64(7) for size in sizes]
    y, z = (
        ((h % np.uint64(4096)).astype(np.float32) / 256 - 8).reshape(1, *s) for h, s in zip(hashed, sizes, strict=True)
    )
    return torch.from_numpy(y), torch.from_numpy(z)


def _digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()[:16]


if __name__ == "__main__":
    main()
