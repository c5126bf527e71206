"""Results files: CompressAI's schema, extended; what is written is read again."""

from __future__ import annotations

import csv
import io
import json
import math
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from reader_fuzz import reader_fuzz

from hpcmbal.errors import DataError
from hpcmbal.evaluation.curves.bd_table import bd_table, choose_anchor
from hpcmbal.evaluation.curves.curve import BPP, MS_SSIM, MS_SSIM_DB, PSNR, Curve, mean_results
from hpcmbal.evaluation.curves.curve_file import read_curves, results_csv, results_document
from hpcmbal.evaluation.curves.same_images import left_out_lines, same_images
from hpcmbal.evaluation.report.report import render_report

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
        ('{"results": {"bpp": ["x"]}}', "'results.bpp.0': must be a number; found 'x'"),
        ('{"results": {"bpp": [true]}}', "must be a number; found True"),
        ('{"results": {"bpp": [1%s]}}' % (400 * "0"), "fits 64 bits"),
        ('{"results": {"bpp": [1]}, "others": 3}', "'others': must be a valid list; found 3"),
        ('{"results": {"bpp": [1]}, "others": [3]}', "'others.0'"),
        ('{"results": {"bpp": [1]}, "meta": [1]}', "'meta': .*found a list"),
        ('{"results": {"bpp": [1]}, "meta": {"image_set": "kodak"}}', "'meta.image_set'"),
        ('{"results": {"bpp": [1]}, "meta": {"codec": {"points": 8}}}', "'meta.codec.points'"),
        ('{"results": {"bpp": [1]}, "meta": {"cost": {"s": -1}}}', "'meta.cost.s': must be greater than or equal to 0"),
        ('{"results": {"bpp": [1]}, "meta": {"cost": {"s": 1e400}}}', "'meta.cost.s'"),
        ('{"results": {"bpp": [1]}, "name": 5}', "'name': must be a valid string; found 5"),
        ('{"results": {"bpp": [1]}, "results_by_sample": {"a": {"bpp": [1, 2]}}}', "lists of 1 values.*bpp: 2"),
        ('{"results": {"bpp": [1]}, "results_by_sample": {"a": {}}}', "'bpp' among them.*found none"),
        (f'{{"results": {{"bpp": [1]}}, "meta": {{"x": {60 * "["}1{60 * "]"}}}}}', "nested too deeply"),
        ("[" * 100_000, "nested too deeply"),
    ],
)
def test_other_files_are_refused(tmp_path: Path, content: str, problem: str) -> None:
    path = tmp_path / "r.json"
    path.write_text(content, encoding="utf-8")
    with pytest.raises(DataError, match=problem):
        read_curves(path)


def test_a_byte_order_mark_is_no_part_of_the_text(tmp_path: Path) -> None:
    path = tmp_path / "r.json"
    text = json.dumps({"name": "a", "results": {"bpp": [0.5], "psnr-rgb": [30.0]}})
    for encoding in ("utf-8-sig", "utf-16"):
        path.write_text(text, encoding=encoding)
        assert read_curves(path)[0].points(PSNR) == [(0.5, 30.0)]


def test_what_is_missing_in_one_metric_leaves_the_others(tmp_path: Path) -> None:
    content = """{"name": "a", "results": {"bpp": [0, 0.5, 0.7, NaN, 0.9], "psnr-rgb": [20, 30, 31, 32, Infinity],
                  "ms-ssim-rgb": [NaN, NaN, NaN, NaN, NaN]}}"""
    path = tmp_path / "r.json"
    path.write_text(content, encoding="utf-8")
    (found,) = read_curves(path)
    assert found.points(PSNR) == [(0.5, 30.0), (0.7, 31.0)]
    assert found.usable(PSNR).left_out == (
        "1 point with a rate of 0 bpp",
        "1 point with no rate",
        "1 point with infinite PSNR (dB)",
    )
    assert not found.has(MS_SSIM_DB)


def test_text_that_cannot_be_encoded_is_escaped(tmp_path: Path) -> None:
    path = tmp_path / "r.json"
    path.write_text('{"name": "a\\udcff", "results": {"bpp": [0.5]}, "meta": {"\\ud800": "\\ud800"}}', encoding="utf-8")
    (found,) = read_curves(path)
    assert found.name == r"a\xff"
    json.dumps(results_document([found]), ensure_ascii=False).encode()


@pytest.mark.parametrize("start", ["=", "+", "-", "@", " =", "\t="])
def test_no_cell_is_a_formula(start: str) -> None:
    text = results_csv([Curve(f"{start}cmd()", {BPP: (1.0,), PSNR: (-3.0,)})])
    header, row = csv.reader(io.StringIO(text))
    assert row == [f"'{start}cmd()", "(mean)", "0", "1.0", "-3.0"]
    assert header == ["curve", "image", "point", BPP, PSNR]


_NAMES = st.sampled_from(
    [
        *("name", "description", "results", "meta", "others", "results_by_sample", "bpp", "psnr-rgb", "ms-ssim-rgb"),
        *("image_set", "images", "codec", "points", "hash", "kind"),
    ]
)
_LEAVES = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.sampled_from(["inf", "", "kodak", "$", "=1", "\ud800", 10**400])
)
_JSON = st.recursive(
    _LEAVES,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(_NAMES | st.text(max_size=3), inner, max_size=5),
    max_leaves=12,
)
_NUMBERS = st.lists(st.none() | st.floats() | st.integers() | st.just("inf"), min_size=4, max_size=4)
_COLUMNS = st.dictionaries(st.sampled_from(["bpp", "psnr-rgb", "ms-ssim-rgb", "encoding_time"]), _NUMBERS | _JSON)
_CURVES = st.fixed_dictionaries(
    {"results": _COLUMNS},
    optional={"name": _LEAVES, "meta": _JSON, "others": _JSON, "results_by_sample": st.dictionaries(_NAMES, _COLUMNS)},
)


@pytest.mark.slow
@reader_fuzz(150)
@given(document=_CURVES | _JSON)
def test_any_json_is_curves_or_one_clear_error(tmp_path: Path, document: object) -> None:
    """And what was read can be compared, reported and written again."""
    path = tmp_path / "any.json"
    path.write_text(json.dumps(document), encoding="utf-8")
    try:
        curves = read_curves(path)
    except DataError:
        return
    shown, left = same_images(curves)
    anchor = choose_anchor(shown, None)
    table = bd_table(shown, anchor, draws=2) if anchor else None
    page = render_report(shown, {}, table, notes=left_out_lines(left))
    page.encode()
    results_csv(curves).encode()
    json.dumps(results_document(curves), allow_nan=False, ensure_ascii=False).encode()


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"nowhere\.json: cannot be opened"):
        read_curves(tmp_path / "nowhere.json")


def test_no_curves_are_no_document() -> None:
    with pytest.raises(DataError, match="no results to write"):
        results_document([])


@pytest.mark.parametrize("text", ['"-inf"', "-Infinity", '"Infinity"', '"+inf"', "NaN", '"nan"', "null"])
def test_a_value_that_is_no_finite_number_leaves_out_its_point_alone(tmp_path: Path, text: str) -> None:
    path = tmp_path / "theirs.json"
    path.write_text(f'{{"name": "x", "results": {{"bpp": [0.1, 0.2], "psnr-rgb": [{text}, 30.0]}}}}', encoding="utf-8")
    (curve,) = read_curves(path)
    assert curve.points(PSNR) == [(0.2, 30.0)]
    path.write_text(json.dumps(results_document([curve]), allow_nan=False), encoding="utf-8")
    (again,) = read_curves(path)
    assert again.results == curve.results
