"""`hpcmbal import-checkpoint`: released HPCM weights into our checkpoint format."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(add_completion=False, rich_markup_mode="rich", pretty_exceptions_enable=False)


@app.command(
    "import-checkpoint",
    epilog="[bold]Example[/bold]: hpcmbal import-checkpoint HPCM_Base_0.013.pth.tar -o models/hpcm-base-0.013",
)
def import_checkpoint(
    file: Annotated[Path, typer.Argument(help="Released checkpoint (.pth.tar); names may start with 'module.'.")],
    output: Annotated[
        Path, typer.Option("--output", "-o", help="Folder of the new checkpoint, or a .safetensors file.")
    ],
    model_name: Annotated[
        str | None, typer.Option("--model-name", help="Variant of the weights; found out from them if not given.")
    ] = None,
) -> None:
    """Turn released HPCM weights into a checkpoint of hpcmbal.

    The file is read as data; code inside it is never run. Weights that do not fit a variant entry by entry are refused.
    """
    from hpcmbal.model_files.official import import_official
    from hpcmbal.model_files.store import MODEL_FILE, save_model

    weights = import_official(file, model_name)
    target = output if output.suffix == Path(MODEL_FILE).suffix else output / MODEL_FILE
    about = {"imported_from": file.name}
    save_model(target, weights.model_name, weights.state_dict, about, rates=weights.rates)
    typer.echo(f"{target}: {weights.model_name}, {weights.parameters:,} parameters.")
