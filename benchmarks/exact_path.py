"""What exactness costs: files coded with the exact path beside the same files coded with the float32 network.

    python benchmarks/exact_path.py MODEL IMAGES [--qualities 10 50 90] [--rounds 5] [--output FILE]
    python benchmarks/exact_path.py --released-size GOLDEN IMAGES     hpcm-base with the weights of GOLDEN/fill.py

Bytes: of the four coded segments, exact against float32, over all images, and against the entropy that the network
reports; whole files are checked against that entropy image by image. Seconds: of the first image, encode (pixels to
bytes) and decode (bytes to pixels), exact and float32 taking turns in one process, medians. The float32 files use the
same coder and tables; only the process that wrote them could rely on reading them.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import runpy
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from hpcmbal.codec.bitstream import read_container
from hpcmbal.codec.codec import compress_picture, decompress_container
from hpcmbal.codec.codec_model import CodecModel, load_codec_model
from hpcmbal.core.model import HPCM, get_variant
from hpcmbal.core.model.context import LatentCoder
from hpcmbal.core.model.exact import ExactNetwork
from hpcmbal.core.model.exact.grid import GRID_STEPS
from hpcmbal.core.model.hpcm import pad_to_multiple
from hpcmbal.images.picture import Picture


class Float32Network(ExactNetwork):
    """The trained network in the place of its exact path; speaks in grid steps to the coder, computes in float32."""

    def __init__(self, model: HPCM) -> None:
        super().__init__(model)
        self._model = [model]  # in a list, so that it is not a submodule

    def hyper_params(self, z_symbols: Tensor) -> Tensor:
        """Prior parameters in float32, not in grid steps."""
        params: Tensor = self._model[0].h_s(z_symbols.float() + self._model[0].means_hyper)
        return params

    def walk(self, params: Tensor, code: LatentCoder, scales: int = 3) -> Tensor:
        """The network's own walk."""

        def in_grid_steps(step: Any, scale_values: Tensor, means: Tensor) -> Tensor:
            return (code(step, scale_values * GRID_STEPS, means * GRID_STEPS) / GRID_STEPS).float()

        return self._model[0].walk(params, in_grid_steps, scales).double() * GRID_STEPS


@dataclass(frozen=True)
class Cost:
    """Of one quality.

    Attributes:
        quality: None for a model of one rate.
        exact_bytes: Coded segments of all images.
        float32_bytes: The same from the float32 network.
        reported_bytes: Entropy that the network reports.
        worst_excess: "worst file" in the output: largest of (whole file - reported) / (0.5 % of reported + 16 bytes,
            and 64 bytes of container); at most 1 is promised.
    """

    quality: float | None
    exact_bytes: int
    float32_bytes: int
    reported_bytes: float
    worst_excess: float


def float32_model(model: CodecModel) -> CodecModel:
    """`model` with the float32 network instead of its exact path."""
    twin = CodecModel(model.network, model.name)
    twin.exact = Float32Network(model.network)
    return twin


def payload(data: bytes) -> int:
    """Bytes of a file's segments."""
    return sum(len(segment.data) for segment in read_container(data).segments)


@torch.no_grad()
def reported_bits(model: CodecModel, picture: Picture, quality: float | None) -> float:
    """The entropy of an image as the network reports it."""
    x = torch.from_numpy(np.ascontiguousarray(picture.pixels)).permute(2, 0, 1)[None].float() / 255
    x = pad_to_multiple(x, model.network.variant.pad_multiple)
    output = model.network(x, model.lmbda_of(model.rate_of(quality)))
    return float(sum(bits.double().sum() for bits in output["scale_bits"]))


def cost(model: CodecModel, pictures: list[Picture], quality: float | None) -> Cost:
    """Bytes of all pictures at one quality."""
    twin = float32_model(model)
    files = [compress_picture(picture, model, quality, mode="learned") for picture in pictures]
    reported = [reported_bits(model, picture, quality) / 8 for picture in pictures]
    return Cost(
        quality,
        sum(map(payload, files)),
        sum(payload(compress_picture(picture, twin, quality, mode="learned")) for picture in pictures),
        sum(reported),
        max((len(data) - bits) / (0.005 * bits + 80) for data, bits in zip(files, reported, strict=True)),
    )


def seconds(call: Callable[[], object]) -> float:
    """Wall-clock time of a call."""
    start = time.perf_counter()
    call()
    return time.perf_counter() - start


def times(model: CodecModel, picture: Picture, quality: float | None, rounds: int) -> dict[str, float]:
    """Median seconds to encode and decode, exact and float32 in turns."""
    models = {"exact": model, "float32": float32_model(model)}
    taken: dict[str, list[float]] = {}
    for _ in range(rounds + 1):  # the first one warms up
        for name, candidate in models.items():
            container = read_container(compress_picture(picture, candidate, quality, mode="learned"))
            encode = seconds(lambda candidate=candidate: compress_picture(picture, candidate, quality, mode="learned"))
            decode = seconds(lambda candidate=candidate, file=container: decompress_container(file, candidate))
            taken.setdefault(f"{name}_encode", []).append(encode)
            taken.setdefault(f"{name}_decode", []).append(decode)
    return {name: statistics.median(values[1:]) for name, values in taken.items()}


def released_size(golden: Path) -> CodecModel:
    """hpcm-base with deterministic weights: trained in nothing, but its latents are as busy as a trained network's."""
    fill: Any = runpy.run_path(str(golden / "fill.py"))["fill"]
    network = HPCM(get_variant("hpcm-base")).eval()
    skipped = ("bound", "entropy_estimation.beta")
    weights = {
        name: torch.from_numpy(fill(name, tuple(value.shape), 7)).float()
        for name, value in network.state_dict().items()
        if not any(part in name for part in skipped)
    }
    network.load_state_dict(weights, strict=False)
    return CodecModel(network, "hpcm-base")


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", nargs="?")
    parser.add_argument("images", type=Path)
    parser.add_argument("--released-size", type=Path, metavar="GOLDEN")
    parser.add_argument("--qualities", type=float, nargs="+", default=[10, 50, 90])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--output", type=Path)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    model = released_size(arguments.released_size) if arguments.released_size else load_codec_model(arguments.model)
    paths = sorted(path for path in arguments.images.iterdir() if path.suffix.lower() in {".png", ".jpg"})
    pictures = [Picture(np.array(Image.open(path).convert("RGB"))) for path in paths]
    report: dict[str, Any] = {"model": model.name, "threads": arguments.threads, "images": len(pictures)}
    middle = 50.0 if model.variable_rate else None
    report["seconds"] = times(model, pictures[0], middle, arguments.rounds)
    for name, value in report["seconds"].items():
        print(f"{name:16} {value:.3f} s")
    for what in ("encode", "decode"):
        print(
            f"{what}: exact / float32 = {report['seconds'][f'exact_{what}'] / report['seconds'][f'float32_{what}']:.2f}"
        )
    if not arguments.released_size:
        qualities = arguments.qualities if model.variable_rate else [None]
        report["bytes"] = []
        for quality in qualities:
            found = cost(model, pictures, quality)
            report["bytes"].append(dataclasses.asdict(found))
            against = {"float32": found.float32_bytes, "the reported entropy": found.reported_bytes}
            ratios = ", ".join(
                f"{found.exact_bytes / other - 1:+.4%} against {name}" for name, other in against.items()
            )
            print(f"quality {quality}: {found.exact_bytes} bytes, {ratios}; worst file {found.worst_excess:.0%}")
    if arguments.output:
        arguments.output.write_text(json.dumps(report, indent=2))


if __name__ == "__main__":
    main()
