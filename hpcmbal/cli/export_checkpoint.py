"""`hpcmbal export-checkpoint`: the weights of a run as a plain PyTorch state dict, for CompressAI's tools."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(add_completion=False, rich_markup_mode="rich", pretty_exceptions_enable=False)


@app.command(
    "export-checkpoint",
    epilog="[bold]Example[/bold]: hpcmbal export-checkpoint runs/standard-nano -o standard-nano.pth",
)
def export_checkpoint(
    model: Annotated[
        str, typer.Argument(metavar="MODEL", help="Packaged model's name, model file, checkpoint, run or id.")
    ],
    output: Annotated[Path, typer.Option("--output", "-o", metavar="FILE", help="The state dict to write (.pth).")],
) -> None:
    """Write a model's weights as a PyTorch state dict, which CompressAI's eval_model and torch.load read."""
    from hpcmbal.model_files.find import find_model
    from hpcmbal.model_files.store import export_state_dict

    header = export_state_dict(find_model(model), output)
    typer.echo(f"{output}: {header.variant}. CompressAI's tools take it with -a {header.variant} -p {output}.")
