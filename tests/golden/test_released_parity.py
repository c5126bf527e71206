"""The released network's outputs, reproduced from the same weights (golden files beside the checkout)."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import torch

from hpcmbal.core.model import HPCM, get_variant
from hpcmbal.core.model.indexing import take

KEY_FILES = {
    "hpcm-base": "hpcm_base_256x256_seed7.keys.json",
    "hpcm-large": "hpcm_large.keys.json",
    "hpcm-base-phi": "hpcm_base_phi.keys.json",
    "hpcm-1b": "hpcm_1b.keys.json",
}
TIE = 1e-5
"""A residual this close to a rounding boundary may fall on either side, as arithmetic in float32 differs by machine."""


@pytest.fixture(scope="module")
def fill(shared_dir: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location("fill", shared_dir / "golden" / "fill.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def golden(shared_dir: Path) -> Any:
    return np.load(shared_dir / "golden" / "hpcm_base_256x256_seed7.npz")


@pytest.fixture(scope="module")
def base(fill: ModuleType) -> HPCM:
    model = HPCM(get_variant("hpcm-base")).eval()
    filled = {
        name: torch.from_numpy(fill.fill(name, tuple(tensor.shape), 7)).float()
        for name, tensor in model.state_dict().items()
        if "bound" not in name and name != "entropy_estimation.beta"
    }
    model.load_state_dict(filled, strict=False)
    return model


@pytest.mark.parametrize("name", KEY_FILES)
def test_state_dict_and_size_are_those_of_the_released_network(name: str, shared_dir: Path) -> None:
    reference = json.loads((shared_dir / "golden" / KEY_FILES[name]).read_text())
    with torch.device("meta"):
        model = HPCM(get_variant(name))
    shapes = {key: list(tensor.shape) for key, tensor in model.state_dict().items()}
    assert shapes == dict(reference["state_dict"])
    assert sum(parameter.numel() for parameter in model.parameters()) == reference["parameters"]


@torch.no_grad()
def test_forward_gives_the_released_symbols_scales_and_image(base: HPCM, golden: Any, fill: ModuleType) -> None:
    x = torch.from_numpy(fill.golden_image(256, 256, 7)).permute(2, 0, 1)[None].float() / 255
    y = base.g_a(x)
    z_hat = (base.h_a(y) - base.means_hyper).round() + base.means_hyper
    expected_symbols = torch.from_numpy(golden["y_q"]).float().reshape(1, -1)
    expected_scales = torch.from_numpy(golden["scales"]).reshape(1, -1)
    y_flat = y.flatten(1)
    wrong = 0

    def code(step: Any, scales: torch.Tensor, means: torch.Tensor) -> torch.Tensor:
        nonlocal wrong
        residual = take(y_flat, step.latent_index) - means
        expected = take(expected_symbols, step.latent_index)
        tie = ((residual - residual.floor()) - 0.5).abs() < TIE
        wrong += int(((residual.round() != expected) & ~tie).sum())
        torch.testing.assert_close(scales, take(expected_scales, step.latent_index), atol=1e-4, rtol=1e-4)
        return torch.where(tie, expected, residual.round()) + means

    y_hat = base.walk(base.h_s(z_hat), code)
    assert wrong <= 1e-4 * expected_symbols.numel()
    torch.testing.assert_close(y_hat[0], torch.from_numpy(golden["y_hat"]), atol=1e-4, rtol=0)
    torch.testing.assert_close(base.synthesise(y_hat)[0], torch.from_numpy(golden["x_hat"]), atol=1e-3, rtol=0)


@torch.no_grad()
def test_bits_are_those_of_the_released_network(base: HPCM, golden: Any) -> None:
    symbols = torch.from_numpy(golden["y_q"]).float()
    bits = -base.entropy_estimation(symbols, torch.from_numpy(golden["scales"])).log2().sum((1, 2))
    assert float(bits.sum()) == pytest.approx(float(golden["bits_y"].sum()), rel=1e-5)
    np.testing.assert_allclose(bits.numpy(), golden["bits_y"], rtol=1e-3)


@pytest.mark.slow
@torch.no_grad()
def test_whole_forward_pass_gives_the_released_total_within_the_ties(base: HPCM, golden: Any, fill: ModuleType) -> None:
    x = torch.from_numpy(fill.golden_image(256, 256, 7)).permute(2, 0, 1)[None].float() / 255
    total = float(base(x)["scale_bits"].total())
    expected = float(golden["bits_y"].sum() + golden["bits_z"].sum())
    # One latent of this image is a tie within 1e-6; on its other side a few later symbols differ.
    assert total == pytest.approx(expected, rel=1e-3)
