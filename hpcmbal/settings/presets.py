"""Presets: recipes as YAML files with `description`, optional `extends`, and sections of settings."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from hpcmbal.errors import SettingsError
from hpcmbal.settings.layers import Entry, Layer, merge
from hpcmbal.settings.problems import Problem, Source, check_none, suggestion
from hpcmbal.settings.yaml_file import existing_file, read_yaml

SUFFIX = ".yaml"
MAX_EXTENDS = 20
"""Presets that one may build on, one after another."""
_PACKAGE = Path(__file__).resolve().parent.parent


@dataclass(frozen=True)
class Preset:
    """A recipe, with everything that it extends already merged in.

    Attributes:
        name: Name of the file without its suffix.
        path: The file.
        description: One line for users.
        extends: Names of the presets that it builds on, nearest first.
        layer: All settings, each with the preset that states it.
    """

    name: str
    path: Path
    description: str
    extends: tuple[str, ...]
    layer: Layer


def preset_directory() -> Path:
    """Folder of the presets that come with hpcmbal: inside the installed package, else beside it in a checkout."""
    installed = _PACKAGE / "presets"
    return installed if installed.is_dir() else _PACKAGE.parent / "presets"


def preset_names(kind: str = "") -> tuple[str, ...]:
    """Names of all presets that come with hpcmbal, sorted: of trainings, or of another `kind`, such as evaluations."""
    return tuple(sorted(path.stem for path in (preset_directory() / kind).glob(f"*{SUFFIX}")))


def cpu_twin(name: str) -> str | None:
    """The CPU-sized relative of a preset, or of the nearest one that it extends; None if there is none.

    >>> cpu_twin("hierarchical-adaptive"), cpu_twin("quickstart")
    ('hierarchical-adaptive-nano', None)
    """
    preset = read_preset(name)
    twins = (f"{relative}-nano" for relative in (preset.name, *preset.extends))
    return next((twin for twin in twins if twin in preset_names()), None)


def read_preset(name: str, kind: str = "") -> Preset:
    """Read a preset by its name, or by the path of a `.yaml` file.

    `extends` works the same way; a path there is relative to the file that says it.

    Args:
        name: Of the preset.
        kind: The folder below that of the presets which holds it; empty for trainings. Presets of a kind hold plain
            settings, those of trainings hold sections.

    Raises:
        SettingsError: It does not exist, is not readable as a preset, or extends itself.
    """
    return _read(_find(name, Path(), kind), (), kind)


def _read(path: Path, chain: tuple[Path, ...], kind: str) -> Preset:
    if path in chain:
        loop = " -> ".join(item.stem for item in (*chain, path))
        raise SettingsError(f"Preset '{path.stem}' extends itself: {loop}. Remove one 'extends'.")
    if len(chain) >= MAX_EXTENDS:
        raise SettingsError(f"Preset '{chain[0].stem}' builds on more than {MAX_EXTENDS} others, one after another.")
    content = read_yaml(path, "Preset")
    description = content.pop("description", "")
    parent_name = content.pop("extends", None)
    if not isinstance(description, str) or not isinstance(parent_name, str | None):
        raise SettingsError(f"Preset {path}: 'description' must be a text and 'extends' the name of one preset.")
    source = Source("preset", path.stem)
    layer = {key: Entry(value, source) for key, value in content.items()} if kind else _flatten(content, source)
    extends: tuple[str, ...] = ()
    if parent_name is not None:
        parent = _read(_find(parent_name, path.parent, kind), (*chain, path), kind)
        layer = merge(parent.layer, layer)
        extends = (parent.name, *parent.extends)
    return Preset(path.stem, path, " ".join(description.split()), extends, layer)


def _find(name: str, beside: Path, kind: str) -> Path:
    is_file_name = name.endswith((SUFFIX, ".yml"))
    path = beside / name if is_file_name else preset_directory() / kind / f"{name}{SUFFIX}"
    found = existing_file(path)
    if found is not None:
        return found.resolve()
    if is_file_name:
        raise SettingsError(f"Preset file {path} does not exist.")
    names = preset_names(kind)
    raise SettingsError(
        f"Preset '{name}' does not exist{suggestion(name, names)}. Presets are: {', '.join(names)}. "
        "A file of your own is given by its path, ending in .yaml."
    )


def _flatten(content: dict[str, object], source: Source) -> Layer:
    """`{section: {field: value}}` to `{section.field: value}`."""
    layer: Layer = {}
    problems = []
    for section, fields in content.items():
        if not isinstance(fields, dict):
            rule = "a preset holds 'description', 'extends' and sections of settings"
            problems.append(Problem(str(section), fields, rule, source))
            continue
        layer.update({f"{section}.{field}": Entry(value, source) for field, value in fields.items()})
    check_none(problems)
    return layer
