"""The search finds what trying every quality would find."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from hpcmbal.errors import SettingsError
from hpcmbal.evaluation.codecs import selection
from hpcmbal.evaluation.codecs.image_codec import CodedImage, measure_coded
from hpcmbal.evaluation.codecs.quality_scale import QualityScale
from hpcmbal.evaluation.curves.curve import BPP, PSNR
from hpcmbal.evaluation.find_quality import find_quality, search_codec_quality
from hpcmbal.settings.find_quality import FindQualitySettings

IMAGE = np.random.default_rng(0).integers(20, 230, (32, 32, 3)).astype(np.uint8)


def coder(scale: QualityScale, calls: list[float] | None = None):
    """Rate and PSNR rise strictly with the quality's place in the scale."""

    def code(quality: float) -> CodedImage:
        if calls is not None:
            calls.append(quality)
        place = abs(quality - scale.lowest) / abs(scale.highest - scale.lowest)
        error = round(20 * (1 - place)) + 1
        return CodedImage((IMAGE + np.uint8(error)), 100 + 1000 * place)

    return code


@pytest.mark.parametrize("scale", [QualityScale(0, 100), QualityScale(51, 0), QualityScale(15, 60, 0.25)])
@pytest.mark.parametrize("bpp", [0.9, 2.0, 5.5, 8.9])
def test_best_quality_within_a_rate(scale: QualityScale, bpp: float) -> None:
    all_rates = {q: measure_coded(IMAGE, coder(scale)(q))[BPP] for q in map(scale.at, range(scale.count + 1))}
    best = max((q for q in all_rates if all_rates[q] <= bpp), key=all_rates.get)
    found = search_codec_quality(IMAGE, coder(scale), scale, BPP, bpp)
    assert (found.quality, found.sample[BPP]) == (best, all_rates[best])


@pytest.mark.parametrize("psnr", [22.0, 30.0, 40.0])
def test_smallest_file_of_a_psnr(psnr: float) -> None:
    scale = QualityScale(0, 100)
    calls: list[float] = []
    found = search_codec_quality(IMAGE, coder(scale, calls), scale, PSNR, psnr)
    assert found.sample[PSNR] >= psnr
    assert measure_coded(IMAGE, coder(scale)(found.quality - 1))[PSNR] < psnr
    assert len(calls) == found.trials <= 8


@pytest.mark.parametrize(("target", "value"), [(BPP, 0.5), (PSNR, 90.0)])
def test_what_no_quality_reaches_is_refused(target: str, value: float) -> None:
    with pytest.raises(SettingsError, match=r"No quality from 0 to 100 gives at (most 0.5 bpp|least 90 dB)"):
        search_codec_quality(IMAGE, coder(QualityScale(0, 100)), QualityScale(0, 100), target, value)


class FixedCodec:
    """A plug-in with operating points only."""


class FreeCodec(FixedCodec):
    """A plug-in that can be asked for any quality."""

    scale = QualityScale(0, 100)
    qualities = (10.0, 90.0)

    def code_at(self, image: np.ndarray, quality: float) -> CodedImage:
        return coder(self.scale)(quality)


def test_a_plugin_is_asked_if_its_quality_can_be_chosen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    Image.fromarray(IMAGE).save(tmp_path / "image.png")
    settings = FindQualitySettings(image=tmp_path / "image.png", target_psnr=30.0, anchor="theirs")
    monkeypatch.setattr(selection, "plugin_names", lambda _: ["theirs"])
    monkeypatch.setattr(selection, "load_plugin", lambda *_: FreeCodec)
    found = find_quality(settings)
    assert found == search_codec_quality(IMAGE, coder(FreeCodec.scale), FreeCodec.scale, PSNR, 30.0)
    monkeypatch.setattr(selection, "load_plugin", lambda *_: FixedCodec)
    with pytest.raises(SettingsError, match="'theirs' is a plug-in with fixed operating points"):
        find_quality(settings)
