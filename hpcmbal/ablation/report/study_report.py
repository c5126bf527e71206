"""The report of a study: figures, and one HTML file that answers its question."""

from __future__ import annotations

import html
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from hpcmbal.ablation.analysis.comparison import StudyComparison
from hpcmbal.ablation.analysis.wording import counted
from hpcmbal.ablation.plan.study import Study
from hpcmbal.ablation.report.study_figures import draw_study_figures, save_study_figures
from hpcmbal.ablation.report.study_logs import read_study_logs
from hpcmbal.ablation.report.table_rows import (
    Cell,
    TextTable,
    difference_table,
    failed_table,
    lambda_table,
    mean_table,
    over_steps_table,
    remarks,
)
from hpcmbal.atomic_file import write_text
from hpcmbal.evaluation.environment import describe_environment
from hpcmbal.evaluation.report.page import figure_html, fill_page, json_html

if TYPE_CHECKING:
    from matplotlib.figure import Figure

FIGURES_FOLDER, REPORT_FILE = "figures", "report.html"

FIGURE_TEXTS = {
    "over-steps": "Difference of each arm from the reference over steps, with 95 % bands",
    "differences": "Difference of each arm from the reference, with intervals",
    "rd": "PSNR over rate for each arm",
    "j": "J of training over steps for each arm",
    "j-difference": "Difference in J of training from the reference over steps",
    "weights": "Effective weights of the tasks over steps for each arm",
    "contributions": "Contribution of each scale over steps for each arm",
    "gammas": "Gamma of each scale over steps for each arm",
}
"""What figures show, for who cannot see them."""

DURING_TRAINING = ("j", "j-difference", "weights", "contributions", "gammas")


def write_study_report(comparison: StudyComparison, study: Mapping[str, object], folder: Path) -> list[Path]:
    """Write `figures/` and `report.html` into a study's folder, and return what was written.

    Args:
        comparison: From `compare_arms`.
        study: Fields of the `Study`, and `notes` (what it is too small for); other keys are ignored.
        folder: The study's, with the logs of its runs.

    Raises:
        DataError: A run's log cannot be read.
        OSError: A file cannot be written.
    """
    figures = draw_study_figures(comparison, read_study_logs(comparison, folder))
    paths = save_study_figures(figures, folder / FIGURES_FOLDER)
    report = folder / REPORT_FILE
    write_text(report, render_study_report(comparison, study, figures))
    return [*paths, report]


def render_study_report(comparison: StudyComparison, study: Mapping[str, object], figures: Mapping[str, Figure]) -> str:
    """The report as HTML; arguments as in `write_study_report`, figures from `draw_study_figures`."""
    settings = Study.model_validate({key: study[key] for key in Study.model_fields if key in study})
    notes = study.get("notes")
    size = [str(note) for note in notes] if isinstance(notes, list | tuple) else []
    parts = {
        "TITLE": html.escape(f"Study: {settings.name}"),
        "QUESTION": html.escape(settings.question),
        "SUBTITLE": html.escape(_subtitle(comparison, settings)),
        "VERDICTS": _verdicts(comparison) + _list([*size, *remarks(comparison)]),
        "OVER_STEPS": _over_steps(comparison, figures),
        "DIFFERENCES": _figures(figures, ["differences"]) + _differences(comparison),
        "RATES": _figures(figures, ["rd"]) + _table(mean_table(comparison)),
        "TRAINING": _figures(figures, DURING_TRAINING) or '<p class="note">The runs left no logs.</p>',
        "SETTINGS": _settings(comparison, settings),
        "FAILED": _failed(comparison),
        "ENVIRONMENT": '<p class="note">Of the machine that wrote this report.</p>' + json_html(describe_environment()),
    }
    return fill_page("hpcmbal.ablation.report", "study.html", parts)


def _subtitle(comparison: StudyComparison, study: Study) -> str:
    steps = (
        " to ".join(f"{steps:,}" for steps in sorted({comparison.steps[0], comparison.steps[-1]}))
        if (comparison.steps)
        else "no"
    )
    return (
        f"{counted(len(comparison.arms), 'arm')}, {counted(len(comparison.lambdas), 'lambda')}, "
        f"{counted(len(comparison.seeds), 'seed')}, {steps} steps each, evaluated on "
        f"{counted(comparison.images, 'image')}; preset {study.base_preset}, reference {comparison.reference}"
    )


def _verdicts(comparison: StudyComparison) -> str:
    kinds = {"better": "better", "worse": "worse"}
    items = "".join(
        f'<li class="{kinds.get(item.verdict.finding, "unclear")}"><span class="finding">{html.escape(item.arm)}: '
        f"{item.verdict.finding}</span>{html.escape(item.verdict.sentence)}</li>"
        for item in comparison.comparisons
    )
    return f'<ul class="verdicts">{items}</ul>' if items else '<p class="note">There is nothing to compare with.</p>'


def _over_steps(comparison: StudyComparison, figures: Mapping[str, Figure]) -> str:
    if not comparison.over_steps:
        return ""
    sentences = _list([item.sentence for item in comparison.over_steps])
    return f"<h2>Over steps</h2>{sentences}{_figures(figures, ['over-steps'])}{_table(over_steps_table(comparison))}"


def _differences(comparison: StudyComparison) -> str:
    tables = _table(difference_table(comparison))
    if len(comparison.lambdas) > 1:
        table = lambda_table(comparison)
        tables += f"<details><summary>{html.escape(table.title)}</summary>{_table(table, titled=False)}</details>"
    return tables


def _figures(figures: Mapping[str, Figure], names: Iterable[str]) -> str:
    shown = [figure_html(FIGURE_TEXTS[name], figures[name]) for name in names if name in figures]
    return f'<div class="figures">{"".join(shown)}</div>' if shown else ""


def _table(table: TextTable, *, titled: bool = True) -> str:
    kinds = ["" if index < table.words else ' class="number"' for index in range(len(table.headings))]
    heads = "".join(f"<th{kind}>{html.escape(text)}</th>" for kind, text in zip(kinds, table.headings, strict=True))
    rows = [[_cell(kind, cell) for kind, cell in zip(kinds, row, strict=True)] for row in table.rows]
    body = "".join(f"<tr>{''.join(row)}</tr>" for row in rows)
    title = f"<h3>{html.escape(table.title)}</h3>" if titled else ""
    return f'{title}<p class="note">{html.escape(table.note)}</p>{_scroll(heads, body)}'


def _cell(kind: str, cell: Cell) -> str:
    detail = f"<small>{html.escape(cell.detail)}</small>" if cell.detail else ""
    return f"<td{kind}>{html.escape(cell.text)}{detail}</td>"


def _scroll(heads: str, rows: str) -> str:
    return f'<div class="scroll"><table><thead><tr>{heads}</tr></thead><tbody>{rows}</tbody></table></div>'


def _settings(comparison: StudyComparison, study: Study) -> str:
    changes = {arm.name: arm.changes for arm in study.variants if arm.name in comparison.arms}
    paths = list(dict.fromkeys(path for change in changes.values() for path in change))
    heads = "".join(f"<th><code>{html.escape(path)}</code></th>" for path in paths)
    rows = "".join(
        f"<tr><td>{html.escape(arm)}{' (reference)' if arm == comparison.reference else ''}</td>"
        + "".join(f"<td>{html.escape(str(change[path])) if path in change else '&ndash;'}</td>" for path in paths)
        + "</tr>"
        for arm, change in changes.items()
    )
    common = study.model_dump(mode="json", exclude={"arms", "grid", "question", "optional_arms"}, exclude_none=True)
    for key in ("train_data", "eval_data"):
        # Whose disk it was is nobody's business.
        common |= {key: "/".join(Path(str(common[key])).parts[-2:])} if key in common else {}
    return (
        f'<p class="note">What each arm changes; all else is as in preset {html.escape(study.base_preset)} and as '
        f"below.</p>{_scroll(f'<th>Arm</th>{heads}', rows)}"
        f"<details><summary>Common to all arms</summary>{json_html(common)}</details>"
    )


def _failed(comparison: StudyComparison) -> str:
    if not comparison.failed:
        return '<p class="note">None.</p>'
    return _table(failed_table(comparison), titled=False)


def _list(lines: list[str]) -> str:
    return f'<ul class="remarks">{"".join(f"<li>{html.escape(line)}</li>" for line in lines)}</ul>' if lines else ""
