"""`hpcmbal ablate`: options into the settings of a study, its progress and its results onto the terminal."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from hpcmbal.cli.command import CLUSTER, command_app, field_option
from hpcmbal.cli.text import EXIT_INTERRUPTED, say, tell
from hpcmbal.cli.words import completing, presets, studies
from hpcmbal.errors import HpcmbalError, SettingsError, setting
from hpcmbal.settings.check import build
from hpcmbal.settings.flags import option_of
from hpcmbal.settings.layers import Entry
from hpcmbal.settings.problems import Source
from hpcmbal.settings.study import StudySettings

if TYPE_CHECKING:
    from hpcmbal.ablation.run.study_runner import OnRun
    from hpcmbal.ablation.session import PreparedStudy, StudyResult
    from hpcmbal.cli.study_progress import StudyProgress


EXAMPLES = """\
[bold]Examples[/bold]

hpcmbal ablate gamma

hpcmbal ablate scale-weights --seeds 5 --lambdas 0.0035,0.0067,0.013,0.025 --eval-data kodak/ --plan

hpcmbal ablate gamma --show > mine.yaml, change it, then hpcmbal ablate grid mine.yaml

hpcmbal ablate balancing --engine ray --address auto --gpus-per-run 1 -o /shared/balancing
"""

app = command_app()

_STUDY = "Study"
_option = partial(field_option, StudySettings, panel=_STUDY)


@app.command("ablate", epilog=EXAMPLES, no_args_is_help=True)
def ablate_command(
    study: Annotated[
        str,
        typer.Argument(
            metavar="STUDY",
            help=f"{', '.join(studies()[:-1])}; or grid, with the FILE of your own study.",
            autocompletion=completing(studies),
        ),
    ],
    file: Annotated[Path | None, typer.Argument(metavar="[FILE]", help="With grid: the study's .yaml file.")] = None,
    *,
    long: Annotated[bool, _option("long", panel=None)] = False,
    base_preset: Annotated[str | None, _option("base_preset", metavar="NAME", words=presets)] = None,
    lambdas: Annotated[str | None, _option("lambdas", metavar="X,X,...")] = None,
    qualities: Annotated[str | None, _option("qualities", metavar="Q,Q,...")] = None,
    seeds: Annotated[str | None, _option("seeds", metavar="N")] = None,
    epochs: Annotated[str | None, _option("epochs", metavar="N")] = None,
    max_steps: Annotated[str | None, _option("max_steps", metavar="N")] = None,
    horizons: Annotated[str | None, _option("horizons", metavar="N,N,...")] = None,
    train_data: Annotated[Path | None, _option("train_data", metavar="FOLDER")] = None,
    eval_data: Annotated[Path | None, _option("eval_data", metavar="FOLDER")] = None,
    assignments: Annotated[
        list[str] | None,
        typer.Option(
            "--set", metavar="SECTION.FIELD=VALUE", help="A setting of all arms; repeatable.", rich_help_panel=_STUDY
        ),
    ] = None,
    output: Annotated[str | None, _option("output", "-o", metavar="FOLDER", panel=None)] = None,
    plan: Annotated[bool, typer.Option("--plan", help="Show the plan, then stop.")] = False,
    show: Annotated[bool, typer.Option("--show", help="Write the study's file, to be copied, then stop.")] = False,
    retry_failed: Annotated[bool, _option("retry_failed", panel=None)] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Write plan or results to standard output as JSON.")] = False,
    jobs: Annotated[str | None, _option("jobs", "-j", metavar="N", panel=None)] = None,
    engine: Annotated[str | None, _option("engine", panel=CLUSTER)] = None,
    address: Annotated[str | None, _option("address", metavar="auto|HOST:PORT", panel=CLUSTER)] = None,
    cpus_per_run: Annotated[str | None, _option("cpus_per_run", panel=CLUSTER)] = None,
    gpus_per_run: Annotated[str | None, _option("gpus_per_run", panel=CLUSTER)] = None,
) -> None:
    """Train arms that differ in one thing, with the same seeds and batches, and compare them in pairs.

    The plan is shown first. Runs that are done are skipped and an interrupted one goes on: call the command again.
    """
    given = {name: value for name, value in locals().items() if name in StudySettings.model_fields}
    given["set"] = assignments
    settings = build(
        StudySettings,
        {
            name: Entry(value, Source("flag", str(option_of(name))))
            for name, value in given.items()
            if value not in (None, False)
        },
    )
    from hpcmbal.ablation.session import ablate, named_study, prepare_study

    if show:
        others = [name for name in ("set", "output", "retry_failed", "jobs") if getattr(settings, name)]
        others += [name for name, value in settings.changes.items() if value is not None]
        others += [name for name, value in (("plan", plan), ("json", as_json)) if value]
        if others:
            raise SettingsError(
                f"{setting('show', True)} writes the study's file as it is: leave "
                f"{', '.join(map(setting, others))} out."
            )
        typer.echo(named_study(settings).read_text(encoding="utf-8"), nl=False)
        return
    view = _View(as_json=as_json, only_plan=plan)
    if plan:
        view.planned(prepare_study(settings, view))
        return
    try:
        _finish(ablate(settings, view), as_json=as_json)
    except KeyboardInterrupt:
        if view.progress is None:
            raise
        say("")
        say(
            f"hpcmbal: interrupted with {view.count_done} runs done; those that were running have saved. The same "
            "command goes on from there."
        )
        raise typer.Exit(EXIT_INTERRUPTED) from None


class _View:
    """The plan, and the progress of the runs; on standard error if standard output is JSON."""

    def __init__(self, *, as_json: bool, only_plan: bool) -> None:
        self.progress: StudyProgress | None = None
        self._to_stderr, self._only_json = as_json, as_json and only_plan
        self._runs = self._pending = 0

    def measuring(self) -> None:
        say("Measuring a few steps of each kind of arm ...")

    def planned(self, prepared: PreparedStudy) -> None:
        from hpcmbal.cli.study_plan import show_plan

        show_plan(prepared, only_json=self._only_json, to_stderr=self._to_stderr)

    @contextmanager
    def running(self, prepared: PreparedStudy) -> Iterator[OnRun | None]:
        from hpcmbal.cli.study_progress import build_progress

        inventory = prepared.inventory
        self._runs, self._pending = len(prepared.plan.runs), len(inventory.pending)
        with build_progress(
            inventory.folder, inventory.pending, prepared.steps, to_stderr=self._to_stderr
        ) as self.progress:
            yield self.progress.record

    @property
    def count_done(self) -> str:
        """How many runs are done, of how many: "4 of 9"."""
        ended = 0 if self.progress is None else self.progress.ended
        return f"{self._runs - self._pending + ended} of {self._runs}"


def _finish(result: StudyResult, *, as_json: bool) -> None:
    """Tables and sentences; an error at the end if runs failed, so that scripts notice."""
    from hpcmbal.ablation.report.tables import json_object
    from hpcmbal.cli.study_plan import show_comparison

    if as_json:
        typer.echo(json.dumps(json_object(result.comparison), indent=1, allow_nan=False))
    else:
        show_comparison(result.comparison, result.notes)
        tell(f"Report: {result.report}")
    if result.failed:
        run, reason = result.failed[0]
        raise HpcmbalError(
            f"{len(result.failed)} of {result.count_runs} runs failed; {run.name}: {reason} Try them again with "
            f"{setting('retry_failed', True)}."
        )
