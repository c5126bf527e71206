"""Resolved settings as a table, or as plain lines where the output is not a terminal."""

from __future__ import annotations

import sys

import typer

from hpcmbal.errors import typed_value
from hpcmbal.settings import ResolvedSettings, Source


def render_settings(resolved: ResolvedSettings) -> None:
    """Write every setting with its value and where the value came from to standard output."""
    rows = [
        (f"{section}.{name}", shown(value), _origin(resolved.sources.get(f"{section}.{name}")))
        for section, fields in resolved.settings.model_dump(mode="json").items()
        for name, value in fields.items()
    ]
    if not sys.stdout.isatty():
        for path, value, origin in rows:
            typer.echo(f"{path} = {value}" + (f"  ({origin})" if origin else ""))
        return
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(title="Settings", box=None, pad_edge=False, title_justify="left")
    table.add_column("Setting", style="cyan", no_wrap=True)
    table.add_column("Value")
    table.add_column("From", style="dim")
    previous = rows[0][0].partition(".")[0]
    for path, value, origin in rows:
        if path.partition(".")[0] != previous:
            previous = path.partition(".")[0]
            table.add_section()
        table.add_row(path, Text(value, style="bold" if origin else ""), Text(origin or "default"))
    Console().print(table)


def shown(value: object) -> str:
    """A setting's value as one would type it after `--set PATH=`."""
    if value is None:
        return "null"
    return typed_value(value)


def _origin(source: Source | None) -> str:
    if source is None or source.kind == "default":
        return ""
    return {"set": "--set", "flag": source.label, "preset": f"preset {source.label}"}.get(source.kind, source.kind)
