"""The tables of a study as rows of text, before any format: terminal, Markdown and HTML show the same."""

from __future__ import annotations

from dataclasses import dataclass

from hpcmbal.ablation.analysis.comparison import METHOD, ArmComparison, StudyComparison
from hpcmbal.ablation.analysis.effect import METRICS, Effect, J, Metric
from hpcmbal.ablation.analysis.over_steps import equal_text
from hpcmbal.ablation.analysis.statistics import Estimate
from hpcmbal.ablation.analysis.wording import MINUS, counted, p_text, signed


@dataclass(frozen=True)
class Cell:
    """One entry.

    Attributes:
        text: What is read first.
        detail: What stands below or behind it: an interval.
    """

    text: str
    detail: str = ""


@dataclass(frozen=True)
class TextTable:
    """A table for people.

    Attributes:
        title: Above it.
        note: How to read it.
        headings: Of the columns.
        rows: As many cells each as there are headings.
        words: Leading columns that hold words; the others hold numbers and are aligned right.
    """

    title: str
    note: str
    headings: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]
    words: int


def difference_table(comparison: StudyComparison) -> TextTable:
    """Every arm against the reference."""
    with_bd = any(item.bd.effect is not None for item in comparison.comparisons)
    headings = ["Arm", "Verdict", *(["BD-rate %"] if with_bd else []), *(_heading(metric) for metric in METRICS)]
    rows = tuple(_difference_row(item, with_bd=with_bd) for item in comparison.comparisons)
    corrected = sum(item.verdict.p_adjusted is not None for item in comparison.comparisons) > 1
    note = (
        f"Difference from {comparison.reference}; below it the 95 % interval ({METHOD}). Negative is better, but for "
        f"PSNR. p is of the metric that decides (BD-rate where there is one, else J)"
        f"{', after Holm’s correction for the number of arms' if corrected else ''}."
    )
    return TextTable(f"Against {comparison.reference}", note, tuple(headings), rows, words=2)


def over_steps_table(comparison: StudyComparison) -> TextTable:
    """Every arm against the reference at each horizon."""
    rows = tuple(
        (
            Cell(item.arm),
            Cell(item.metric.label),
            Cell(f"{point.steps:,}"),
            _effect_cell(point.effect),
            Cell(equal_text(point.equal)),
        )
        for item in comparison.over_steps
        for point in item.points
    )
    note = (
        f"Difference from {comparison.reference} after so many steps and a cool-down of a tenth more; below it the "
        f"95 % interval ({METHOD}) of each horizon alone. Last column: the fewest steps after which "
        f"{comparison.reference} is as good, interpolated between horizons."
    )
    headings = ("Arm", "Metric", "Steps", "Difference %", f"Steps of {comparison.reference}")
    return TextTable("Over steps", note, headings, rows, words=2)


def lambda_table(comparison: StudyComparison) -> TextTable:
    """Every arm against the reference, at each lambda alone."""
    rows = tuple(
        (
            Cell(item.arm),
            Cell(f"{at.lmbda:g}"),
            *(_effect_cell(at.effects.get(metric.key)) for metric in METRICS),
            Cell(str(at.effects[J.key].pairs) if J.key in at.effects else "0"),
        )
        for item in comparison.comparisons
        for at in item.by_lmbda
    )
    note = (
        f"The same at each lambda alone (95 %, {METHOD}). For looking at: with so many intervals some leave out 0 by "
        "chance, and none of them decides."
    )
    headings = ("Arm", "Lambda", *(_heading(metric) for metric in METRICS), "Pairs")
    return TextTable("Lambda by lambda", note, headings, rows, words=1)


def mean_table(comparison: StudyComparison) -> TextTable:
    """What every arm achieved at each lambda."""
    rows = tuple(
        (
            Cell(item.arm),
            Cell(f"{item.lmbda:g}"),
            *(_mean_cell(item.means.get(metric.key), metric) for metric in METRICS),
            Cell(str(item.runs)),
        )
        for item in comparison.means
    )
    note = (
        f"Means over seeds and {counted(comparison.images, 'image')}, ± half the 95 % t interval over seeds. It holds "
        "all that seeds differ in; arms share seeds, so differences are known better than this."
    )
    if len({item.seeds for item in comparison.means}) > 1:
        note += (
            " Where runs are missing, rows are means over different seeds: compare arms in the table of differences."
        )
    headings = ("Arm", "Lambda", *(metric.label for metric in METRICS), "Runs")
    return TextTable("Means", note, headings, rows, words=1)


def failed_table(comparison: StudyComparison) -> TextTable:
    """Runs without a result."""
    rows = tuple(
        (Cell(run.arm), Cell(run.reason), Cell(f"{run.lmbda:g}"), Cell(str(run.seed))) for run in comparison.failed
    )
    note = "Left out together with their partners. If an arm fails more often than others, that is a result too."
    return TextTable("Runs without a result", note, ("Arm", "Reason", "Lambda", "Seed"), rows, words=2)


def remarks(comparison: StudyComparison) -> tuple[str, ...]:
    """Notes on the whole, and why BD-rates are missing."""
    found = list(comparison.notes)
    reasons = {item.bd.unavailable for item in comparison.comparisons if item.bd.unavailable}
    found += [f"No BD-rate: {reason}. J decides." for reason in sorted(reasons)]
    for item in comparison.comparisons:
        found += [f"{item.arm}: no BD-rate of seed {refusal.seed}: {refusal.reason}" for refusal in item.bd.refused]
        found += [f"{item.arm}: {note}" for note in item.bd.notes]
        partners = [run for run in item.left_out if run.reason.startswith("reference: ")]
        if partners:
            count = counted(len(partners), "run")
            found.append(f"{item.arm}: {count} left out because the reference has no result there.")
    return tuple(found)


def _heading(metric: Metric) -> str:
    return metric.label if metric.label.endswith(metric.unit) else f"{metric.label} {metric.unit}"


def _difference_row(item: ArmComparison, *, with_bd: bool) -> tuple[Cell, ...]:
    verdict, tried = item.verdict, item.pairs + len(item.left_out)
    return (
        Cell(item.arm, f"{item.pairs}/{tried} pairs" if item.left_out else counted(item.pairs, "pair")),
        Cell(verdict.finding, "" if verdict.p_adjusted is None else p_text(verdict.p_adjusted)),
        *([_effect_cell(item.bd.effect)] if with_bd else []),
        *(_effect_cell(item.effects.get(metric.key)) for metric in METRICS),
    )


def _effect_cell(effect: Effect | None) -> Cell:
    if effect is None:
        return Cell("–")
    digits = 3 if effect.metric.unit == "dB" else 2
    if effect.low is None or effect.high is None:
        return Cell(signed(effect.mean, digits), "one seed")
    return Cell(signed(effect.mean, digits), f"{signed(effect.low, digits)} to {signed(effect.high, digits)}")


def _mean_cell(mean: Estimate | None, metric: Metric) -> Cell:
    if mean is None:
        return Cell("–")
    half = mean.half_width()
    text = f"{mean.mean:.{metric.digits}f}".replace("-", MINUS)
    return Cell(text, "one run" if half is None else f"± {half:.{metric.digits}f}")
