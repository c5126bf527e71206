"""What an evaluation leaves behind: results as JSON and CSV, figures, the report."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Sequence
from pathlib import Path

from hpcmbal.atomic_file import write_text
from hpcmbal.errors import SettingsError, setting
from hpcmbal.evaluation.curves.bd_table import BdTable
from hpcmbal.evaluation.curves.curve import Curve
from hpcmbal.evaluation.curves.curve_file import results_csv, results_document
from hpcmbal.evaluation.curves.same_images import LeftOut, left_out_lines
from hpcmbal.evaluation.report.figures import (
    cost_figures,
    draw_figures,
    further_figures,
    remove_earlier_figures,
)
from hpcmbal.evaluation.report.report import render_report
from hpcmbal.evaluation.report.viewer import ViewerImage
from hpcmbal.output_checks import check_above
from hpcmbal.plotting.figure_file import save_figures
from hpcmbal.visible_text import visible

RESULTS_FILE, CSV_FILE, BD_FILE, REPORT_FILE = "results.json", "results.csv", "bd_rate.json", "report.html"
FIGURES_FOLDER = "figures"
SAMPLES_FILE = "samples.jsonl"
OUTPUT_FILES = (RESULTS_FILE, CSV_FILE, BD_FILE, REPORT_FILE)
"""What an evaluation writes anew."""


def check_folder(folder: Path, *, force: bool = False) -> None:
    """Whether results may go into `folder`: it is new, empty, of an earlier evaluation, or `force` says so.

    Raises:
        SettingsError: It is no folder, or holds other things.
        DataError: It lies below a file, or a file has the name of a folder inside of it.
    """
    if not folder.exists():
        check_above(folder)
        return
    if not folder.is_dir():
        raise SettingsError(f"{setting('output', folder)} is a file. Choose a folder.")
    check_above(folder / FIGURES_FOLDER / "figure")
    entries = [path.name for path in folder.iterdir()]
    ours = _holds_results(folder) or any(_holds_results(folder / name) for name in entries)
    if entries and not ours and not force:
        raise SettingsError(
            f"{setting('output', folder)} holds other things than an evaluation ({visible(min(entries))}). Choose "
            f"another folder, or add {setting('force', True)}."
        )


def _holds_results(path: Path) -> bool:
    return path.is_dir() and any((path / name).exists() for name in (RESULTS_FILE, SAMPLES_FILE))


def write_output(
    folder: Path,
    curves: Sequence[Curve],
    table: BdTable | None,
    viewer: Sequence[ViewerImage] = (),
    left_out: Sequence[LeftOut] = (),
) -> Path:
    """Write everything into `folder`, and return the report's path.

    Files of an earlier evaluation are replaced, each in one move: a reader never sees half a file.

    Args:
        folder: Made if absent.
        curves: All of them; those of `left_out` are stored, but neither drawn nor reported.
        table: Comparison with an anchor.
        viewer: Pictures of the report.
        left_out: What the figures leave out, by name, and why.
    """
    folder.mkdir(parents=True, exist_ok=True)
    document = json.dumps(results_document(curves), indent=1, allow_nan=False, ensure_ascii=False)
    write_text(folder / RESULTS_FILE, document)
    write_text(folder / CSV_FILE, results_csv(curves))
    if table is None:
        (folder / BD_FILE).unlink(missing_ok=True)
    else:
        write_text(folder / BD_FILE, json.dumps(dataclasses.asdict(table), indent=1, ensure_ascii=False))
    names = {item.name for item in left_out}
    shown = [curve for curve in curves if curve.name not in names]
    figures = {**draw_figures(shown), **cost_figures(shown, table)}
    saved = save_figures(figures, folder / FIGURES_FOLDER)
    remove_earlier_figures(folder / FIGURES_FOLDER, saved)
    write_text(
        folder / REPORT_FILE,
        render_report(shown, {**figures, **further_figures(shown)}, table, viewer, notes=left_out_lines(left_out)),
    )
    return folder / REPORT_FILE
