"""Studies as YAML files: those that come with hpcmbal, and the user's own."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import yaml

from hpcmbal.ablation.plan.study import Study, build_study
from hpcmbal.errors import SettingsError
from hpcmbal.settings.presets import SUFFIX, preset_directory, preset_names
from hpcmbal.settings.problems import InvalidSettingsError, suggestion
from hpcmbal.settings.yaml_file import existing_file, read_yaml

FOLDER = "ablations"
STUDY_FILE = "study.yaml"


def study_names() -> tuple[str, ...]:
    """Names of the studies that come with hpcmbal, sorted."""
    return preset_names(FOLDER)


def study_path(name: str) -> Path:
    """File of a study that comes with hpcmbal.

    Raises:
        SettingsError: There is none of that name.
    """
    names = study_names()
    if name not in names:
        raise SettingsError(
            f"Study '{name}' does not exist{suggestion(name, names)}. Studies are: {', '.join(names)}. "
            "One of your own: hpcmbal ablate grid FILE.yaml."
        )
    return preset_directory() / FOLDER / f"{name}{SUFFIX}"


def read_study(path: Path, changes: Mapping[str, object] | None = None) -> Study:
    """The study in a file, with `changes` to its fields laid over it.

    Folders in the file are relative to the folder in which the command runs, a preset's file to the study's file.

    Args:
        path: The file.
        changes: Fields and their values; those that are None are not given. `settings` are added to the file's. One of
            `max_steps`, `epochs` and `horizons` takes the place of the others, and so does one of `lambdas` and
            `qualities`.

    Raises:
        SettingsError: The file cannot be read, or something in it is wrong; the message lists every problem.
    """
    content = {str(key): value for key, value in read_yaml(path, "Study").items()}
    content.setdefault("name", path.stem)
    given = {key: value for key, value in (changes or {}).items() if value is not None}
    for alternatives in ({"max_steps", "epochs", "horizons"}, {"lambdas", "qualities"}):
        if alternatives & given.keys():
            content = {key: value for key, value in content.items() if key not in alternatives}
    common = content.get("settings") or {}
    if isinstance(common, dict) and isinstance(extra := given.pop("settings", {}), dict):
        content["settings"] = {**common, **extra}
    base = given.get("base_preset", content.get("base_preset"))
    if isinstance(base, str) and "base_preset" not in given and existing_file(path.parent / base):
        content["base_preset"] = str(path.parent / base)
    try:
        return build_study({**content, **given})
    except InvalidSettingsError as error:
        raise InvalidSettingsError(error.problems, f"Study {path}") from error
    except SettingsError as error:
        raise SettingsError(f"Study {path}: {error.args[0]}") from error


def study_text(study: Study) -> str:
    """The study as YAML, with every field that says something; reading it gives the same study."""
    values = study.model_dump(mode="json", exclude_none=True)
    kept = {key: value for key, value in values.items() if value not in ("", [], {})}
    return yaml.safe_dump(kept, sort_keys=False, allow_unicode=True, width=110)
