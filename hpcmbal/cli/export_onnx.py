"""`hpcmbal export-onnx`: the networks of a model as ONNX files, for other runtimes."""

from __future__ import annotations

from hpcmbal.cli.command import Look, command_app, settings_command
from hpcmbal.cli.text import tell
from hpcmbal.cli.words import packaged_models
from hpcmbal.settings.weights import OnnxSettings

EXAMPLES = """
hpcmbal export-onnx hpcm-nano -o onnx
"""

app = command_app()


@settings_command(
    app,
    "export-onnx",
    OnnxSettings,
    examples=EXAMPLES,
    looks={
        "model": Look(metavar="MODEL", argument=True, complete=packaged_models),
        "output": Look("-o", "FOLDER"),
        "force": Look("-f"),
    },
)
def export_onnx_command(settings: OnnxSettings) -> None:
    """Write a model's networks as ONNX files with dynamic sizes, and what coding needs beside them (docs/onnx.md)."""
    from hpcmbal.interop.onnx.export import export_onnx

    files = export_onnx(settings)
    size = sum(file.stat().st_size for file in files)
    tell(f"{settings.output}: {len(files)} files, {size:,} bytes.")
