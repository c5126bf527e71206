"""`hpcmbal plot-run`: curves of trainings from their logs."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from hpcmbal.atomic_file import replacement
from hpcmbal.errors import DataError

EXAMPLES = """\
[bold]Examples[/bold]

hpcmbal plot-run runs/hierarchical-nano

hpcmbal plot-run runs/adam runs/soap -o optimisers.svg
"""

SUFFIXES = (".png", ".svg", ".pdf")

app = typer.Typer(rich_markup_mode="rich", pretty_exceptions_enable=False)


@app.command("plot-run", epilog=EXAMPLES)
def plot_run_command(
    runs: Annotated[list[Path], typer.Argument(metavar="RUN_DIR...", help="Folders of runs, or their metrics.jsonl.")],
    output: Annotated[
        Path, typer.Option("--output", "-o", metavar="FILE", help="Picture to write: .png, .svg or .pdf.")
    ] = Path("run.png"),
) -> None:
    """Draw J against steps and seconds; for one balanced run also its weights, gammas and contributions."""
    from hpcmbal.plotting.run_curves import run_figure
    from hpcmbal.training.trackers import LOG_FILE, read_log

    if output.suffix.lower() not in SUFFIXES:
        raise DataError(f"{output} has an unknown suffix. Choose one of: {', '.join(SUFFIXES)}.")
    logs = {}
    for run in runs:
        path = run if run.is_file() else run / "logs" / LOG_FILE
        logs[run.stem if run.is_file() else run.name] = read_log(path)
    figure = run_figure(logs)
    try:
        with replacement(output) as file:
            figure.savefig(file, format=output.suffix[1:].lower(), dpi=120)
    except OSError as error:
        raise DataError(f"Cannot write {output}: {error}. Choose another --output.") from error
    typer.echo(f"Curves of {len(logs)} run(s): {output}")
