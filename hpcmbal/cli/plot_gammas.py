"""`hpcmbal plot-gammas`: how each strategy moves the gammas over a training."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hpcmbal.cli.command import Look, command_app, settings_command
from hpcmbal.cli.text import print_table, tell
from hpcmbal.settings.pictures import PlotGammasSettings

if TYPE_CHECKING:
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
    from hpcmbal.plotting.gammas import key_epochs, plot_gammas

    rows = plot_gammas(settings)
    _show(rows, key_epochs(settings.epochs))
    for path in (settings.output, settings.csv):
        if path is not None:
            tell(f"Written: {path}")


def _show(rows: list[GammaRow], epochs: tuple[float, ...]) -> None:
    from hpcmbal.core.balance.gamma import PHASES

    at = [f"{name} {epoch:g}" for name, epoch in zip((*(phase.name for phase in PHASES), "end"), epochs, strict=True)]
    cells = [(row.strategy, row.scale, *(f"{gamma:.4g}" for gamma in row.gammas)) for row in rows]
    print_table(("strategy", "scale", *at), cells, right=at)
