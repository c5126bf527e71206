"""The exact path gives the same integers on a CPU and on a CUDA device: what one wrote, the other reads."""

from __future__ import annotations

import runpy
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from hpcmbal.core.entropy.segments import Segment
from hpcmbal.core.model.exact import ExactNetwork
from hpcmbal.core.model.latent_codec import decode_latents, encode_latents
from hpcmbal.core.model.schedule import Step

HEIGHT, WIDTH = 8, 12
CPU, CUDA = torch.device("cpu"), torch.device("cuda")
TINY: Any = runpy.run_path(str(Path(__file__).resolve().parents[1] / "golden" / "tiny_model.py"))


@pytest.fixture(scope="module")
def networks() -> dict[str, ExactNetwork]:
    """The same exact path on both devices."""
    model = TINY["tiny_model"]()
    return {device.type: ExactNetwork(model).to(device) for device in (CPU, CUDA)}


@pytest.fixture(scope="module")
def latents() -> tuple[Tensor, Tensor]:
    """Latents as `g_a` and `h_a` of the tiny model make them, on the CPU."""
    model = TINY["tiny_model"]()
    x = torch.rand(3, 3, 16 * HEIGHT, 16 * WIDTH, generator=torch.Generator().manual_seed(3))
    with torch.no_grad():
        y = model.scale(model.analyse(x)) if hasattr(model, "scale") else model.analyse(x)
        return y, model.h_a(y)


@pytest.mark.parametrize(("writer", "reader"), [("cpu", "cuda"), ("cuda", "cpu"), ("cuda", "cuda")])
def test_what_one_device_wrote_another_reads(
    networks: dict[str, ExactNetwork], latents: tuple[Tensor, Tensor], writer: str, reader: str
) -> None:
    encoded = encode_latents(networks[writer], *(part.to(writer) for part in latents))
    decoded = decode_latents(networks[reader], encoded.segments, HEIGHT, WIDTH, torch.device(reader))
    assert torch.equal(decoded.cpu(), encoded.y_hat.cpu())


def test_both_devices_write_the_same_bytes(networks: dict[str, ExactNetwork], latents: tuple[Tensor, Tensor]) -> None:
    written: dict[str, list[list[Segment]]] = {
        kind: encode_latents(network, *(part.to(kind) for part in latents)).segments
        for kind, network in networks.items()
    }
    assert written["cpu"] == written["cuda"]


@torch.no_grad()
def test_every_mean_and_scale_of_the_walk_is_the_same_integer(networks: dict[str, ExactNetwork]) -> None:
    generator = torch.Generator().manual_seed(1)
    seen: dict[str, list[Tensor]] = {"cpu": [], "cuda": []}
    for kind, network in networks.items():
        shape = (2, network.variant.hyper_channels, HEIGHT // 4, WIDTH // 4)
        z = torch.randint(-20, 20, shape, generator=generator.manual_seed(1), dtype=torch.float64).to(kind)

        def code(_step: Step, scales: Tensor, means: Tensor, kind: str = kind) -> Tensor:
            seen[kind] += [scales.cpu(), means.cpu()]
            return means

        network.walk(network.hyper_params(z), code)
    assert len(seen["cpu"]) == len(seen["cuda"]) == 22
    assert all(torch.equal(one, other) for one, other in zip(seen["cpu"], seen["cuda"], strict=True))
