"""More eyes than PSNR: metrics of other packages, each on 8-bit RGB images, on one thread, without any download.

`ssimulacra2` (Sneyers, 2023) and `psnr-hvs-m` (Ponomarenko et al., "On between-coefficient contrast masking of DCT
basis functions", 2007) by packages of these names; `iw-ssim` (Wang and Li, 2011), `fsim` (Zhang et al., 2011, with
colour) and `vif` (Sheikh and Bovik, 2006, in the pixel domain) by `piq`; `vmaf` and `vmaf-neg` (Netflix, models v0.6.1)
by the libvmaf of ffmpeg; `lpips` (Zhang et al., 2018) and `dists` (Ding et al., 2020) by `piq` with your weights.
"""

from __future__ import annotations

import contextlib
import io
import json
import math
import tempfile
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, partial
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from hpcmbal.errors import DataError, HpcmbalError, MissingExtraError, SettingsError, setting
from hpcmbal.evaluation.image_tensor import image_tensor
from hpcmbal.evaluation.programs import ffmpeg_version, find_ffmpeg, run_program
from hpcmbal.settings.choices import MS_SSIM_MIN_SIDE

if TYPE_CHECKING:
    from hpcmbal.images.rgb_image import RgbImage

_Measure: TypeAlias = "Callable[[RgbImage, RgbImage, Path | None], float]"

WEIGHTS = {
    "lpips": ("vgg16-397923af.pth", "lpips_weights.pt"),
    "dists": ("vgg16-397923af.pth", "dists_weights.pt"),
}
"""Files that a metric needs, below `checkpoints` in a folder laid out as torch.hub's."""


@dataclass(frozen=True)
class ExtraMetric:
    """A metric that is measured when it is asked for.

    Attributes:
        measure: Of an image and its reconstruction, `[H, W, 3]` uint8 of one size, with the folder of weights.
        packages: What it is computed with; their versions are part of the results.
        smallest_side: Below it, it is not defined.
        extra: Of this package, that installs what it needs.
    """

    measure: _Measure
    packages: tuple[str, ...]
    smallest_side: int = 1
    extra: str = "metrics"


@dataclass(frozen=True)
class ExtraMetrics:
    """The metrics of an evaluation beside PSNR and MS-SSIM; small enough to be sent to worker processes.

    Args:
        names: Keys of `EXTRA_METRICS`.
        weights_dir: Where LPIPS and DISTS find their weights.

    Raises:
        SettingsError: There is no such metric, or its weights are not there.
        MissingExtraError: What it needs is not installed.
    """

    names: tuple[str, ...] = ()
    weights_dir: Path | None = None

    def __post_init__(self) -> None:
        """Find out now what would fail after hours of coding."""
        for name in self.names:
            if name not in EXTRA_METRICS:
                raise SettingsError(f"No metric '{name}'. Choose from: {', '.join(EXTRA_METRICS)}.")
            if name in WEIGHTS:
                self._check_weights(name)
            self._check_installed(name)

    def versions(self) -> dict[str, str]:
        """What each is computed with."""
        return {name: _version_of(name) for name in self.names}

    def check_sizes(self, names: Sequence[str], sizes: Sequence[tuple[int, int]]) -> None:
        """Raise if a metric is not defined for one of the images: its column would be empty.

        Raises:
            DataError: The message names the first such image.
        """
        for metric in self.names:
            least = EXTRA_METRICS[metric].smallest_side
            for image, size in zip(names, sizes, strict=True):
                if min(size) < least:
                    raise DataError(
                        f"The metric '{metric}' is not defined below {least} pixels a side, and {image} has "
                        f"{size[0]} x {size[1]}. Leave that metric or that image out."
                    )

    def measure(self, name: str, image: RgbImage, reconstruction: RgbImage) -> float | None:
        """One metric of one image; None where it is not defined, infinite for equal images where it is in dB.

        Raises:
            HpcmbalError: A program that it needs failed.
        """
        metric = EXTRA_METRICS[name]
        if min(image.shape[:2]) < metric.smallest_side:
            return None
        with warnings.catch_warnings(), np.errstate(all="ignore"):
            warnings.simplefilter("ignore")  # of packages that users can do nothing about
            try:
                value = metric.measure(image, reconstruction, self.weights_dir)
            except HpcmbalError:
                raise
            except (ArithmeticError, RuntimeError, ValueError):  # of a package: a matrix of a flat picture, say
                return None
        return None if math.isnan(value) else value

    def _check_weights(self, name: str) -> None:
        files = " and ".join(WEIGHTS[name])
        if self.weights_dir is None:
            raise SettingsError(
                f"The metric '{name}' needs weights, which are never downloaded here: give {setting('weights_dir')} "
                f"with checkpoints/ that holds {files} (a copy of torch.hub's folder)."
            )
        missing = [file for file in WEIGHTS[name] if not (self.weights_dir / "checkpoints" / file).is_file()]
        if missing:
            raise SettingsError(
                f"The metric '{name}' needs {' and '.join(missing)} in {self.weights_dir / 'checkpoints'}, which is "
                "not there. Copy it from a machine that has downloaded it."
            )

    def _check_installed(self, name: str) -> None:
        metric = EXTRA_METRICS[name]
        try:
            _version_of(name)
        except PackageNotFoundError as error:
            raise MissingExtraError(f"The metric '{name}'", metric.extra) from error


@cache
def _version_of(name: str) -> str:
    metric = EXTRA_METRICS[name]
    if name.startswith("vmaf"):
        ffmpeg = find_ffmpeg(f"The metric '{name}'")
        return f"libvmaf of {ffmpeg_version(ffmpeg)}, model {_VMAF_MODELS[name]}"
    return ", ".join(f"{package} {version(package)}" for package in metric.packages)


def _ssimulacra2(image: RgbImage, reconstruction: RgbImage, _: Path | None) -> float:
    from PIL import Image
    from ssimulacra2 import compute_ssimulacra2

    files = [io.BytesIO() for _ in range(2)]
    for file, pixels in zip(files, (image, reconstruction), strict=True):
        Image.fromarray(pixels).save(file, "PPM")  # the package takes files only
        file.seek(0)
    return float(compute_ssimulacra2(*files))


def _psnr_hvs_m(image: RgbImage, reconstruction: RgbImage, _: Path | None) -> float:
    if np.array_equal(image, reconstruction):
        return math.inf
    with contextlib.redirect_stdout(io.StringIO()):  # it prints when it is imported without torch-dct
        from psnr_hvsm import psnr_hvs_hvsm
    _hvs, hvs_m = psnr_hvs_hvsm(_luma(image), _luma(reconstruction))
    return float(hvs_m)


def _piq(function: str, image: RgbImage, reconstruction: RgbImage, _: Path | None) -> float:
    import piq

    return float(getattr(piq, function)(image_tensor(reconstruction), image_tensor(image), data_range=1.0))


def _piq_network(module: str, image: RgbImage, reconstruction: RgbImage, weights_dir: Path | None) -> float:
    import torch

    assert weights_dir is not None, "checked when the metric was chosen"  # noqa: S101
    with torch.inference_mode():
        return float(_network(module, weights_dir)(image_tensor(reconstruction), image_tensor(image)))


@cache
def _network(module: str, weights_dir: Path) -> Any:
    import piq
    import torch

    before = torch.hub.get_dir()
    torch.hub.set_dir(weights_dir)
    try:
        return getattr(piq, module)()
    finally:
        torch.hub.set_dir(before)


def _vmaf(model: str, image: RgbImage, reconstruction: RgbImage, _: Path | None) -> float:
    height, width = image.shape[:2]
    with tempfile.TemporaryDirectory(prefix="hpcmbal-") as name:
        folder = Path(name)
        for stem, pixels in (("distorted", reconstruction), ("reference", image)):
            (folder / f"{stem}.yuv").write_bytes(_limited_frame(pixels))
        raw = ("-f", "rawvideo", "-pix_fmt", "yuv420p", "-s", f"{width}x{height}")
        log = folder / "vmaf.json"
        run_program(
            [
                *(find_ffmpeg("The metric 'vmaf'"), "-hide_banner", "-nostdin", "-threads", "1"),
                *(*raw, "-i", str(folder / "distorted.yuv"), *raw, "-i", str(folder / "reference.yuv")),
                *(
                    "-lavfi",
                    f"libvmaf=model=version={model}:log_path={log}:log_fmt=json:n_threads=1",
                    "-f",
                    "null",
                    "-",
                ),
            ],
            log,
        )
        found = json.loads(log.read_bytes())["frames"][0]["metrics"]
    (value,) = [value for key, value in found.items() if key.startswith("vmaf")]
    if not isinstance(value, int | float):
        raise HpcmbalError(f"libvmaf gave {value!r} where a number was expected.")
    return float(value)


def _limited_frame(image: RgbImage) -> bytes:
    """BT.709 luma of video range, for which VMAF was trained, and gray chroma, which it does not look at."""
    height, width = image.shape[:2]
    luma = np.rint(16 + 219 / 255 * (image @ np.array([0.2126, 0.7152, 0.0722]))).astype(np.uint8)
    chroma = bytes([128])
    return bytes(luma.tobytes()) + chroma * (2 * ((width + 1) // 2) * ((height + 1) // 2))


def _luma(image: RgbImage) -> Any:
    """Luma of BT.601 in [0, 1], of the whole blocks of 8x8 pixels, as PSNR-HVS-M is defined on."""
    height, width = (side // 8 * 8 for side in image.shape[:2])
    return image[:height, :width] @ np.array([0.299, 0.587, 0.114]) / 255


_VMAF_MODELS = {"vmaf": "vmaf_v0.6.1", "vmaf-neg": "vmaf_v0.6.1neg"}

EXTRA_METRICS: Mapping[str, ExtraMetric] = {
    "ssimulacra2": ExtraMetric(_ssimulacra2, ("ssimulacra2",), 8),
    "vmaf": ExtraMetric(partial(_vmaf, _VMAF_MODELS["vmaf"]), (), 32, "video"),
    "vmaf-neg": ExtraMetric(partial(_vmaf, _VMAF_MODELS["vmaf-neg"]), (), 32, "video"),
    "psnr-hvs-m": ExtraMetric(_psnr_hvs_m, ("psnr-hvsm",), 8),
    "iw-ssim": ExtraMetric(partial(_piq, "information_weighted_ssim"), ("piq",), MS_SSIM_MIN_SIDE),
    "fsim": ExtraMetric(partial(_piq, "fsim"), ("piq",), 16),
    "vif": ExtraMetric(partial(_piq, "vif_p"), ("piq",), 41),
    "lpips": ExtraMetric(partial(_piq_network, "LPIPS"), ("piq",), 16),
    "dists": ExtraMetric(partial(_piq_network, "DISTS"), ("piq",), 16),
}
"""The metrics by the name on the command line, which is their key in results too."""
