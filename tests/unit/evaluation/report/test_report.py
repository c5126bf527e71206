"""The report is one file that loads nothing, and says what was compared with what."""

from __future__ import annotations

import json
import re
from dataclasses import replace

import numpy as np
import pytest
from skimage.data import chelsea

from hpcmbal.errors import SettingsError
from hpcmbal.evaluation.codecs.image_codec import FILE_BYTES, SCALE_KEYS
from hpcmbal.evaluation.codecs.selection import OWN_ANCHORS
from hpcmbal.evaluation.curves.bd_table import bd_table, choose_anchor
from hpcmbal.evaluation.curves.curve import BPP, MS_SSIM, PSNR, Curve, mean_results
from hpcmbal.evaluation.report.figures import draw_figures, scale_rates
from hpcmbal.evaluation.report.report import render_report
from hpcmbal.evaluation.report.viewer import nearest_coding

IMAGE_SET = {"name": "<holiday>", "hash": "00ff", "images": {str(i): "00" for i in range(6)}}


def curve(name: str, factor: float, kind: str = "measured", codec: str = "jpeg") -> Curve:
    rng = np.random.default_rng(4)
    bpps = factor * np.array([0.1, 0.2, 0.4, 0.8])
    samples = {
        str(i): {
            BPP: tuple(bpps * hard),
            PSNR: (30.0, 33.0, 36.0, 39.0),
            MS_SSIM: (0.9, 0.95, 0.97, 0.99),
        }
        for i, hard in enumerate(rng.uniform(0.8, 1.2, 6))
    }
    meta = {"kind": kind, "codec": {"codec": codec, "points": list("abcd")}, "image_set": IMAGE_SET}
    return Curve(name, mean_results(samples), "", meta, samples)


@pytest.fixture(scope="module")
def page() -> str:
    curves = [
        curve("</script><b>ours", 0.8, codec="hpcm"),
        curve("jpeg", 1.0),
        Curve("few", {BPP: (1.0,), PSNR: (30.0,)}),
    ]
    table = bd_table(curves, curves[1], draws=20)
    return render_report(curves, draw_figures(curves), table)


def test_it_loads_nothing(page: str) -> None:
    addresses = re.findall(r"""(?:src|href)\s*=\s*["']([^"']*)""", page)
    assert addresses
    assert all(address.startswith("data:") for address in addresses)
    assert "@@" not in page


def test_names_cannot_break_out(page: str) -> None:
    assert "<b>ours" not in page
    assert page.count("</script>") == 2
    assert "<holiday>" not in page


def test_every_image_is_in_the_table(page: str) -> None:
    data = json.loads(re.search(r'id="data">(.*?)</script>', page, re.DOTALL)[1])
    assert len(data["rows"]) == 2 * 6 * 4
    assert data["rows"][0][:3] == ["</script><b>ours", "0", "a"]


def test_bd_rates_stand_beside_their_anchor_and_its_hash(page: str) -> None:
    assert "Anchor: <strong>jpeg</strong>" in page
    assert curve("jpeg", 1.0).fingerprint(PSNR) in page
    assert "-20.00" in page
    assert "too few points: &#x27;few&#x27; has 1" in page


def test_the_anchor_is_the_first_that_is_no_model() -> None:
    ours, jpeg, webp = curve("ours", 1, codec="hpcm"), curve("jpeg", 1), curve("webp", 1)
    assert choose_anchor([ours, jpeg, webp], None) is jpeg
    assert choose_anchor([ours, jpeg, webp], "webp") is webp
    assert choose_anchor([ours], None) is None
    with pytest.raises(SettingsError, match=r"No curve 'VTM' to compare with\. There are: ours, jpeg"):
        choose_anchor([ours, jpeg], "VTM")


def test_rate_by_scale_is_a_mean_of_bits_per_pixel() -> None:
    """Two images of different size: the larger one must not count more."""
    sizes = {"z": 10, "s1": 20, "s2": 30, "s3": 40}
    samples = {
        name: {
            BPP: (100 * factor * 8 / pixels,),
            FILE_BYTES: (100.0 * factor,),
            **{SCALE_KEYS[scale]: (float(size * factor),) for scale, size in sizes.items()},
        }
        for name, pixels, factor in (("small", 1000, 1), ("large", 9000, 3))
    }
    rates = scale_rates(Curve("ours", mean_results(samples), samples=samples))
    assert rates["s3"] == [pytest.approx((40 * 8 / 1000 + 120 * 8 / 9000) / 2)]
    assert sum(rates[scale][0] for scale in sizes) == pytest.approx(rates[BPP][0])
    assert scale_rates(curve("jpeg", 1)) == {}


@pytest.mark.parametrize("bpp", [0.5, 1.3, 4.0])
def test_the_viewer_finds_the_nearest_rate_among_all_qualities(bpp: float) -> None:
    """Not among the eight points of the curve, which may lie far off."""
    image = np.ascontiguousarray(chelsea()[40:136, 100:228])
    anchor = replace(OWN_ANCHORS["jpeg"], qualities=(5.0, 50.0, 95.0))
    points = [anchor.code(image, point).file_bytes * 8 / (96 * 128) for point in range(3)]
    jpeg = Curve("jpeg", {BPP: tuple(points)}, samples={"a": {BPP: tuple(points)}})
    rates = [anchor.code_at(image, float(quality)).file_bytes * 8 / (96 * 128) for quality in range(101)]
    found = nearest_coding(anchor, jpeg, image, "a", bpp).file_bytes * 8 / (96 * 128)
    assert max(found, bpp) / min(found, bpp) == pytest.approx(min(max(r, bpp) / min(r, bpp) for r in rates), rel=1e-9)
