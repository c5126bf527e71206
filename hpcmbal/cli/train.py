"""`hpcmbal train`: settings from preset and flags, the pre-flight, then the training."""

from __future__ import annotations

import dataclasses
import inspect
import json
import os
import time
from collections import defaultdict
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from hpcmbal.cli.command import command_app
from hpcmbal.cli.settings_report import render_settings
from hpcmbal.cli.text import EXIT_INTERRUPTED, say, tell
from hpcmbal.cli.words import completing, presets
from hpcmbal.errors import HpcmbalError, SettingsError
from hpcmbal.settings import (
    ResolvedSettings,
    Source,
    TrainSettings,
    choices,
    parse_assignments,
    resolve_train_settings,
    setting_paths,
)
from hpcmbal.settings.flags import FLAG_OF_PATH, FLAGS, REPEATED_FLAGS, SWITCHES
from hpcmbal.settings.resume import resumed_base

if TYPE_CHECKING:
    from hpcmbal.training.preflight import PreflightItem

DEFAULT_PRESET = "quickstart"

EXAMPLES = """\
[bold]Examples[/bold]

hpcmbal train --preset standard

hpcmbal train --preset standard-nano --train-data photos/ --val-data held-back/ --lambda 0.0067

hpcmbal train --preset hierarchical-nano --gamma-s1 0.01 --save-path runs/gamma-0.01

hpcmbal train --checkpoint runs/standard-nano

hpcmbal train --checkpoint runs/long --cooldown 5000

hpcmbal train --preset finetune-encoder-nano --train-data photos/ --val-data held-back/

hpcmbal train --preset standard --set optimizer.name=soap --set schedule.name=step --dry-run
"""

_PANELS = {
    "model": "Model and loss",
    "loss": "Model and loss",
    "data": "Data",
    "training": "Training",
    "optimizer": "Training",
    "output": "Checkpoints and logs",
    "tracking": "Checkpoints and logs",
    "balancing": "Balancing",
    "finetune": "Fine-tuning",
}
_SWITCH_PANELS = defaultdict(lambda: "Balancing", {"--init-strict": "Fine-tuning"})

_METAVARS = defaultdict(
    lambda: "NUMBER",
    name="NAME",
    train="FOLDER",
    val="FOLDER",
    save_path="FOLDER",
    log_dir="FOLDER",
    checkpoint="PATH",
    init_from="MODEL",
    device="NAME",
    tracker="NAME",
    wandb_project="NAME",
    wandb_name="NAME",
    gamma_strategy="NAME",
    scale_weights="X,X,X",
)
"""What stands for a flag's value in the help, by field."""

_NAMES = {
    "model.name": choices.MODELS,
    "balancing.gamma_strategy": choices.GAMMA_STRATEGIES,
    "tracking.tracker": choices.TRACKERS,
}
"""Words that the shell completes, by the setting of a flag."""

app = command_app()


def train_command(**arguments: Any) -> None:
    """Train a model.

    Settings come from, in rising precedence: defaults, --preset, --set, flags. Without --preset and --checkpoint the
    preset is quickstart. Ctrl-C saves a checkpoint before it leaves.
    """
    started = time.monotonic()
    as_json, dry_run = arguments["as_json"], arguments["dry_run"]
    resolved = _resolve(arguments)
    if dry_run:
        _dry_run(resolved, as_json, arguments["preset"])
        return
    _train(resolved.settings, as_json, started, arguments["preset"])


def _resolve(arguments: dict[str, Any]) -> ResolvedSettings:
    flags = {flag: arguments[_parameter_name(flag)] for flag in (*FLAGS, *SWITCHES)}
    flags |= {flag: flags[flag] or None for flag in REPEATED_FLAGS}
    overrides = parse_assignments(arguments["assignments"] or [])
    preset, base = arguments["preset"], None
    checkpoint = flags["--checkpoint"] or overrides.get("output.checkpoint")
    if arguments["cooldown"] is not None:
        base = _cooldown(checkpoint, arguments["cooldown"], preset, {**overrides, **_given(flags)})
        flags["--checkpoint"] = None
        overrides.pop("output.checkpoint", None)
    elif checkpoint is not None:
        if flags["--init-from"] is not None:
            raise SettingsError(
                "--checkpoint goes on with a run and --init-from starts a new one; leave one of them out."
            )
        base = _stored_settings(Path(str(checkpoint)), preset, {**overrides, **_given(flags)})
    elif preset is None:
        preset = DEFAULT_PRESET
        _say(f"No --preset given: this is '{DEFAULT_PRESET}'. `hpcmbal presets list` shows the others.")
    return _with_fresh_folder(resolve_train_settings(preset, overrides, flags, base=base, typed=True))


def _with_fresh_folder(resolved: ResolvedSettings) -> ResolvedSettings:
    """Keep an earlier run's folder as it is, unless the user named the folder or resumes from a checkpoint.

    Not under `torchrun`, whose ranks could come to different answers; there the trainer refuses a used folder.
    """
    output = resolved.settings.output
    source = resolved.sources.get("output.save_path", Source("default"))
    alone = os.environ.get("WORLD_SIZE", "1") == "1"
    if source.kind != "default" or output.checkpoint is not None or not output.save_path.exists() or not alone:
        return resolved
    number = 2
    while (folder := output.save_path.with_name(f"{output.save_path.name}-{number}")).exists():
        number += 1
    _say(f"{output.save_path} holds an earlier run: this one goes to {folder}.")
    output = output.model_copy(update={"save_path": folder})
    settings = resolved.settings.model_copy(update={"output": output})
    return dataclasses.replace(resolved, settings=settings)


def _given(flags: dict[str, Any]) -> dict[str, object]:
    return {FLAGS[flag]: value for flag, value in flags.items() if flag in FLAGS and value is not None}


def _cooldown(
    checkpoint: object, steps: int, preset: str | None, given: dict[str, object]
) -> dict[str, dict[str, object]]:
    """Settings of the cool-down of a checkpoint, which decide about its length and schedule."""
    if checkpoint is None:
        raise SettingsError("--cooldown needs the run that it branches off: give --checkpoint RUN.")
    decided = [path for path in ("training.max_steps", "training.epochs", "schedule.name") if path in given]
    if preset is not None or decided:
        vain = "--preset" if preset is not None else FLAG_OF_PATH.get(decided[0], f"--set {decided[0]}")
        raise SettingsError(f"--cooldown {steps} and the checkpoint's settings decide about {vain}; leave it out.")
    from hpcmbal.training.checkpoint import open_checkpoint
    from hpcmbal.training.cooldown import cooldown_settings

    settings: dict[str, dict[str, object]] = cooldown_settings(
        open_checkpoint(Path(str(checkpoint))), steps
    ).model_dump()
    return settings


def _stored_settings(path: Path, preset: str | None, given: dict[str, object]) -> dict[str, dict[str, object]]:
    """Settings of the run that a checkpoint belongs to, as far as a preset leaves them, and its folder as found now."""
    from hpcmbal.model_files.store import CHECKPOINTS
    from hpcmbal.training.checkpoint import open_checkpoint

    checkpoint = open_checkpoint(path)
    base = resumed_base(checkpoint.settings, preset=preset is not None)
    if checkpoint.folder.parent.name == CHECKPOINTS:
        base.setdefault("output", {})["save_path"] = checkpoint.folder.parent.parent
    logs = checkpoint.settings.output.log_dir
    if logs is not None and "output.log_dir" not in given:
        _say(f"The run wrote its logs to {logs}; now they go to the run's folder. --log-dir {logs} goes on there.")
    return base


def _dry_run(resolved: ResolvedSettings, as_json: bool, preset: str | None) -> None:
    items = _preflight(resolved.settings, preset)
    if not as_json:
        render_settings(resolved)
        typer.echo("\nPre-flight")
        items = _shown(items)
    found = list(items)
    if as_json:
        rows = [{"name": item.name, "status": item.status, "detail": item.detail} for item in found]
        report = {"settings": resolved.settings.model_dump(mode="json"), "preflight": rows}
        typer.echo(json.dumps(report, indent=2))
    failed = [item.name for item in found if item.status == "error"]
    if failed:
        raise HpcmbalError(f"The pre-flight failed: {', '.join(failed)}. A training would stop there.")


def _preflight(settings: TrainSettings, preset: str | None) -> Iterator[PreflightItem]:
    from hpcmbal.cli.progress import waiting

    items: Iterator[PreflightItem] | None = None
    while True:
        with waiting("looking at data, model and machine, and measuring a step"):
            if items is None:
                from hpcmbal.training.preflight import run_preflight

                items = run_preflight(settings, preset=preset)
            item = next(items, None)
        if item is None:
            return
        yield item


def _shown(items: Iterable[PreflightItem]) -> Iterator[PreflightItem]:
    """The same items, each written when it comes."""
    for number, item in enumerate(items, start=1):
        status = "" if item.status == "ok" else f"{item.status}: "
        tell(f"  {number}. {item.name}: {status}{item.detail}")
        yield item


def _train(settings: TrainSettings, as_json: bool, started: float, preset: str | None) -> None:
    if not _is_first_rank():
        from hpcmbal.training.trainer import train

        train(settings, started=started)
        return
    items = _preflight(settings, preset)
    if not as_json:
        typer.echo("Pre-flight")
        items = _shown(items)
    seconds = next((item.step_seconds for item in list(items) if item.step_seconds is not None), None)
    from hpcmbal.cli.progress import build_reporter
    from hpcmbal.training.trainer import train

    reporter = build_reporter(to_stderr=as_json, step_seconds=seconds)
    with reporter:
        result = train(settings, reporter, started=started)
    if as_json:
        typer.echo(json.dumps(dataclasses.asdict(result), indent=2, default=str))
    if result.interrupted:
        raise typer.Exit(EXIT_INTERRUPTED)


def _say(text: str) -> None:
    if _is_first_rank():
        say(text)


def _is_first_rank() -> bool:
    """Whether this process speaks for all that `torchrun` started; alone, it does."""
    return os.environ.get("RANK", "0") == "0"


def _parameter_name(flag: str) -> str:
    return flag.strip("-").replace("-", "_").replace("lambda", "lmbda")


def _signature() -> inspect.Signature:
    """The flags as Typer reads them. Values stay text here: settings convert and check them, all problems at once."""
    descriptions = setting_paths(TrainSettings)
    fixed: dict[str, tuple[Any, Any]] = {
        "preset": (
            str | None,
            typer.Option(
                "--preset",
                metavar="NAME",
                help="Recipe: a name from `hpcmbal presets list`, or a .yaml file.",
                autocompletion=completing(presets),
            ),
        ),
        "assignments": (
            list[str] | None,
            typer.Option("--set", metavar="SECTION.FIELD=VALUE", help="Any setting by its path; may be repeated."),
        ),
        "cooldown": (
            int | None,
            typer.Option(
                "--cooldown",
                metavar="STEPS",
                min=1,
                help="Branch off --checkpoint into a run of its own, in which the learning rate falls over so many "
                "steps; the other run can go on.",
            ),
        ),
        "dry_run": (
            bool,
            typer.Option("--dry-run", help="Show the resolved settings and the pre-flight, then stop."),
        ),
        "as_json": (bool, typer.Option("--json", help="Write settings or result to standard output as JSON.")),
    }
    for flag, path in FLAGS.items():
        section, _, field = path.partition(".")
        panel, metavar = _PANELS[section], _METAVARS[field]
        names = completing(_NAMES[path]) if path in _NAMES else None
        option = typer.Option(
            flag, metavar=metavar, help=descriptions[path], rich_help_panel=panel, autocompletion=names
        )
        fixed[_parameter_name(flag)] = (list[str] | None if flag in REPEATED_FLAGS else str | None, option)
    for flag, text in SWITCHES.items():
        fixed[_parameter_name(flag)] = (bool, typer.Option(flag, help=text, rich_help_panel=_SWITCH_PANELS[flag]))
    return inspect.Signature(
        [
            inspect.Parameter(
                name,
                inspect.Parameter.KEYWORD_ONLY,
                default=False if kind is bool else None,
                annotation=Annotated[kind, option],
            )
            for name, (kind, option) in fixed.items()
        ]
    )


_SIGNATURE = _signature()
train_command.__signature__ = _SIGNATURE  # type: ignore[attr-defined]
train_command.__annotations__ = {name: item.annotation for name, item in _SIGNATURE.parameters.items()}
app.command("train", epilog=EXAMPLES)(train_command)
