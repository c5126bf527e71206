"""`hpcmbal plot-run`: curves of trainings from their logs."""

from __future__ import annotations

from hpcmbal.cli.command import Look, command_app, settings_command
from hpcmbal.cli.text import tell
from hpcmbal.settings.pictures import PlotRunSettings

EXAMPLES = """
hpcmbal plot-run runs/hierarchical-nano
hpcmbal plot-run runs/adam runs/soap -o optimisers.svg
"""

app = command_app()


@settings_command(
    app,
    "plot-run",
    PlotRunSettings,
    examples=EXAMPLES,
    looks={"runs": Look(metavar="RUNS", argument=True), "output": Look("-o", "FILE"), "force": Look("-f")},
)
def plot_run_command(settings: PlotRunSettings) -> None:
    """Draw J against steps and seconds; for one balanced run also its weights, gammas and contributions."""
    from hpcmbal.plotting.run_curves import plot_run

    names = plot_run(settings)
    runs = "1 run" if len(names) == 1 else f"{len(names)} runs"
    tell(f"Curves of {runs}: {settings.output}")
