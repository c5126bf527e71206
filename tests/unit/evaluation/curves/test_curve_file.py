"""Results files: CompressAI's schema, extended; what is written is read again."""

from __future__ import annotations

import csv
import io
import json
import math
from pathlib import Path

import pytest

from hpcmbal.errors import DataError
from hpcmbal.evaluation.curves.curve import BPP, MS_SSIM, MS_SSIM_DB, PSNR, Curve, mean_results
from hpcmbal.evaluation.curves.curve_file import read_curves, results_csv, results_document

SAMPLES = {
    "a.b.png": {BPP: (0.25, 0.5), PSNR: (30.0, math.inf), MS_SSIM: (0.9, 0.99), MS_SSIM_DB: (10.0, 20.0)},
    "c.png": {BPP: (0.75, 1.5), PSNR: (40.0, 42.0), MS_SSIM: (0.98, None), MS_SSIM_DB: (16.99, None)},
}
CURVE = Curve("run.v1.2", mean_results(SAMPLES), "two images", {"codec": {"speed": 0}}, SAMPLES)


def write(path: Path, document: object) -> Path:
    path.write_text(json.dumps(document), encoding="utf-8")
    return path


def test_what_is_written_is_read_again(tmp_path: Path) -> None:
    other = Curve("other", {BPP: (1.0,), PSNR: (33.0,)})
    assert read_curves(write(tmp_path / "r.json", results_document([CURVE, other]))) == [CURVE, other]


def test_the_file_is_valid_json_without_infinity() -> None:
    text = json.dumps(results_document([CURVE]), allow_nan=False)
    assert json.loads(text)["results"][PSNR][1] == "inf"


def test_names_keep_their_dots(tmp_path: Path) -> None:
    (found,) = read_curves(write(tmp_path / "model.v2.0.json", {"results": {"bpp": [0.5], "psnr-rgb": [30]}}))
    assert found.name == "model.v2.0"


def test_means_over_images() -> None:
    assert CURVE.results[BPP] == (0.5, 1.0)
    assert CURVE.results[PSNR] == (35.0, math.inf)
    assert CURVE.results[MS_SSIM] == (pytest.approx(0.94), None)
    assert CURVE.results[MS_SSIM_DB] == (pytest.approx(-10 * math.log10(0.06)), None)


def test_compressai_files(tmp_path: Path) -> None:
    document = {
        "name": "bmshj2018-factorized",
        "description": "Inference (ans)",
        "results": {
            "psnr-rgb": [28.1, 30.2],
            "ms-ssim-rgb": [0.93, 0.96],
            "bpp": [0.13, 0.21],
            "encoding_time": [1, 1],
        },
    }
    (found,) = read_curves(write(tmp_path / "c.json", document))
    assert found.points(PSNR) == [(0.13, 28.1), (0.21, 30.2)]
    assert found.points(MS_SSIM_DB)[0][1] == pytest.approx(-10 * math.log10(0.07))


def test_csv_has_a_row_for_every_image_and_point() -> None:
    rows = list(csv.DictReader(io.StringIO(results_csv([CURVE]))))
    assert [(row["image"], row["point"], row["bpp"]) for row in rows] == [
        ("a.b.png", "0", "0.25"),
        ("a.b.png", "1", "0.5"),
        ("c.png", "0", "0.75"),
        ("c.png", "1", "1.5"),
        ("(mean)", "0", "0.5"),
        ("(mean)", "1", "1.0"),
    ]


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        ("{", "no JSON"),
        ("[]", "found a list"),
        ('{"metrics": 1}', "found the keys metrics"),
        ('{"results": {"psnr-rgb": [1]}}', "no values of 'bpp'"),
        ('{"results": {"bpp": [1, 2], "psnr-rgb": [1]}}', "bpp: 2, psnr-rgb: 1"),
        ('{"results": {"bpp": ["x"]}}', "found 'x'"),
        ('{"results": {"bpp": [NaN]}}', "found nan"),
    ],
)
def test_other_files_are_refused(tmp_path: Path, content: str, problem: str) -> None:
    path = tmp_path / "r.json"
    path.write_text(content, encoding="utf-8")
    with pytest.raises(DataError, match=problem):
        read_curves(path)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"nowhere\.json: cannot be opened"):
        read_curves(tmp_path / "nowhere.json")


def test_no_curves_are_no_document() -> None:
    with pytest.raises(DataError, match="no results to write"):
        results_document([])
