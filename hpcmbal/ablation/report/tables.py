"""A comparison as a table for the terminal, Markdown, CSV and JSON."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from typing import TYPE_CHECKING

from hpcmbal.ablation.analysis.comparison import METHOD, ArmComparison, ArmMeans, StudyComparison
from hpcmbal.ablation.analysis.effect import METRICS, Effect, percent
from hpcmbal.ablation.analysis.over_steps import OverSteps
from hpcmbal.ablation.analysis.pairs import LeftOut
from hpcmbal.ablation.analysis.statistics import CONFIDENCE
from hpcmbal.ablation.report.table_rows import (
    TextTable,
    difference_table,
    failed_table,
    lambda_table,
    mean_table,
    over_steps_table,
    remarks,
)
from hpcmbal.evaluation.curves.curve_file import csv_text

if TYPE_CHECKING:
    from rich.console import Group
    from rich.table import Table

CSV_COLUMNS = (
    *("arm", "lmbda", "metric", "runs", "mean", "mean_low", "mean_high"),
    *("pairs", "seeds", "difference", "difference_unit", "difference_low", "difference_high"),
    *("p_value", "p_holm", "verdict", "horizon"),
)
"""One row for each arm, lambda and metric, and one with an empty `lmbda` for the differences over all lambdas.

In a study with horizons these are of the longest; others have one row for each arm, of the metric followed over steps.
"""


def rich_table(comparison: StudyComparison) -> Group:
    """Differences and means for a terminal."""
    from rich.console import Group

    tables = [difference_table(comparison), mean_table(comparison)]
    tables[1:1] = [over_steps_table(comparison)] if comparison.over_steps else []
    tables += [failed_table(comparison)] if comparison.failed else []
    return Group(*(part for table in tables for part in ("", _rich(table))))


def markdown(comparison: StudyComparison) -> str:
    """Verdicts, every table and all remarks as GitHub-flavoured Markdown."""
    sentences = [
        *(item.verdict.sentence for item in comparison.comparisons),
        *(item.sentence for item in comparison.over_steps),
    ]
    parts = ["\n".join(f"- {_escaped(sentence)}" for sentence in sentences)]
    tables = [difference_table(comparison), mean_table(comparison)]
    tables[1:1] = [over_steps_table(comparison)] if comparison.over_steps else []
    tables += [lambda_table(comparison)] if len(comparison.lambdas) > 1 else []
    tables += [failed_table(comparison)] if comparison.failed else []
    parts += [_markdown(table) for table in tables]
    found = remarks(comparison)
    parts += ["**Remarks**\n\n" + "\n".join(f"- {_escaped(remark)}" for remark in found)] if found else []
    return "\n\n".join(parts) + "\n"


def results_csv(comparison: StudyComparison) -> str:
    """Every mean and every difference, unrounded, one a row; see `CSV_COLUMNS`."""
    rows: list[dict[str, object]] = []
    by_arm = {item.arm: item for item in comparison.comparisons}
    last = {"horizon": comparison.horizon}
    for means in comparison.means:
        rows += [row | last for row in _csv_rows(means, by_arm.get(means.arm))]
    for item in comparison.comparisons:
        effects = {**item.effects, **({"bd_rate": item.bd.effect} if item.bd.effect else {})}
        for key, effect in effects.items():
            decided = key == item.verdict.metric
            row = {"arm": item.arm, "metric": key, **_csv_effect(effect)}
            if decided:
                row |= {"p_holm": item.verdict.p_adjusted, "verdict": item.verdict.finding}
            rows.append(row | last)
    for over in comparison.over_steps:
        for point in over.points:
            if point.effect is not None and point.steps != comparison.horizon:
                row = {"arm": over.arm, "metric": over.metric.key, "horizon": point.steps}
                rows.append(row | _csv_effect(point.effect))
    return csv_text([CSV_COLUMNS, *([row.get(column) for column in CSV_COLUMNS] for row in rows)])


def json_object(comparison: StudyComparison) -> dict[str, object]:
    """Everything, ready for `json.dump(..., allow_nan=False)`; differences in the unit beside them."""
    return {
        "method": METHOD,
        "confidence": CONFIDENCE,
        "reference": comparison.reference,
        "arms": list(comparison.arms),
        "lambdas": list(comparison.lambdas),
        "seeds": list(comparison.seeds),
        "images": comparison.images,
        "steps": list(comparison.steps),
        "comparisons": [_json_comparison(item) for item in comparison.comparisons],
        "means": [_json_means(item) for item in comparison.means],
        "failed": [_json_left_out(item) for item in comparison.failed],
        "remarks": list(remarks(comparison)),
        "horizon": comparison.horizon,
        "over_steps": [_json_over_steps(item) for item in comparison.over_steps],
    }


def _rich(table: TextTable) -> Table:
    from rich.table import Table
    from rich.text import Text

    shown = Table(
        title=table.title,
        title_style="bold",
        title_justify="left",
        caption=table.note,
        caption_justify="left",
        box=None,
        padding=(0, 1, 0, 0),
        pad_edge=False,
    )
    for index, heading in enumerate(table.headings):
        shown.add_column(Text(heading), justify="left" if index < table.words else "right", overflow="fold")
    for row in table.rows:
        shown.add_row(*(Text.assemble(cell.text, (_below(cell.detail), "dim")) for cell in row))
    return shown


def _below(detail: str) -> str:
    # Ends of an interval in two lines: seven columns fit into 80 characters.
    return "\n" + detail.replace(" to ", " to\n") if detail else ""


def _markdown(table: TextTable) -> str:
    rules = ["---" if index < table.words else "---:" for index in range(len(table.headings))]
    rows = [[f"{cell.text} ({cell.detail})" if cell.detail else cell.text for cell in row] for row in table.rows]
    lines = ["| " + " | ".join(_escaped(text) for text in row) + " |" for row in [table.headings, rules, *rows]]
    return f"**{_escaped(table.title)}**\n\n{_escaped(table.note)}\n\n" + "\n".join(lines)


def _escaped(text: str) -> str:
    return text.replace("|", "\\|").replace("<", "&lt;").replace("\n", " ")


def _csv_rows(means: ArmMeans, compared: ArmComparison | None) -> list[dict[str, object]]:
    effects: Mapping[str, Effect] = {}
    for at in () if compared is None else compared.by_lmbda:
        effects = at.effects if at.lmbda == means.lmbda else effects
    rows = []
    for metric in METRICS:
        mean = means.means.get(metric.key)
        if mean is not None:
            low, high = mean.interval() or (None, None)
            row: dict[str, object] = {"mean": mean.mean, "mean_low": low, "mean_high": high, "runs": mean.replicates}
            found = effects.get(metric.key)
            row |= _csv_effect(found) if found else {}
            rows.append({"arm": means.arm, "lmbda": means.lmbda, "metric": metric.key, **row})
    return rows


def _csv_effect(effect: Effect) -> dict[str, object]:
    return {
        "pairs": effect.pairs,
        "seeds": effect.estimate.replicates,
        "difference": effect.mean,
        "difference_unit": effect.metric.unit,
        "difference_low": effect.low,
        "difference_high": effect.high,
        "p_value": effect.estimate.p_value,
    }


def _json_comparison(item: ArmComparison) -> dict[str, object]:
    verdict = item.verdict
    return {
        "arm": item.arm,
        "verdict": {
            "finding": verdict.finding,
            "metric": verdict.metric,
            "p_value": verdict.p_value,
            "p_holm": verdict.p_adjusted,
            "detectable_percent": _finite(verdict.detectable),
            "detectable_simultaneous_percent": _finite(verdict.detectable_simultaneous),
            "sentence": verdict.sentence,
        },
        "differences": {key: _json_effect(effect) for key, effect in item.effects.items()},
        "by_lambda": [
            {"lmbda": at.lmbda, **{key: _json_effect(effect) for key, effect in at.effects.items()}}
            for at in item.by_lmbda
        ],
        "bd_rate": {
            "difference": None if item.bd.effect is None else _json_effect(item.bd.effect),
            "refused": [{"seed": refusal.seed, "reason": refusal.reason} for refusal in item.bd.refused],
            "unavailable": item.bd.unavailable,
            "notes": list(item.bd.notes),
        },
        "pairs": item.pairs,
        "left_out": [_json_left_out(run) for run in item.left_out],
    }


def _json_over_steps(item: OverSteps) -> dict[str, object]:
    slope, ends = item.slope, None if item.slope is None else item.slope.interval()
    return {
        "arm": item.arm,
        "metric": item.metric.key,
        "trend": item.trend,
        "sentence": item.sentence,
        "slope_percent_per_tenfold": None
        if slope is None
        else {
            "mean": percent(slope.mean),
            "low": None if ends is None else _finite(percent(ends[0])),
            "high": None if ends is None else _finite(percent(ends[1])),
            "seeds": slope.replicates,
        },
        "points": [
            {
                "steps": point.steps,
                "difference": None if point.effect is None else _json_effect(point.effect),
                "reference_steps": None if point.equal is None else dataclasses.asdict(point.equal),
            }
            for point in item.points
        ],
    }


def _json_effect(effect: Effect) -> dict[str, object]:
    return {
        "unit": effect.metric.unit,
        "mean": effect.mean,
        "low": _finite(effect.low),
        "high": _finite(effect.high),
        "p_value": effect.estimate.p_value,
        "seeds": effect.estimate.replicates,
        "pairs": effect.pairs,
        "by_seed": {str(seed): value for seed, value in effect.by_seed},
    }


def _json_means(item: ArmMeans) -> dict[str, object]:
    means = {}
    for key, mean in item.means.items():
        low, high = mean.interval() or (None, None)
        means[key] = {"mean": mean.mean, "low": low, "high": high}
    return {"arm": item.arm, "lmbda": item.lmbda, "runs": item.runs, **means}


def _json_left_out(item: LeftOut) -> dict[str, object]:
    return {"arm": item.arm, "lmbda": item.lmbda, "seed": item.seed, "reason": item.reason}


def _finite(value: float | None) -> float | None:
    # Two seeds far apart: an interval in percent can have an end beyond every number, which JSON cannot say.
    return value if value is not None and math.isfinite(value) else None
