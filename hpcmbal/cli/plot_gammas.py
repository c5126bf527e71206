"""`hpcmbal plot-gammas`: how each strategy moves the gammas over a training."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from rich.table import Table

    from hpcmbal.plotting.gammas import GammaRow

app = typer.Typer(add_completion=False, rich_markup_mode="rich", pretty_exceptions_enable=False)


@app.command(
    "plot-gammas",
    epilog="[bold]Example[/bold]: hpcmbal plot-gammas --epochs 500 --gamma-s1 0.01 -o gammas.svg --csv gammas.csv",
)
def plot_gammas(  # noqa: PLR0917 (typer fills them by name)
    output: Annotated[
        Path, typer.Option("--output", "-o", help="Figure to write; its suffix chooses PNG, SVG or PDF.")
    ] = Path("gammas.png"),
    epochs: Annotated[int, typer.Option("--epochs", min=1, help="Length of the training.")] = 3000,
    gamma_s1: Annotated[float, typer.Option("--gamma-s1", help="Initial gamma of scale s1.")] = 0.008,
    gamma_s2: Annotated[float, typer.Option("--gamma-s2", help="Initial gamma of scale s2.")] = 0.006,
    gamma_s3: Annotated[float, typer.Option("--gamma-s3", help="Initial gamma of scale s3.")] = 0.004,
    csv: Annotated[Path | None, typer.Option("--csv", help="Also write the values of the table to this file.")] = None,
) -> None:
    """Draw all gamma strategies for the three scales, and show their values where the phases of a training begin."""
    from rich.console import Console

    from hpcmbal.plotting import gammas

    initial = (gamma_s1, gamma_s2, gamma_s3)
    gammas.check_suffix(output)
    rows = gammas.key_values(initial, epochs)
    gammas.save_gamma_figure(gammas.gamma_figure(initial, epochs), output)
    if csv is not None:
        gammas.write_csv(rows, epochs, csv)
    Console().print(_table(rows, gammas.key_epochs(epochs)))
    for path in (output, csv):
        if path is not None:
            typer.echo(f"Written: {path}")


def _table(rows: list[GammaRow], epochs: tuple[float, ...]) -> Table:
    from rich.box import SIMPLE
    from rich.table import Table

    from hpcmbal.core.balance.gamma import PHASES

    table = Table(
        title="Gamma at the beginning of each phase, and at the end", box=SIMPLE, pad_edge=False, padding=(0, 1, 0, 0)
    )
    table.add_column("Strategy", style="cyan", no_wrap=True)
    table.add_column("Scale")
    for name, epoch in zip((*(phase.name for phase in PHASES), "end"), epochs, strict=True):
        table.add_column(f"{name}\n{epoch:g}", justify="right", no_wrap=True)
    previous = rows[0].strategy
    for row in rows:
        if row.strategy != previous:
            table.add_section()
        table.add_row(
            "" if row.strategy == previous and row.scale != "s1" else row.strategy, row.scale, *map(_short, row.gammas)
        )
        previous = row.strategy
    return table


def _short(gamma: float) -> str:
    return f"{gamma:.4g}"
