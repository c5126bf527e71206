"""The end of a study: its comparison, tables, figures and report."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from hpcmbal.ablation.analysis.comparison import StudyComparison, compare_arms
from hpcmbal.ablation.plan.plan import Plan
from hpcmbal.ablation.report.study_report import write_study_report
from hpcmbal.ablation.report.tables import json_object, markdown, results_csv
from hpcmbal.ablation.run.records import RunRecord
from hpcmbal.atomic_file import write_text
from hpcmbal.errors import CheckpointError

RESULTS = "results"
"""Name of the files with the results, without suffix."""


def compare_study(plan: Plan, records: Sequence[RunRecord]) -> StudyComparison:
    """The arms of a study against its reference."""
    return compare_arms(records, plan.arms, plan.study.reference_arm)


def write_outcome(comparison: StudyComparison, plan: Plan, notes: Sequence[str], folder: Path) -> list[Path]:
    """Write `results.json`, `.csv` and `.md`, figures and report into the study's folder.

    Args:
        comparison: From `compare_study`.
        plan: The study's.
        notes: What the study is too small for, from `size_notes`.
        folder: Of the study, with the logs of its runs.

    Returns:
        What was written.

    Raises:
        CheckpointError: A file cannot be written.
    """
    study = {**plan.study.model_dump(mode="json"), "notes": [*notes, *plan.notes]}
    texts = {
        f"{RESULTS}.json": json.dumps({"study": study, **json_object(comparison)}, indent=1, allow_nan=False) + "\n",
        f"{RESULTS}.csv": results_csv(comparison),
        f"{RESULTS}.md": _markdown(comparison, plan, notes),
    }
    try:
        for name, text in texts.items():
            write_text(folder / name, text)
        return [*(folder / name for name in texts), *write_study_report(comparison, study, folder)]
    except OSError as error:
        raise CheckpointError(
            f"Cannot write the results: {error.strerror} ({error.filename}). All runs are kept; free some space "
            "and call the same command again."
        ) from error


def _markdown(comparison: StudyComparison, plan: Plan, notes: Sequence[str]) -> str:
    study = plan.study
    size = "".join(f"- {note}\n" for note in (*notes, *plan.notes))
    tail = f"\n**How small this is**\n\n{size}" if size else ""
    return f"# {study.name}\n\n{study.question}\n\n{markdown(comparison)}{tail}"
