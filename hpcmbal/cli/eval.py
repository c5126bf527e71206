"""`hpcmbal eval`: checkpoints, anchors and published points to numbers, curves and a report."""

from __future__ import annotations

import dataclasses
import json
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from hpcmbal.cli.command import CLUSTER, command_app, field_option
from hpcmbal.cli.text import print_table, tell
from hpcmbal.cli.words import anchors, completing, evaluations, packaged_models
from hpcmbal.errors import SettingsError
from hpcmbal.settings.evaluation import EvalSettings, load_eval_settings

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from rich.progress import Progress

    from hpcmbal.evaluation.curves.bd_table import BdTable
    from hpcmbal.evaluation.curves.curve import Curve
    from hpcmbal.evaluation.evaluate import Evaluation, SetResults

app = command_app()

EXAMPLES = """\
[bold]Examples[/bold]

hpcmbal eval --model hpcm-nano --data kodak/ --anchor jpeg,webp,jxl --published kodak -o eval/

hpcmbal eval --preset kodak-quick --data photos/

hpcmbal eval --model ours=runs/a --model ours=runs/b --model ours=runs/c --model ours=runs/d --data kodak/ --estimate

hpcmbal eval --compare eval/results.json compressai.json --bd-anchor jpeg
"""

_option = partial(field_option, EvalSettings)


@app.command("eval", epilog=EXAMPLES)
def evaluate_command(
    *,
    files: Annotated[list[Path] | None, typer.Argument(help="With --compare: results files (.json).")] = None,
    preset: Annotated[
        str | None,
        typer.Option(
            "--preset",
            metavar="NAME",
            help=f"Recipe: {', '.join(evaluations())}, or a .yaml file.",
            autocompletion=completing(evaluations),
        ),
    ] = None,
    assignments: Annotated[
        list[str] | None, typer.Option("--set", metavar="FIELD=VALUE", help="Any setting; may be repeated.")
    ] = None,
    model: Annotated[list[str] | None, _option("model", "-m", metavar="MODEL", words=packaged_models)] = None,
    data: Annotated[list[Path] | None, _option("data", "-d", metavar="FOLDER")] = None,
    output: Annotated[Path | None, _option("output", "-o", metavar="FOLDER")] = None,
    force: Annotated[bool, _option("force", "-f")] = False,
    estimate: Annotated[bool, _option("estimate")] = False,
    anchor: Annotated[list[str] | None, _option("anchor", "-a", metavar="NAMES", words=anchors)] = None,
    published: Annotated[str | None, _option("published", metavar="SET")] = None,
    quality: Annotated[str | None, _option("quality", "-q", metavar="NUMBERS")] = None,
    metrics: Annotated[list[str] | None, _option("metrics", metavar="NAMES")] = None,
    weights_dir: Annotated[Path | None, _option("weights_dir", metavar="FOLDER")] = None,
    bd_anchor: Annotated[str | None, _option("bd_anchor", metavar="CURVE")] = None,
    interpolation: Annotated[str | None, _option("interpolation", metavar="NAME")] = None,
    bootstrap: Annotated[str | None, _option("bootstrap")] = None,
    limit: Annotated[str | None, _option("limit", metavar="N")] = None,
    viewer: Annotated[str | None, _option("viewer")] = None,
    tables: Annotated[list[str] | None, _option("tables", metavar="FORMATS")] = None,
    memory: Annotated[bool, _option("memory")] = False,
    workers: Annotated[str | None, _option("workers", "-j")] = None,
    device: Annotated[str | None, _option("device", metavar="NAME")] = None,
    compare: Annotated[bool, typer.Option("--compare", help="Compare stored results; nothing is coded.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Write the results to standard output as JSON.")] = False,
    engine: Annotated[str | None, _option("engine", panel=CLUSTER)] = None,
    address: Annotated[str | None, _option("address", metavar="auto|HOST:PORT", panel=CLUSTER)] = None,
    cpus_per_task: Annotated[str | None, _option("cpus_per_task", panel=CLUSTER)] = None,
    gpus_per_task: Annotated[str | None, _option("gpus_per_task", panel=CLUSTER)] = None,
) -> None:
    """Turn models, other codecs and a folder of images into numbers, curves and a report.

    Interrupted, the same command goes on where it was. PSNR and MS-SSIM are of 8-bit RGB images; bpp is of whole files.
    """
    given = {name: value for name, value in locals().items() if name in EvalSettings.model_fields}
    if compare and not files:
        raise SettingsError("--compare needs results files: hpcmbal eval --compare A.json B.json.")
    if files and not compare:
        raise SettingsError(f"Unexpected '{files[0]}': results files are for --compare, models for --model.")
    options = {name: tuple(value) if isinstance(value, list) else value for name, value in given.items()}
    settings = load_eval_settings(preset, assignments or [], {**options, "compare": tuple(files or ())})
    from hpcmbal.evaluation.evaluate import evaluate

    with _progress() as bar:
        evaluation = evaluate(settings, _teller(bar))
    if as_json:
        typer.echo(json.dumps(_document(evaluation), indent=1, allow_nan=False))
        return
    for found in evaluation.sets:
        _show(found)
    for path in evaluation.tables:
        tell(f"Table: {path}")


def _document(evaluation: Evaluation) -> dict[str, Any]:
    """Of one image set its curves and BD-rates, of several these by the set's folder."""
    from hpcmbal.evaluation.curves.curve_file import results_document

    documents = {
        found.folder.name: {
            **results_document(found.curves),
            "bd_rate": None if found.table is None else dataclasses.asdict(found.table),
        }
        for found in evaluation.sets
    }
    return next(iter(documents.values())) if len(documents) == 1 else {"sets": documents}


def _show(found: SetResults) -> None:
    from hpcmbal.evaluation.curves.same_images import left_out_lines
    from hpcmbal.evaluation.report.tables import cost_table

    _show_curves([curve for curve in found.shown if curve.samples] or found.shown)
    if found.table is not None:
        _show_table(found.table)
    costs = cost_table(found.shown)
    if costs is not None:
        tell(costs.caption)
        print_table(costs.titles, costs.rows, right=costs.titles[1:])
    for line in [*found.notes, *left_out_lines(found.left_out)]:
        tell(line)
    tell(f"Report: {found.report}")


def _teller(bar: Progress) -> Callable[[str, int, int], None]:
    tasks: dict[str, Any] = {}

    def tell(name: str, done: int, total: int) -> None:
        if name not in tasks:
            tasks[name] = bar.add_task(name, total=total)
        bar.update(tasks[name], completed=done, total=total)

    return tell


def _show_curves(curves: Sequence[Curve]) -> None:
    from hpcmbal.evaluation.codecs.image_codec import DECODE_SECONDS, ENCODE_SECONDS
    from hpcmbal.evaluation.curves.curve import BPP, METRIC_LABELS, QUALITY_METRICS

    metrics = [metric for metric in QUALITY_METRICS if any(metric in curve.results for curve in curves)]
    shown = [(BPP, "bpp", 4), *((metric, METRIC_LABELS[metric], 3) for metric in metrics)]
    shown += [(ENCODE_SECONDS, "encode s", 3), (DECODE_SECONDS, "decode s", 3)]
    rows = []
    for curve in curves:
        columns = [(curve.results.get(key, (None,) * len(curve)), digits) for key, _, digits in shown]
        rows += [[curve.name, *(_number(column[i], digits) for column, digits in columns)] for i in range(len(curve))]
    print_table(["curve", *(label for _, label, _ in shown)], rows)


def _show_table(table: BdTable) -> None:
    from hpcmbal.evaluation.curves.curve import METRIC_LABELS
    from hpcmbal.evaluation.report.report import interval_text

    hashes = ", ".join(f"{METRIC_LABELS[metric]} {digest}" for metric, digest in table.hashes.items())
    tell(f"BD-rate against '{table.anchor}' (hash of its points: {hashes}), {table.interpolation}:")
    rows = []
    for row in table.rows:
        found = row.comparison
        if found is None:
            rows.append([row.test, METRIC_LABELS[row.metric], "refused", "", "", row.refusal])
            continue
        note = "; ".join([*found.notes, *([f"no interval: {row.no_interval}"] if row.no_interval else [])])
        interval = interval_text(row) if row.interval else ""
        quality = "" if found.bd_quality_db is None else f"{found.bd_quality_db:+.3f}"
        rows.append([row.test, METRIC_LABELS[row.metric], f"{found.bd_rate_percent:+.2f} %", interval, quality, note])
    print_table(["curve", "metric", "BD-rate", "95 % interval", "BD quality", "note"], rows)


def _progress() -> Progress:
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    console = Console(stderr=True)
    return Progress(
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        console=console,
        disable=not console.is_terminal,
    )


def _number(value: float | None, digits: int) -> str:
    return "" if value is None else f"{value:.{digits}f}"
