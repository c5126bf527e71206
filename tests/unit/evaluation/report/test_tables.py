"""Tables to publish: the same numbers in every format, the anchor's version in the caption, names that survive."""

from __future__ import annotations

import csv
import io
import re

import numpy as np
import pytest

from hpcmbal.evaluation.curves.bd_table import bd_table
from hpcmbal.evaluation.curves.curve import BPP, PSNR, Curve, mean_results
from hpcmbal.evaluation.report.figures import cost_figures
from hpcmbal.evaluation.report.tables import bd_rate_csv, bd_rate_table, cost_table, formatted

NAME = r"a_b & {50%} \x | <i>"


def curve(name: str, factor: float, image_set: str = "kodak", **codec: str) -> Curve:
    rng = np.random.default_rng(4)
    bpps = factor * np.array([0.1, 0.2, 0.4, 0.8])
    samples = {
        str(i): {BPP: tuple(bpps * hard), PSNR: (30.0, 33.0, 36.0, 39.0)}
        for i, hard in enumerate(rng.uniform(0.8, 1.2, 6))
    }
    meta = {
        "kind": "measured",
        "codec": {"codec": name, **codec},
        "image_set": {"name": image_set, "hash": image_set, "images": dict.fromkeys(samples, "0")},
        "environment": {"processor": "Abacus 9"},
        "cost": {"decode_seconds_per_megapixel": 2.0 * factor, "decode_parameters": 1_500_000},
    }
    return Curve(name, mean_results(samples), f"encoder of {name} 1.2", meta, samples)


@pytest.fixture
def sets() -> list:
    found = []
    for name in ("kodak", "clic"):
        curves = [curve(NAME, 0.8, name), curve("vvc", 1.0, name, chroma="4:2:0"), curve("few", 1.0, name)]
        curves[2] = Curve("few", {BPP: (1.0,), PSNR: (30.0,)})
        found.append((curves, bd_table(curves, curves[1], draws=20)))
    return found


def test_rates_stand_by_set_and_metric_with_the_anchor_and_its_version(sets: list) -> None:
    table = bd_rate_table(sets)
    assert table.groups == (("kodak", 1), ("clic", 1))
    assert table.titles == ("codec", "PSNR", "PSNR")
    assert table.rows[0] == (NAME, "\u221220.0 [\u221220.0, \u221220.0]", "\u221220.0 [\u221220.0, \u221220.0]")
    assert table.rows[1] == ("few", "\u2013", "\u2013")
    assert "against vvc (encoder of vvc 1.2), interpolated by pchip" in table.caption
    assert "95 % intervals" in table.caption
    assert "4:2:0 chroma: vvc" in table.caption


def test_anchors_that_differ_stand_above_their_columns(sets: list) -> None:
    curves, _ = sets[1]
    table = bd_rate_table([sets[0], (curves, bd_table(curves, curves[0], draws=0))])
    assert table.groups == (("kodak against vvc", 1), (f"clic against {NAME}", 1))
    assert "against vvc (encoder of vvc 1.2)" in table.caption
    assert f"{NAME} (encoder of {NAME} 1.2)" in table.caption


def test_csv_of_rates_has_a_number_in_a_cell_and_the_anchor_in_every_line(sets: list) -> None:
    first, refused, *_ = csv.DictReader(io.StringIO(bd_rate_csv(sets)))
    assert float(first["bd_rate_percent"]) == pytest.approx(-20)
    assert float(first["low"]) <= -19.9 <= float(first["high"]) + 0.2
    assert (first["image_set"], first["metric"], first["anchor"]) == ("kodak", PSNR, "vvc")
    assert first["points"] == sets[0][1].hashes[PSNR]
    assert refused["bd_rate_percent"] == ""


def test_latex_is_booktabs_and_every_special_letter_is_escaped(sets: list) -> None:
    text = formatted(bd_rate_table(sets), "latex")
    for part in (r"\toprule", r"\midrule", r"\bottomrule", r"\multicolumn{1}{c}{kodak}", r"\cmidrule(lr){2-2}"):
        assert part in text
    assert r"a\_b \& \{50\%\} \textbackslash{}x | <i> & $-$20.0" in text
    assert not re.search(r"(?<!\\)[%#_]", text)
    body = text[text.index(r"\toprule") : text.index(r"\bottomrule")]
    assert {len(re.findall(r"(?<!\\)&", line)) for line in body.splitlines() if line.endswith(r"\\")} == {2}


def test_markdown_and_csv_hold_the_same(sets: list) -> None:
    table = bd_rate_table(sets)
    markdown = formatted(table, "markdown")
    assert r"| a\_b & {50%} \\x \| \<i\> | " + "\u221220.0" in markdown.replace("\\[", "[").replace("\\]", "]")
    rows = list(csv.reader(io.StringIO(formatted(table, "csv"))))
    assert rows[0] == ["codec", "kodak PSNR", "clic PSNR"]
    assert rows[1][0] == NAME


def test_costs_are_in_a_table_and_a_figure_beside_the_gain(sets: list) -> None:
    curves, comparison = sets[0]
    table = cost_table(curves)
    assert table.titles == ("codec", "decode M parameters", "decode s/MP")
    assert table.rows[1] == ("vvc", "1.50", "2.000")
    assert "Abacus 9" in table.caption
    (axes,) = cost_figures(curves, comparison)["cost"].axes
    assert {text.get_text() for text in axes.texts} == {NAME, "vvc"}
    assert sorted(line.get_ydata()[0] for line in axes.get_lines()[1:]) == [pytest.approx(-20.0), 0.0]
    assert cost_table([Curve("x", {BPP: (1.0,)})]) is None


@pytest.mark.parametrize("kind", ["latex", "markdown", "csv"])
def test_a_line_break_in_a_name_begins_no_line_and_an_endless_name_is_cut(kind: str) -> None:
    lines = {}
    for name in ("plain", "a\n\n# b\r=1+1\u2028c\x1b[31m" + "x" * 10_000):
        curves = [curve(name, 0.8), curve("vvc", 1.0)]
        tables = (bd_rate_table([(curves, bd_table(curves, curves[1], draws=20))]), cost_table(curves))
        lines[name] = [formatted(table, kind).split("\n") for table in tables if table is not None]
    plain, odd = lines.values()
    assert [len(text) for text in odd] == [len(text) for text in plain]
    assert not any(letter in line for text in odd for line in text for letter in "\r\u2028\x1b")
    assert max(len(line) for text in odd for line in text) < 1500
