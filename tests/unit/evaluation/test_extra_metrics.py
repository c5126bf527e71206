"""Metrics of other packages: they agree with second implementations, and rank pictures as eyes do."""

from __future__ import annotations

import contextlib
import io
import itertools
import math
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from scipy.ndimage import convolve1d
from skimage.data import chelsea

from hpcmbal.errors import DataError, MissingExtraError, SettingsError
from hpcmbal.evaluation import extra_metrics as module
from hpcmbal.evaluation.codecs.image_codec import measure
from hpcmbal.evaluation.codecs.selection import OWN_ANCHORS
from hpcmbal.evaluation.curves.curve import DISTANCES_IN_DB, IN_DB, QUALITY_METRICS, mean_results
from hpcmbal.evaluation.extra_metrics import EXTRA_METRICS, WEIGHTS, ExtraMetrics
from hpcmbal.settings import choices

OFFLINE = [name for name in EXTRA_METRICS if name not in WEIGHTS]


@pytest.fixture(scope="module")
def photograph() -> np.ndarray:
    return np.ascontiguousarray(chelsea()[:200, 60:301])


def jpeg(image: np.ndarray, quality: int) -> np.ndarray:
    stream = io.BytesIO()
    Image.fromarray(image).save(stream, "JPEG", quality=quality, subsampling=0)
    return np.asarray(Image.open(stream).convert("RGB"))


def chosen(*names: str) -> ExtraMetrics:
    for package in ("imageio_ffmpeg", "piq", "psnr_hvsm", "ssimulacra2"):
        with contextlib.redirect_stdout(io.StringIO()):
            pytest.importorskip(package, reason="needs the extras 'metrics' and 'video'")
    return ExtraMetrics(names)


def test_settings_and_curves_know_every_metric() -> None:
    assert tuple(EXTRA_METRICS) == choices.EXTRA_METRICS
    drawn = {{**IN_DB, **DISTANCES_IN_DB}.get(metric, metric) for metric in QUALITY_METRICS}
    assert set(EXTRA_METRICS) < drawn


@pytest.mark.slow
@pytest.mark.parametrize("name", OFFLINE)
def test_better_pictures_have_higher_values(photograph: np.ndarray, name: str) -> None:
    metrics = chosen(name)
    values = [metrics.measure(name, photograph, jpeg(photograph, quality)) for quality in (5, 20, 50, 90)]
    assert all(worse < better for worse, better in itertools.pairwise(values))
    same = metrics.measure(name, photograph, photograph.copy())
    assert same > values[-1]
    limits = {"ssimulacra2": 100.0, "psnr-hvs-m": math.inf, "iw-ssim": 1.0, "fsim": 1.0, "vif": 1.0}
    assert same == pytest.approx(limits.get(name, 97.5), abs=2.6 if name.startswith("vmaf") else 1e-3)
    assert any(letter.isdigit() for letter in metrics.versions()[name])


@pytest.mark.parametrize("quality", [10, 40, 85])
def test_vif_is_its_definition_written_out(photograph: np.ndarray, quality: int) -> None:
    """Sheikh and Bovik, 2006, in the pixel domain: four scales, Gaussians of 17, 9, 5 and 3, noise variance 2."""
    other = jpeg(photograph, quality)
    a, b = (image @ np.array([0.299, 0.587, 0.114]) for image in (photograph, other))
    numerator = denominator = 0.0
    for scale in range(1, 5):
        size = 2 ** (5 - scale) + 1
        offsets = np.arange(size) - size // 2
        window = np.exp(-(offsets**2) / (2 * (size / 5) ** 2))
        window /= window.sum()

        def blur(x: np.ndarray, window: np.ndarray = window, cut: int = size // 2) -> np.ndarray:
            return convolve1d(convolve1d(x, window, axis=0), window, axis=1)[cut:-cut, cut:-cut]

        if scale > 1:
            a, b = blur(a)[::2, ::2], blur(b)[::2, ::2]
        mean_a, mean_b = blur(a), blur(b)
        var_a = np.maximum(blur(a * a) - mean_a**2, 0)
        var_b = np.maximum(blur(b * b) - mean_b**2, 0)
        covariance = blur(a * b) - mean_a * mean_b
        gain = covariance / (var_a + 1e-8)
        noise = np.maximum(np.where(gain < 0, var_b, var_b - gain * covariance), 1e-8)
        gain = np.maximum(gain, 0)
        numerator += np.log10(1 + gain**2 * var_a / (noise + 2.0)).sum()
        denominator += np.log10(1 + var_a / 2.0).sum()
    assert chosen("vif").measure("vif", photograph, other) == pytest.approx(numerator / denominator, abs=2e-3)


@pytest.mark.parametrize("quality", [10, 40, 85])
def test_fsim_is_that_of_piqa(photograph: np.ndarray, quality: int) -> None:
    piqa = pytest.importorskip("piqa", reason="a second implementation of FSIM: pip install piqa")
    other = jpeg(photograph, quality)
    pair = [torch.from_numpy(image.copy()).permute(2, 0, 1)[None] / 255 for image in (other, photograph)]
    assert chosen("fsim").measure("fsim", photograph, other) == pytest.approx(float(piqa.FSIM()(*pair)), abs=1e-4)


@pytest.mark.parametrize("quality", [10, 40, 85])
def test_psnr_hvs_m_is_that_of_the_packages_second_implementation(photograph: np.ndarray, quality: int) -> None:
    metrics = chosen("psnr-hvs-m")
    from psnr_hvsm import BACKENDS

    other = jpeg(photograph, quality)
    # Luma of BT.601 in [0, 1], of the whole blocks of 8x8 pixels.
    pair = [image[:200, :240] @ np.array([0.299, 0.587, 0.114]) / 255 for image in (photograph, other)]
    _, expected = BACKENDS["cpp"]["psnr_hvs_hvsm"](*pair)
    assert metrics.measure("psnr-hvs-m", photograph, other) == pytest.approx(float(expected), abs=0.01)


def test_samples_hold_what_was_asked_for_and_means_in_db(photograph: np.ndarray) -> None:
    sample = measure(OWN_ANCHORS["jpeg"], photograph, 2, chosen("fsim", "vif"))
    results = mean_results({"a": {key: (value,) for key, value in sample.items()}})
    assert results["fsim-db"][0] == pytest.approx(-10 * math.log10(1 - sample["fsim"]))
    assert results["vif"] == (sample["vif"],)


def test_a_package_that_fails_for_an_image_gives_none() -> None:
    flat = np.full((192, 192, 3), 7, np.uint8)
    assert chosen("iw-ssim").measure("iw-ssim", flat, flat) is None


def test_small_images_have_none(photograph: np.ndarray) -> None:
    small = photograph[:30, :30]
    assert chosen("iw-ssim").measure("iw-ssim", small, jpeg(small, 50)) is None


def test_networks_need_their_weights_which_are_never_downloaded(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"'lpips' needs weights, .* give weights_dir with checkpoints/"):
        ExtraMetrics(("lpips",))
    (tmp_path / "checkpoints").mkdir()
    (tmp_path / "checkpoints" / "vgg16-397923af.pth").touch()
    with pytest.raises(SettingsError, match=r"'dists' needs dists_weights\.pt in .*checkpoints, which is not there"):
        ExtraMetrics(("dists",), tmp_path)


def test_what_is_not_installed_is_named_before_anything_is_coded(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(name: str) -> str:
        raise module.PackageNotFoundError(name)

    monkeypatch.setattr(module, "version", missing)
    module._version_of.cache_clear()
    with pytest.raises(MissingExtraError, match=r"The metric 'fsim' needs the optional extra 'metrics'"):
        ExtraMetrics(("fsim",))
    with pytest.raises(SettingsError, match=r"No metric 'ssim'. Choose from: ssimulacra2, vmaf"):
        ExtraMetrics(("ssim",))


def test_an_image_below_a_metrics_smallest_side_is_named() -> None:
    pytest.importorskip("piq", reason="needs the extra 'metrics'")
    metrics = ExtraMetrics(("fsim",))
    metrics.check_sizes(["a.png"], [(16, 16)])
    with pytest.raises(DataError, match=r"'fsim' is not defined below 16 pixels a side, and b.png has 300 x 15"):
        metrics.check_sizes(["a.png", "b.png"], [(16, 16), (300, 15)])
