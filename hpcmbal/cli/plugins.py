"""`hpcmbal plugins`: what installed packages add to hpcmbal."""

from __future__ import annotations

import json
from typing import Annotated

import typer

from hpcmbal.cli.text import print_table
from hpcmbal.settings.plugins import PLUGIN_KINDS, installed_plugins

app = typer.Typer(
    help="Show what installed packages add: optimisers, balancers, losses, schedules and codecs.",
    no_args_is_help=True,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
    add_completion=False,
    epilog="[bold]Example[/bold]: hpcmbal plugins list. A plug-in is a line in a package's pyproject.toml; "
    "docs/plugins.md has one in twenty lines.",
)


@app.callback()
def _group() -> None:
    """Show what installed packages add: optimisers, balancers, losses, schedules and codecs."""


@app.command("list")
def list_plugins(as_json: Annotated[bool, typer.Option("--json", help="Write JSON.")] = False) -> None:
    """List all plug-ins with their packages; nothing of them is loaded."""
    found = installed_plugins()
    if as_json:
        typer.echo(json.dumps([plugin._asdict() for plugin in found], indent=2))
        return
    if not found:
        kinds = ", ".join(f"hpcmbal.{kind}" for kind in PLUGIN_KINDS)
        typer.echo(f"No plug-ins are installed. Packages offer them as entry points in the groups {kinds}.")
        return
    print_table(["Kind", "Name", "Package", "Note"], [[p.kind, p.name, p.package, p.problem] for p in found])
