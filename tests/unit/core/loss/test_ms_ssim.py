"""MS-SSIM as distortion: the papers' scaling, an honest split, and no silent substitute for small images."""

from __future__ import annotations

import pytest
import torch
from pytorch_msssim import ms_ssim

from hpcmbal.core.loss import HierarchicalLoss, RateDistortionLoss
from hpcmbal.core.loss.distortion import distortion_parts
from hpcmbal.errors import SettingsError


def test_j_is_rate_plus_lmbda_times_one_minus_ms_ssim_and_five_tasks_sum_to_it(make_case):
    output, x, lmbda = make_case(165, 170, batch=2)
    lmbda = 1000 * lmbda
    similarity = ms_ssim(output["x_hat"], x, data_range=1.0, size_average=False)
    expected = (sum(output["scale_bits"]) / (165 * 170) + lmbda * (1 - similarity)).mean()
    for loss in (RateDistortionLoss(metric="ms-ssim"), HierarchicalLoss(metric="ms-ssim")):
        losses = loss(output, x, lmbda)
        torch.testing.assert_close(losses.total, expected, rtol=1e-6, atol=0)
        torch.testing.assert_close(losses.record.ms_ssim, similarity.mean().detach())


def test_the_split_is_that_of_mse_where_the_distortion_is_the_squared_error(monkeypatch):
    """The rule D e_i / (e_1 + e_2), gradients included, with D = e_1 + e_2 in the place of 1 - MS-SSIM."""
    weights = torch.rand(2, 2, dtype=torch.float64)
    found = []
    for metric in ("ms-ssim", "mse"):
        bands = torch.tensor([[0.01, 0.03], [0.2, 0.0001]], dtype=torch.float64, requires_grad=True)
        monkeypatch.setattr("hpcmbal.core.loss.distortion.ms_ssim", lambda *_, e=bands, **__: 1 - e.sum(1))
        images = torch.zeros(2, 3, 161, 161)
        parts, _ = distortion_parts(metric, images, images, bands)
        (parts * weights).sum().backward()
        found.append(
            (
                parts.detach() * (255**2 if metric == "ms-ssim" else 1),
                bands.grad * (255**2 if metric == "ms-ssim" else 1),
            )
        )
    torch.testing.assert_close(found[0], found[1], rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("size", [(160, 400), (400, 160), (64, 64)])
def test_images_too_small_for_ms_ssim_are_refused_with_the_remedy(make_case, size):
    output, x, lmbda = make_case(*size, batch=1)
    with pytest.raises(
        SettingsError, match=rf"at least 161 pixels a side; found {size[1]}x{size[0]}.*data.patch_size=176"
    ):
        RateDistortionLoss(metric="ms-ssim")(output, x, lmbda)
