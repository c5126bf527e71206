"""`hpcmbal export-checkpoint`: the weights of a run as a plain PyTorch state dict, for CompressAI's tools."""

from __future__ import annotations

from hpcmbal.cli.command import Look, command_app, settings_command
from hpcmbal.cli.text import tell
from hpcmbal.cli.words import packaged_models
from hpcmbal.settings.weights import ExportSettings

EXAMPLES = """
hpcmbal export-checkpoint runs/standard-nano -o standard-nano.pth
"""

app = command_app()


@settings_command(
    app,
    "export-checkpoint",
    ExportSettings,
    examples=EXAMPLES,
    looks={
        "model": Look(metavar="MODEL", argument=True, complete=packaged_models),
        "output": Look("-o", "FILE"),
        "force": Look("-f"),
    },
)
def export_command(settings: ExportSettings) -> None:
    """Write a model's weights as a PyTorch state dict, which CompressAI's eval_model and torch.load read."""
    from hpcmbal.model_files.transfer import export_checkpoint

    name = export_checkpoint(settings).variant
    tell(f"{settings.output}: {name}. CompressAI's tools take it with -a {name} -p {settings.output}.")
