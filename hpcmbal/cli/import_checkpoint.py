"""`hpcmbal import-checkpoint`: released HPCM weights into our model files."""

from __future__ import annotations

from hpcmbal.cli.command import Look, command_app, settings_command
from hpcmbal.cli.text import tell
from hpcmbal.cli.words import networks
from hpcmbal.settings.weights import ImportSettings

EXAMPLES = """
hpcmbal import-checkpoint HPCM_Base_0.013.pth.tar -o models/hpcm-base-0.013
"""

app = command_app()


@settings_command(
    app,
    "import-checkpoint",
    ImportSettings,
    examples=EXAMPLES,
    looks={
        "file": Look(metavar="FILE", argument=True),
        "output": Look("-o", "PATH"),
        "model_name": Look(metavar="NAME", complete=networks),
        "force": Look("-f"),
    },
)
def import_command(settings: ImportSettings) -> None:
    """Turn released HPCM weights into a model file.

    The file is read as data; code inside it is never run. Weights that do not fit a variant entry by entry are refused.
    """
    from hpcmbal.model_files.transfer import import_checkpoint

    target, weights = import_checkpoint(settings)
    tell(f"{target}: {weights.model_name}, {weights.parameters:,} parameters.")
