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
from hpcmbal.evaluation.report.figures import cost_figures, draw_figures, further_figures
from hpcmbal.evaluation.report.report import render_report
from hpcmbal.evaluation.report.viewer import ViewerImage
from hpcmbal.output_checks import check_above
from hpcmbal.plotting.figure_file import save_figures
from hpcmbal.visible_text import visible

RESULTS_FILE, CSV_FILE, BD_FILE, REPORT_FILE = "results.json", "results.csv", "bd_rate.json", "report.html"
FIGURES_FOLDER = "figures"
SAMPLES_FILE = "samples.jsonl"
WRITTEN_FILE = "written.json"
"""Lists what an evaluation wrote into its folder, so that the next one removes that, and nothing else."""
OUTPUT_FILES = (RESULTS_FILE, CSV_FILE, BD_FILE, REPORT_FILE)
"""What an evaluation writes anew."""


def check_folder(folder: Path, tables: Sequence[str] = (), *, force: bool = False) -> None:
    """Whether results may go into `folder`: it is new, empty, of an earlier evaluation, or `force` says so.

    Args:
        folder: For the results.
        tables: Names of the tables that will be written into it.
        force: Other things may be there, and be replaced where they have a name of ours.

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
    ours = _holds_results(folder) or all(_holds_results(folder / name) for name in entries)
    written = _written_before(folder)
    strangers = [name for name in tables if name in entries and name not in written] if ours else entries
    if strangers and not force:
        raise SettingsError(
            f"{setting('output', folder)} holds other things than an evaluation ({visible(min(strangers))}). Choose "
            f"another folder, or add {setting('force', True)}."
        )


def _holds_results(path: Path) -> bool:
    return path.is_dir() and any((path / name).exists() for name in (RESULTS_FILE, SAMPLES_FILE, WRITTEN_FILE))


def keep_only(folder: Path, written: Sequence[Path]) -> None:
    """Remove what the evaluation before wrote into `folder` and this one did not, and note what is there now."""
    names = sorted(path.relative_to(folder).as_posix() for path in written)
    before = _written_before(folder)
    write_text(folder / WRITTEN_FILE, json.dumps(names, indent=1, ensure_ascii=False))
    for name in before.difference(names):
        if (folder / name).is_file():
            (folder / name).unlink()


def _written_before(folder: Path) -> set[str]:
    """Paths in the list of `folder` that lie below it; none if there is no such list."""
    try:
        names = json.loads((folder / WRITTEN_FILE).read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return set()
    texts = [name for name in names if isinstance(name, str)] if isinstance(names, list) else []
    return {name for name in texts if name and ".." not in Path(name).parts and not Path(name).is_absolute()}


def write_output(
    folder: Path,
    curves: Sequence[Curve],
    table: BdTable | None,
    viewer: Sequence[ViewerImage] = (),
    left_out: Sequence[LeftOut] = (),
) -> list[Path]:
    """Write everything into `folder`, and return the paths, the report's last.

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
    written = [folder / RESULTS_FILE, folder / CSV_FILE]
    if table is not None:
        write_text(folder / BD_FILE, json.dumps(dataclasses.asdict(table), indent=1, ensure_ascii=False))
        written.append(folder / BD_FILE)
    names = {item.name for item in left_out}
    shown = [curve for curve in curves if curve.name not in names]
    figures = {**draw_figures(shown), **cost_figures(shown, table)}
    written += save_figures(figures, folder / FIGURES_FOLDER)
    write_text(
        folder / REPORT_FILE,
        render_report(shown, {**figures, **further_figures(shown)}, table, viewer, notes=left_out_lines(left_out)),
    )
    return [*written, folder / REPORT_FILE]
