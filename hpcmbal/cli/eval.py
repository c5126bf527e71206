"""`hpcmbal eval`: checkpoints, anchors and published points to numbers, curves and a report."""

from __future__ import annotations

import dataclasses
import json
import sys
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from hpcmbal.cli.engine_options import (
    Address,
    CpusPerTask,
    Engine,
    EngineName,
    GpusPerTask,
    check_no_workers,
    device_on_cluster,
    on_every_node,
    ray_engine,
)
from hpcmbal.errors import SettingsError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.progress import Progress

    from hpcmbal.engines.ray_engine import RayEngine
    from hpcmbal.evaluation.curves.bd_table import BdTable
    from hpcmbal.evaluation.curves.curve import Curve
    from hpcmbal.evaluation.report.viewer import ViewerImage

INTERPOLATIONS = ("pchip", "akima", "cubic")

app = typer.Typer(rich_markup_mode="rich", pretty_exceptions_enable=False)

EXAMPLES = """\
[bold]Examples[/bold]

hpcmbal eval --model hpcm-nano --data kodak/ --anchor jpeg,webp,jxl --published kodak -o eval/

hpcmbal eval --model ours=runs/a --model ours=runs/b --model ours=runs/c --model ours=runs/d --data kodak/ --estimate

hpcmbal eval --compare eval/results.json compressai.json --bd-anchor jpeg
"""


@dataclasses.dataclass(frozen=True)
class EvalOptions:
    """The command's options, by the names of its parameters."""

    output: Path
    bd_anchor: str | None
    interpolation: Any
    bootstrap: int
    as_json: bool


@app.command("eval", epilog=EXAMPLES)
def evaluate(
    *,
    files: Annotated[list[Path] | None, typer.Argument(help="With --compare: results files (.json).")] = None,
    model: Annotated[
        list[str] | None,
        typer.Option(
            "--model", "-m", help="Checkpoint or packaged model, or NAME=CHECKPOINT to choose its curve; repeatable."
        ),
    ] = None,
    data: Annotated[Path | None, typer.Option("--data", "-d", help="Folder of test images.")] = None,
    output: Annotated[Path, typer.Option("--output", "-o", help="Folder for the results.")] = Path("eval"),
    estimate: Annotated[
        bool, typer.Option("--estimate", help="Rates from likelihoods; without it real files are written and read.")
    ] = False,
    anchor: Annotated[
        str,
        typer.Option("--anchor", "-a", help="jpeg, webp, avif, avif-slow, jxl, jpeg2000, x265, bpg, cjxl."),
    ] = "",
    published: Annotated[str, typer.Option("--published", help="Published points on an image set: kodak.")] = "",
    quality: Annotated[str, typer.Option("--quality", "-q", help="Points of variable-rate models, 1..100.")] = "",
    bd_anchor: Annotated[
        str | None, typer.Option("--bd-anchor", help="Curve to compare with; the first that is no model if not given.")
    ] = None,
    interpolation: Annotated[str, typer.Option("--interpolation", help="pchip, akima or cubic.")] = "pchip",
    bootstrap: Annotated[int, typer.Option("--bootstrap", min=0, help="Resamples of the interval; 0: none.")] = 1000,
    limit: Annotated[int | None, typer.Option("--limit", min=1, help="Only the first images.")] = None,
    viewer: Annotated[int, typer.Option("--viewer", min=0, help="Images in the report's comparison viewer.")] = 3,
    workers: Annotated[int, typer.Option("--workers", "-j", min=0, help="Processes for anchors; 0: all CPUs.")] = 0,
    device: Annotated[str, typer.Option("--device", help="Where models run: cpu, cuda, cuda:N.")] = "cpu",
    compare: Annotated[bool, typer.Option("--compare", help="Compare stored results; nothing is coded.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Write the results to standard output as JSON.")] = False,
    engine: Engine = EngineName.LOCAL,
    address: Address = None,
    cpus_per_task: CpusPerTask = None,
    gpus_per_task: GpusPerTask = None,
) -> None:
    """Turn checkpoints, other codecs and a folder of images into numbers, curves and a report.

    Interrupted, the same command goes on where it was. PSNR and MS-SSIM are of 8-bit RGB images; bpp is of whole files.
    """
    if interpolation not in INTERPOLATIONS:
        raise SettingsError(f"--interpolation {interpolation}: choose one of {', '.join(INTERPOLATIONS)}.")
    options = EvalOptions(output, bd_anchor, interpolation, bootstrap, as_json)
    if compare:
        if model or data or anchor:
            raise SettingsError("--compare uses stored results alone: leave out --model, --data and --anchor.")
        _finish(_stored_curves(files or [], published), [], options)
        return
    if files:
        raise SettingsError(f"Unexpected '{files[0]}': results files are for --compare, checkpoints for --model.")
    anchors = [name.strip() for name in anchor.split(",") if name.strip()]
    if data is None or not (model or anchors):
        raise SettingsError("Give --data DIR and at least one --model or --anchor, or --compare with results files.")
    cluster = ray_engine(engine, address, cpus_per_task, gpus_per_task)
    if cluster is not None:
        check_no_workers(workers, default=0)
        device, data = device_on_cluster(device, gpus_per_task), on_every_node(data)
    from hpcmbal.evaluation.codecs.selection import build_anchor, build_models

    codecs = [
        *build_models(model or [], _numbers(quality), device=device, estimated=estimate),
        *(build_anchor(name) for name in anchors),
    ]
    curves, pictures = _measure(codecs, data, output, limit=limit, workers=workers, viewer=viewer, cluster=cluster)
    _finish([*curves, *_published(published)], pictures, options)


def _measure(
    codecs: Sequence[Any],
    data: Path,
    output: Path,
    *,
    limit: int | None,
    workers: int,
    viewer: int,
    cluster: RayEngine | None = None,
) -> tuple[list[Curve], list[ViewerImage]]:
    from hpcmbal.evaluation.environment import available_cpus
    from hpcmbal.evaluation.output import SAMPLES_FILE
    from hpcmbal.evaluation.report.viewer import viewer_images
    from hpcmbal.evaluation.runner import Runner, TestImages
    from hpcmbal.evaluation.sample_store import SampleStore

    names = [codec.name for codec in codecs]
    if len(set(names)) < len(names):
        raise SettingsError(f"Two curves have one name: {', '.join(names)}. Name the models: --model NAME=CHECKPOINT.")
    images = TestImages.from_folder(data, limit)
    store = SampleStore(output / SAMPLES_FILE)
    with _progress() as bar:
        tasks = {name: bar.add_task(name, total=None) for name in names}

        def show(name: str, done: int, total: int) -> None:
            bar.update(tasks[name], completed=done, total=total)

        with (
            cluster or nullcontext(),
            Runner(images, store, workers=workers or available_cpus(), progress=show, engine=cluster) as runner,
        ):
            curves = [runner.evaluate(codec) for codec in codecs]
        task = bar.add_task("pictures of the report", total=1)
        pictures = viewer_images(images, dict(zip(names, codecs, strict=True)), curves, viewer)
        bar.update(task, completed=1)
    return curves, pictures


def _stored_curves(files: Sequence[Path], published: str) -> list[Curve]:
    from hpcmbal.evaluation.curves.curve_file import read_curves
    from hpcmbal.plotting.labels import visible

    if not files:
        raise SettingsError("--compare needs results files: hpcmbal eval --compare A.json B.json.")
    curves: dict[str, Curve] = {}
    for path in files:
        for curve in read_curves(path):
            name, number = curve.name, 1
            while name in curves and dataclasses.replace(curve, name=name) != curves[name]:
                number += 1
                name = f"{curve.name} ({visible(str(path))}{f', {number - 1}' if number > 2 else ''})"
            curves[name] = dataclasses.replace(curve, name=name)
    for curve in _published(published):
        curves.setdefault(curve.name, curve)
    return list(curves.values())


def _published(image_set: str) -> list[Curve]:
    from hpcmbal.evaluation.curves.published import published_on

    return published_on(image_set) if image_set else []


def _finish(curves: list[Curve], pictures: Sequence[ViewerImage], options: EvalOptions) -> None:
    from hpcmbal.evaluation.curves.bd_table import bd_table, choose_anchor
    from hpcmbal.evaluation.curves.curve_file import results_document
    from hpcmbal.evaluation.curves.same_images import left_out_lines, same_images
    from hpcmbal.evaluation.output import write_output

    shown, left_out = same_images(curves)
    chosen = choose_anchor(shown, options.bd_anchor)
    table = None if chosen is None else bd_table(shown, chosen, options.interpolation, draws=options.bootstrap)
    report = write_output(options.output, curves, table, pictures, left_out)
    if options.as_json:
        bd = None if table is None else dataclasses.asdict(table)
        typer.echo(json.dumps({**results_document(curves), "bd_rate": bd}, indent=1, allow_nan=False))
        return
    _show_curves([curve for curve in shown if curve.samples] or shown)
    if table is not None:
        _show_table(table)
    for line in left_out_lines(left_out):
        typer.echo(line)
    typer.echo(f"Report: {report}")


def _show_curves(curves: Sequence[Curve]) -> None:
    from hpcmbal.evaluation.codecs.image_codec import DECODE_SECONDS, ENCODE_SECONDS
    from hpcmbal.evaluation.curves.curve import BPP, MS_SSIM_DB, PSNR

    shown = (
        (BPP, "bpp", 4),
        (PSNR, "PSNR dB", 3),
        (MS_SSIM_DB, "MS-SSIM dB", 3),
        (ENCODE_SECONDS, "encode s", 3),
        (DECODE_SECONDS, "decode s", 3),
    )
    rows = []
    for curve in curves:
        columns = [(curve.results.get(key, (None,) * len(curve)), digits) for key, _, digits in shown]
        rows += [[curve.name, *(_number(column[i], digits) for column, digits in columns)] for i in range(len(curve))]
    _print_table(["curve", *(label for _, label, _ in shown)], rows)


def _show_table(table: BdTable) -> None:
    from hpcmbal.evaluation.curves.curve import METRIC_LABELS
    from hpcmbal.evaluation.report.report import interval_text

    hashes = ", ".join(f"{METRIC_LABELS[metric]} {digest}" for metric, digest in table.hashes.items())
    typer.echo(f"\nBD-rate against '{table.anchor}' (hash of its points: {hashes}), {table.interpolation}:")
    rows = []
    for row in table.rows:
        found = row.comparison
        if found is None:
            rows.append([row.test, METRIC_LABELS[row.metric], "refused", "", "", row.refusal])
            continue
        note = "; ".join(found.notes)
        interval = interval_text(row) if row.interval else ""
        quality = "" if found.bd_quality_db is None else f"{found.bd_quality_db:+.3f}"
        rows.append([row.test, METRIC_LABELS[row.metric], f"{found.bd_rate_percent:+.2f} %", interval, quality, note])
    _print_table(["curve", "metric", "BD-rate", "95 % interval", "BD dB", "note"], rows)


def _print_table(titles: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    if not sys.stdout.isatty():
        for row in (titles, *rows):
            typer.echo("\t".join(row))
        return
    from rich.console import Console
    from rich.table import Table

    table = Table(box=None, pad_edge=False)
    for title in titles:
        table.add_column(title, overflow="fold")
    for row in rows:
        table.add_row(*row)
    Console().print(table, markup=False)


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


def _numbers(text: str) -> list[float]:
    try:
        return [float(part) for part in text.split(",") if part.strip()]
    except ValueError:
        raise SettingsError(f"--quality '{text}': give numbers from 1 to 100, separated by commas.") from None
