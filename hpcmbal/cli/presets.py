"""`hpcmbal presets`: list, show and check training recipes."""

from __future__ import annotations

import json
import sys
from typing import Annotated

import typer
import yaml

from hpcmbal.cli.text import say, tell
from hpcmbal.cli.words import completing, presets
from hpcmbal.errors import SettingsError
from hpcmbal.settings import TrainSettings, load_train_settings, preset_names, read_preset
from hpcmbal.settings.layers import Layer
from hpcmbal.settings.load import SAVE_PATH

app = typer.Typer(
    help="List, show and check training recipes.",
    no_args_is_help=True,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
    add_completion=False,
    epilog="A preset of your own is a YAML file: [bold]hpcmbal presets show standard-nano > mine.yaml[/bold], "
    "change it, [bold]hpcmbal presets validate mine.yaml[/bold], [bold]hpcmbal train --preset mine.yaml[/bold].",
)

AsJson = Annotated[bool, typer.Option("--json", help="Write JSON.")]


@app.command("list")
def list_presets(as_json: AsJson = False) -> None:
    """List all presets with a line about each."""
    found = [read_preset(name) for name in preset_names()]
    if as_json:
        rows = [{"name": item.name, "description": item.description, "extends": item.extends} for item in found]
        typer.echo(json.dumps(rows, indent=2))
        return
    if not sys.stdout.isatty():
        for item in found:
            typer.echo(f"{item.name}\t{item.description}")
        return
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False)
    table.add_column("Preset", style="cyan", no_wrap=True)
    table.add_column("What it is")
    for item in found:
        table.add_row(item.name, Text(item.description))
    Console().print(table)


@app.command("show")
def show_preset(
    name: Annotated[str, typer.Argument(help="Name of a preset, or a .yaml file.", autocompletion=completing(presets))],
    full: Annotated[bool, typer.Option("--full", help="With the defaults that the preset does not mention.")] = False,
    as_json: AsJson = False,
) -> None:
    """Show what a preset sets, with everything that it extends; the output is a preset itself."""
    preset = read_preset(name)
    settings = load_train_settings(name).model_dump(mode="json")
    if full and SAVE_PATH not in preset.layer:
        del settings["output"]["save_path"]  # follows the name of the preset, also of a copy
    sections = {
        section: stated
        for section, fields in settings.items()
        if (stated := {key: value for key, value in fields.items() if full or f"{section}.{key}" in preset.layer})
    }
    if as_json:
        typer.echo(json.dumps({"description": preset.description, **sections}, indent=2))
        return
    parts = _trained_parts(load_train_settings(name))
    if preset.extends:
        tell(f"# {preset.name} extends {', '.join(preset.extends)}; all of it is merged here.")
    typer.echo(_as_yaml(preset.description, sections, preset.layer), nl=False)
    if parts:
        typer.echo("# Parameters that learn, and at which peak learning rate:")
    for part in parts:
        typer.echo(f"#   {part}")


def _trained_parts(settings: TrainSettings) -> list[str]:
    """What learns, at which rate; nothing where that is all of the network at one rate."""
    if not settings.finetune.partial:
        return []
    from hpcmbal.training.trained_parts import trained_parts  # brings torch: other presets are shown at once

    return list(map(str, trained_parts(settings)))


@app.command("validate")
def validate_presets(
    names: Annotated[
        list[str] | None,
        typer.Argument(help="Names or .yaml files; all presets if not given.", autocompletion=completing(presets)),
    ] = None,
) -> None:
    """Check presets; exit code 2 if one has a problem."""
    failed = []
    for name in names or preset_names():
        try:
            _trained_parts(load_train_settings(name))
        except SettingsError as error:
            failed.append(name)
            say(f"{name}: {error.args[0]}", keep="\n")
        else:
            tell(f"{name}: valid")
    if failed:
        raise SettingsError(
            f"{len(failed)} of {len(names or preset_names())} presets cannot be used: {', '.join(failed)}."
        )


def _as_yaml(description: str, sections: dict[str, dict[str, object]], layer: Layer) -> str:
    lines = [yaml.safe_dump({"description": description}, width=120, allow_unicode=True)]
    for section, fields in sections.items():
        lines.append(f"{section}:\n")
        for key, value in fields.items():
            entry = layer.get(f"{section}.{key}")
            text = yaml.safe_dump({key: value}, default_flow_style=None, width=120, sort_keys=False).strip()
            text = text[1:-1] if text.startswith("{") else text
            lines.append(f"  {text}" + (f"  # {entry.source.label}" if entry else "") + "\n")
    return "".join(lines)
