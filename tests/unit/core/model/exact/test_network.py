"""The exact path of a whole model: close to the float network, and the same integers under every circumstance."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from hpcmbal.core.entropy.coder import SymbolDecoder
from hpcmbal.core.entropy.generalized_gaussian import GeneralizedGaussian
from hpcmbal.core.entropy.segments import Segment
from hpcmbal.core.model.exact.grid import GRID_STEPS
from hpcmbal.core.model.latent_codec import decode_latents, encode_latents
from hpcmbal.core.model.schedule import Step
from hpcmbal.errors import BitstreamError, NumericalError
from hpcmbal.model_files.identity import model_id

HEIGHT, WIDTH = 8, 12
CPU = torch.device("cpu")


@pytest.fixture
def latents(tiny: Any) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(3)
    x = torch.rand(3, 3, 16 * HEIGHT, 16 * WIDTH, generator=generator)
    with torch.no_grad():
        y = tiny.network.analyse(x)
        return y, tiny.network.h_a(y)


def test_decoding_gives_what_the_encoder_saw(tiny: Any, latents: tuple[Tensor, Tensor]) -> None:
    encoded = encode_latents(tiny.exact, *latents)
    decoded = decode_latents(tiny.exact, encoded.segments, HEIGHT, WIDTH, CPU)
    assert torch.equal(decoded, encoded.y_hat)
    assert (encoded.y_hat - latents[0]).abs().max() <= 0.5 + 1 / GRID_STEPS


def test_it_is_close_to_the_float_network(tiny: Any, latents: tuple[Tensor, Tensor]) -> None:
    z = latents[1].round()
    seen: dict[str, list[Tensor]] = {"float": [], "exact": []}

    def record(kind: str) -> Any:
        def code(step: Step, scales: Tensor, means: Tensor) -> Tensor:
            del step
            seen[kind] += [scales.double(), means.double()]
            return means

        return code

    with torch.no_grad():
        tiny.network.walk(tiny.network.h_s(z + tiny.network.means_hyper), record("float"))
        tiny.exact.walk(tiny.exact.hyper_params(z), record("exact"))
    difference = torch.cat(seen["exact"], dim=1) / GRID_STEPS - torch.cat(seen["float"], dim=1)
    assert difference.abs().mean() < 2e-3
    assert difference.abs().max() < 0.05


def test_an_image_of_a_batch_codes_as_it_does_alone(tiny: Any, latents: tuple[Tensor, Tensor]) -> None:
    together = encode_latents(tiny.exact, *latents).segments
    alone = [encode_latents(tiny.exact, *(part[i : i + 1] for part in latents)).segments[0] for i in range(3)]
    assert together == alone


def test_channels_last_changes_nothing(tiny: Any, latents: tuple[Tensor, Tensor]) -> None:
    other = [part.to(memory_format=torch.channels_last) for part in latents]
    assert encode_latents(tiny.exact, *other).segments == encode_latents(tiny.exact, *latents).segments


def test_fewer_segments_give_a_coarser_picture(tiny: Any, latents: tuple[Tensor, Tensor]) -> None:
    (segments,) = encode_latents(tiny.exact, *(part[:1] for part in latents)).segments
    errors = [
        float((decode_latents(tiny.exact, [segments[:count]], HEIGHT, WIDTH, CPU) - latents[0][:1]).square().mean())
        for count in range(1, 5)
    ]
    assert errors == sorted(errors, reverse=True)
    assert errors[0] > 2 * errors[-1]


@pytest.mark.parametrize("index", [0, 1, 2, 3])
def test_other_symbols_are_noticed_in_every_segment(tiny: Any, latents: tuple[Tensor, Tensor], index: int) -> None:
    (segments,) = encode_latents(tiny.exact, *(part[:1] for part in latents)).segments
    crc = segments[index].symbols_crc
    assert crc is not None
    segments[index] = Segment(segments[index].data, crc ^ 1)
    with pytest.raises(BitstreamError, match=f"Segment {('z', 's1', 's2', 's3')[index]} decodes to other symbols"):
        decode_latents(tiny.exact, [segments], HEIGHT, WIDTH, CPU)


def test_latents_that_follow_the_model_take_the_bytes_that_it_estimates(tiny: Any) -> None:
    generator = np.random.default_rng(6)
    network, height, width = tiny.exact, 32, 32
    z_scales = tiny.network.scales_hyper.detach().double()
    z = network.means_hyper / GRID_STEPS + sample(z_scales.expand(1, -1, height // 4, width // 4), generator)
    y = torch.zeros(1, network.variant.latent_channels * height * width, dtype=torch.float64)
    scales_in_order, values_in_order = [], []

    def draw(step: Step, scales: Tensor, means: Tensor) -> Tensor:
        values = sample((scales / GRID_STEPS).clamp(0.12, 64), generator)
        scales_in_order.append(scales / GRID_STEPS)
        values_in_order.append(values)
        y[:, step.latent_index] = values + means / GRID_STEPS
        decoded: Tensor = network.dequantise(values, means)
        return decoded

    with torch.no_grad():
        z_values = (z - network.means_hyper / GRID_STEPS).round()
        network.walk(network.hyper_params(z_values), draw)
        likelihood = GeneralizedGaussian().double()
        bits = -likelihood(torch.cat(values_in_order, 1), torch.cat(scales_in_order, 1)).log2().sum()
        bits -= likelihood(z_values, z_scales).log2().sum()
    (segments,) = encode_latents(network, y.view(1, -1, height, width), z).segments
    payload = sum(len(segment.data) for segment in segments)
    assert payload == pytest.approx(float(bits) / 8, rel=0.005, abs=16)
    assert payload > 3000


def sample(scales: Tensor, generator: np.random.Generator) -> Tensor:
    """Integers that follow the generalised Gaussian of each of `scales`."""
    shape = tuple(scales.shape)
    magnitudes = generator.gamma(2 / 3, size=shape) ** (2 / 3) * generator.choice([-1, 1], shape)
    return (torch.from_numpy(magnitudes) * scales.double()).round()


def test_z_is_in_the_order_of_its_channels(tiny: Any, latents: tuple[Tensor, Tensor]) -> None:
    (segments,) = encode_latents(tiny.exact, *(part[:1] for part in latents)).segments
    tables = tiny.exact.z_tables.repeat(HEIGHT // 4 * (WIDTH // 4))
    expected = (latents[1][0].double() - tiny.exact.means_hyper[0] / GRID_STEPS).round().flatten()
    assert SymbolDecoder(segments[0].data).decode(tables).tolist() == expected.tolist()


def test_latents_beyond_all_bounds_are_clamped(tiny: Any, latents: tuple[Tensor, Tensor]) -> None:
    y, z = (part[:1].clone() for part in latents)
    y[0, 0, 0, 0], y[0, 1, 2, 3], z[0, 0, 0, 0] = 1e30, -1e30, 1e30
    encoded = encode_latents(tiny.exact, y, z)
    assert torch.equal(decode_latents(tiny.exact, encoded.segments, HEIGHT, WIDTH, CPU), encoded.y_hat)
    assert encoded.y_hat.abs().max() == 2**13


def test_latents_that_are_not_finite_are_refused(tiny: Any, latents: tuple[Tensor, Tensor]) -> None:
    y = latents[0].clone()
    y[0, 0, 0, 0] = float("nan")
    with pytest.raises(NumericalError, match="latents y hold NaN or infinity"):
        encode_latents(tiny.exact, y, latents[1])


def test_the_id_names_what_decoding_needs_and_nothing_else(tiny: Any) -> None:
    before = model_id(tiny.network)
    for name, changes in (("g_a.branch.0.weight", False), ("h_s.branch.0.weight", True), ("means_hyper", True)):
        weights = tiny.network.state_dict()[name]
        kept = weights.clone()
        weights.add_(0.25)
        assert (model_id(tiny.network) != before) == changes
        weights.copy_(kept)
    assert model_id(tiny.network) == before
