"""`hpcmbal plot-gammas`: how each strategy moves the gammas over a training."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hpcmbal.cli.command import Look, command_app, settings_command
from hpcmbal.cli.text import tell
from hpcmbal.settings.pictures import PlotGammasSettings

if TYPE_CHECKING:
    from rich.table import Table

    from hpcmbal.plotting.gammas import GammaRow

EXAMPLES = """
hpcmbal plot-gammas
hpcmbal plot-gammas --epochs 500 --gamma-s1 0.01 -o gammas.svg --csv gammas.csv
"""

app = command_app()


@settings_command(
    app,
    "plot-gammas",
    PlotGammasSettings,
    examples=EXAMPLES,
    looks={"output": Look("-o", "FILE"), "csv": Look(metavar="FILE"), "force": Look("-f")},
)
def plot_gammas_command(settings: PlotGammasSettings) -> None:
    """Draw all gamma strategies for the three scales, and show their values where the phases of a training begin."""
    from rich.console import Console

    from hpcmbal.plotting.gammas import key_epochs, plot_gammas

    rows = plot_gammas(settings)
    Console().print(_table(rows, key_epochs(settings.epochs)))
    for path in (settings.output, settings.csv):
        if path is not None:
            tell(f"Written: {path}")


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
