"""Metrics agree with independent implementations, and conversion to 8 bits rounds."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from scipy.ndimage import convolve1d
from skimage.data import chelsea
from skimage.metrics import peak_signal_noise_ratio

from hpcmbal.errors import DataError
from hpcmbal.evaluation.image_tensor import image_tensor
from hpcmbal.evaluation.metrics import ms_ssim, ms_ssim_db, to_uint8
from hpcmbal.images.psnr import psnr_db
from hpcmbal.settings.choices import MS_SSIM_MIN_SIDE


def noisy(image: np.ndarray, strength: float, seed: int = 0) -> np.ndarray:
    noise = np.random.default_rng(seed).normal(0, strength, image.shape)
    return np.clip(np.rint(image + noise), 0, 255).astype(np.uint8)


def ms_ssim_by_hand(x: np.ndarray, y: np.ndarray) -> float:
    """Wang et al. 2003 written out: five scales, valid windows, 2x2 means between scales, mean of channels."""
    offsets = np.arange(11) - 5
    window = np.exp(-(offsets**2) / (2 * 1.5**2))
    window /= window.sum()
    c1, c2 = (0.01 * 255) ** 2, (0.03 * 255) ** 2

    def blur(a: np.ndarray) -> np.ndarray:
        return convolve1d(convolve1d(a, window, axis=0), window, axis=1)[5:-5, 5:-5]

    channels = []
    for channel in range(3):
        a, b = x[..., channel].astype(float), y[..., channel].astype(float)
        product = 1.0
        for scale, weight in enumerate([0.0448, 0.2856, 0.3001, 0.2363, 0.1333]):
            mean_a, mean_b = blur(a), blur(b)
            var_a, var_b = blur(a * a) - mean_a**2, blur(b * b) - mean_b**2
            contrast = (2 * (blur(a * b) - mean_a * mean_b) + c2) / (var_a + var_b + c2)
            luminance = (2 * mean_a * mean_b + c1) / (mean_a**2 + mean_b**2 + c1)
            product *= (contrast * (luminance if scale == 4 else 1.0)).mean() ** weight
            a, b = (c[: c.shape[0] // 2 * 2, : c.shape[1] // 2 * 2] for c in (a, b))
            a, b = ((c[::2, ::2] + c[1::2, ::2] + c[::2, 1::2] + c[1::2, 1::2]) / 4 for c in (a, b))
        channels.append(product)
    return float(np.mean(channels))


@pytest.fixture(scope="module")
def photograph() -> np.ndarray:
    return chelsea()[:256, :320]


@pytest.mark.parametrize("strength", [0.5, 4.0, 40.0])
def test_psnr_agrees_with_scikit_image(photograph: np.ndarray, strength: float) -> None:
    other = noisy(photograph, strength)
    assert psnr_db(photograph, other) == pytest.approx(peak_signal_noise_ratio(photograph, other), abs=1e-9)


def test_psnr_of_equal_images_is_infinite(photograph: np.ndarray) -> None:
    assert psnr_db(photograph, photograph.copy()) == math.inf


@pytest.mark.parametrize("strength", [1.0, 8.0, 40.0])
def test_ms_ssim_agrees_with_its_definition_written_out(photograph: np.ndarray, strength: float) -> None:
    other = noisy(photograph, strength)
    assert ms_ssim(photograph, other) == pytest.approx(ms_ssim_by_hand(photograph, other), abs=1e-6)


@pytest.mark.parametrize("size", [(256, 320), (161, 300), (217, 171)])
@pytest.mark.parametrize("strength", [2.0, 12.0, 90.0])
def test_ms_ssim_is_that_of_pytorch_msssim_in_float64(
    photograph: np.ndarray, size: tuple[int, int], strength: float
) -> None:
    """float32 is enough, for odd sides too, which that package pads with zeros before it halves them."""
    from pytorch_msssim import ms_ssim as reference

    image = photograph[: size[0], : size[1]]
    other = noisy(image, strength)
    pair = [torch.from_numpy(item).permute(2, 0, 1)[None].double() for item in (image, other)]
    assert ms_ssim(image, other) == pytest.approx(float(reference(*pair, data_range=255)), abs=1e-5)


def test_ms_ssim_is_one_for_equal_images_and_symmetric(photograph: np.ndarray) -> None:
    other = noisy(photograph, 20.0)
    assert ms_ssim(photograph, photograph.copy()) == pytest.approx(1, abs=1e-6)
    assert ms_ssim(photograph, other) == pytest.approx(ms_ssim(other, photograph), abs=1e-6)


def test_ms_ssim_is_not_invented_for_small_images(photograph: np.ndarray) -> None:
    small = photograph[: MS_SSIM_MIN_SIDE - 1]
    enough = photograph[:MS_SSIM_MIN_SIDE]
    assert ms_ssim(small, noisy(small, 3)) is None
    assert ms_ssim(enough, noisy(enough, 3)) is not None
    assert ms_ssim_db(None) is None


def test_ms_ssim_db() -> None:
    assert ms_ssim_db(0.9) == pytest.approx(10.0)
    assert ms_ssim_db(1.0) == math.inf


def test_every_level_survives_the_way_to_floats_and_back() -> None:
    levels = np.arange(256, dtype=np.uint8)
    for dtype in (np.float32, np.float64):
        assert (to_uint8(levels.astype(dtype) / dtype(255)) == levels).all()


def test_a_tensor_has_the_levels_of_the_image_exactly_and_colours_first() -> None:
    image = np.random.default_rng(2).permutation(np.arange(768) % 256).astype(np.uint8).reshape(16, 16, 3)
    tensor = image_tensor(image)
    assert tensor.shape == (1, 3, 16, 16)
    assert tensor.max() == 1
    assert ((255 * tensor[0]).numpy() == image.transpose(2, 0, 1)).all()


def test_conversion_rounds_to_the_nearest_level() -> None:
    values = np.random.default_rng(1).uniform(-0.1, 1.1, 10_000)
    error = to_uint8(values) - np.clip(values, 0, 1) * 255
    assert np.abs(error).max() <= 0.5 + 1e-9
    assert abs(error.mean()) < 0.02  # truncation has a mean of -0.5


@pytest.mark.parametrize(
    ("other", "problem"),
    [
        (np.zeros((256, 319, 3), np.uint8), "found 320x256 and 319x256"),
        (np.zeros((256, 320, 3), np.float32), "found float32"),
        (np.zeros((256, 320), np.uint8), r"shape \(256, 320\)"),
    ],
)
def test_images_that_do_not_fit_are_refused(photograph: np.ndarray, other: np.ndarray, problem: str) -> None:
    with pytest.raises(DataError, match=problem):
        ms_ssim(photograph, other)
