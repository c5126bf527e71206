"""The same numbers in every format."""

from __future__ import annotations

import csv
import dataclasses
import io
import json
from collections.abc import Callable

import numpy as np
import pytest
from rich.console import Console

from hpcmbal.ablation.analysis.comparison import StudyComparison, compare_arms
from hpcmbal.ablation.report.tables import CSV_COLUMNS, json_object, markdown, results_csv, rich_table
from hpcmbal.ablation.run.records import RunRecord

Study = Callable[..., list[RunRecord]]

FOUR_LAMBDAS = (0.0018, 0.0067, 0.013, 0.025)
ARMS = {"plain": 0.0, "hierarchical": -0.05, "a|<b>": 0.0}


@pytest.fixture
def comparison(study: Study) -> StudyComparison:
    records = study(np.random.default_rng(0), ARMS, seeds=4, lambdas=FOUR_LAMBDAS)
    records[-1] = dataclasses.replace(records[-1], status="failed", reason="out of memory", samples=())
    records[0] = dataclasses.replace(records[0], seconds_per_step=None)
    return compare_arms(records, list(ARMS), "plain")


def rows(comparison: StudyComparison) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(results_csv(comparison))))


def test_csv_has_a_row_for_each_arm_lambda_and_metric(comparison: StudyComparison) -> None:
    found = rows(comparison)
    assert tuple(found[0]) == CSV_COLUMNS
    by_lambda = [row for row in found if row["lmbda"]]
    assert len(by_lambda) == 3 * 4 * 4
    overall = {(row["arm"], row["metric"]): row for row in found if not row["lmbda"]}
    assert set(overall) == {
        (arm, metric) for arm in list(ARMS)[1:] for metric in ("j", "bpp", "psnr_db", "seconds_per_step", "bd_rate")
    }
    assert overall["hierarchical", "bd_rate"]["verdict"] == "better"
    assert not overall["hierarchical", "j"]["verdict"]


def test_csv_and_json_agree_to_the_last_digit(comparison: StudyComparison) -> None:
    document = json.loads(json.dumps(json_object(comparison), allow_nan=False))
    from_csv = next(row for row in rows(comparison) if row["arm"] == "hierarchical" and row["metric"] == "bd_rate")
    from_json = next(item for item in document["comparisons"] if item["arm"] == "hierarchical")["bd_rate"]["difference"]
    for column, key in (("difference", "mean"), ("difference_low", "low"), ("difference_high", "high")):
        assert float(from_csv[column]) == from_json[key]
    assert document["failed"] == [{"arm": "a|<b>", "lmbda": 0.025, "seed": 3, "reason": "out of memory"}]
    assert document["method"] == "paired t over seeds"


def test_json_of_one_seed_holds_no_interval(study: Study) -> None:
    records = study(np.random.default_rng(1), {"plain": 0.0, "a": 0.1}, seeds=1, lambdas=[0.01])
    document = json.loads(json.dumps(json_object(compare_arms(records, ["plain", "a"], "plain")), allow_nan=False))
    (item,) = document["comparisons"]
    assert (item["differences"]["j"]["low"], item["verdict"]["p_holm"]) == (None, None)
    assert document["means"][0]["j"]["low"] is None


def test_an_interval_without_end_is_no_number_in_json(study: Study, noise: type) -> None:
    wild = noise(shared=0.0, seed=40.0, run=0.0)
    records = study(np.random.default_rng(2), {"plain": 0.0, "a": 0.0}, seeds=2, lambdas=[0.01], noise=wild)
    text = json.dumps(json_object(compare_arms(records, ["plain", "a"], "plain")), allow_nan=False)
    assert json.loads(text)["comparisons"][0]["verdict"]["finding"] == "not distinguishable"


@pytest.mark.parametrize("width", [80, 120])
def test_the_terminal_shows_every_column_at_its_width(comparison: StudyComparison, width: int) -> None:
    stream = io.StringIO()
    Console(file=stream, width=width).print(rich_table(comparison))
    text = stream.getvalue()
    assert max(len(line.rstrip()) for line in text.splitlines()) <= width
    for expected in ("BD-rate %", "s/step %", "distinguishable", "out of memory", "15/16 pairs", "±"):
        assert expected in text
    assert "…" not in text


def test_markdown_rows_have_as_many_cells_as_headings(comparison: StudyComparison) -> None:
    text = markdown(comparison)
    tables = [block.splitlines() for block in text.split("\n\n") if block.startswith("|")]
    assert len(tables) == 4
    for table in tables:
        counts = {line.replace("\\|", "").count("|") for line in table}
        assert len(counts) == 1
    assert "- hierarchical is better than plain: BD-rate" in text
    assert "a\\|&lt;b>" in text
    assert "<b>" not in text


class TestHorizons:
    @pytest.fixture
    def comparison(self, study: Study) -> StudyComparison:
        rng = np.random.default_rng(3)
        records = [
            dataclasses.replace(record, horizon=horizon, steps=horizon * 11 // 10)
            for horizon in (100, 1000)
            for record in study(
                rng, {"plain": 0.0, "a": -0.1 if horizon == 100 else 0.0}, seeds=3, lambdas=FOUR_LAMBDAS
            )
        ]
        return compare_arms(records, ["plain", "a"], "plain")

    def test_csv_has_the_last_horizon_s_rows_and_one_for_each_earlier(self, comparison: StudyComparison) -> None:
        found = rows(comparison)
        assert {row["horizon"] for row in found} == {"1000", "100"}
        (early,) = [row for row in found if row["horizon"] == "100"]
        assert (early["arm"], early["metric"]) == ("a", "bd_rate")
        (item,) = comparison.over_steps
        assert item.points[0].effect is not None
        assert float(early["difference"]) == item.points[0].effect.mean

    def test_every_format_has_the_sentence_and_the_table(self, comparison: StudyComparison) -> None:
        (item,) = comparison.over_steps
        document = json.loads(json.dumps(json_object(comparison), allow_nan=False))
        assert document["over_steps"][0]["sentence"] == item.sentence
        assert document["over_steps"][0]["trend"] == item.trend
        assert [point["steps"] for point in document["over_steps"][0]["points"]] == [100, 1000]
        text = markdown(comparison)
        assert f"- {item.sentence}" in text
        assert "**Over steps**" in text
