"""The `hpcmbal` command: its subcommands, each imported when it is called, and the one place that shows errors."""

from __future__ import annotations

import importlib
import io
import os
import sys
import traceback
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Annotated, Any, NamedTuple, NoReturn

import typer
from typer.core import TyperGroup

from hpcmbal import __version__
from hpcmbal.cli.repeated import refuse_repeated_options
from hpcmbal.cli.spelling import accept_prototype_spelling
from hpcmbal.cli.text import EXIT_INTERRUPTED, EXIT_OS_ERROR, error_text, warnings_as_lines
from hpcmbal.errors import HpcmbalError, told
from hpcmbal.visible_text import visible

DEBUG_FLAG = "--debug"
DEBUG_VARIABLE = "HPCMBAL_DEBUG"
USAGE_ERROR: Any = typer.BadParameter.__mro__[1]
"""Of click, or of the copy of it that newer releases of Typer hold."""


class LazyCommand(NamedTuple):
    """A subcommand whose module, with its `app`, is imported only when it is called."""

    module: str
    help: str


COMMANDS: dict[str, LazyCommand] = {
    "compress": LazyCommand("hpcmbal.cli.compress", "Compress images to .hpcm files."),
    "decompress": LazyCommand("hpcmbal.cli.decompress", "Decompress .hpcm files to images."),
    "info": LazyCommand("hpcmbal.cli.info", "Show what a compressed file says about itself."),
    "train": LazyCommand("hpcmbal.cli.train", "Train a model."),
    "reconstruct": LazyCommand("hpcmbal.cli.reconstruct", "Show a photo beside what a model makes of it."),
    "inspect": LazyCommand("hpcmbal.cli.inspect", "Show where a model spends its bits on a photo, and where it errs."),
    "ablate": LazyCommand("hpcmbal.cli.ablate", "Compare variants of a training: seeds, intervals, a verdict."),
    "eval": LazyCommand("hpcmbal.cli.eval", "Measure models and other codecs: curves, BD-rates, a report."),
    "find-quality": LazyCommand("hpcmbal.cli.find_quality", "Find the quality for a wanted rate or PSNR."),
    "plot-run": LazyCommand("hpcmbal.cli.plot_run", "Draw the curves of trainings from their logs."),
    "plot-gammas": LazyCommand("hpcmbal.cli.plot_gammas", "Draw the gamma strategies."),
    "presets": LazyCommand("hpcmbal.cli.presets", "List, show and check training recipes."),
    "plugins": LazyCommand("hpcmbal.cli.plugins", "Show what installed packages add."),
    "import-checkpoint": LazyCommand("hpcmbal.cli.import_checkpoint", "Turn released HPCM weights into a model file."),
    "export-checkpoint": LazyCommand("hpcmbal.cli.export_checkpoint", "Write weights as CompressAI's tools read them."),
    "export-onnx": LazyCommand("hpcmbal.cli.export_onnx", "Write a model's networks as ONNX files."),
}
"""Every subcommand: one module with a `typer.Typer` named `app`, and one line here."""


@contextmanager
def _shown_usage_errors() -> Iterator[None]:
    """Let Typer's own errors, which quote what was typed, show it as all other messages do."""
    try:
        yield
    except USAGE_ERROR as error:
        error.message = visible(told(error.message), keep="\n")
        raise


class LazyGroup(TyperGroup):
    """Shows the help lines of all subcommands without importing any, and imports the one that is called."""

    def resolve_command(self, ctx: Any, args: list[str]) -> tuple[str | None, Any, list[str]]:
        """Put the real command in the place of its stand-in."""
        name, command, rest = super().resolve_command(ctx, args)
        if name in COMMANDS:
            command = typer.main.get_command(importlib.import_module(COMMANDS[name].module).app)
            refuse_repeated_options(command)
        return name, command, rest

    def make_context(self, *args: Any, **kwargs: Any) -> Any:
        """Read the options before the command, whose errors quote what was typed."""
        with _shown_usage_errors():
            return super().make_context(*args, **kwargs)

    def invoke(self, ctx: Any) -> Any:
        """Run, and let Ctrl-C end with the exit code that shells expect."""
        try:
            with _shown_usage_errors():
                return super().invoke(ctx)
        except KeyboardInterrupt:
            sys.stderr.write("\nhpcmbal: interrupted.\n")
            raise typer.Exit(EXIT_INTERRUPTED) from None


app = typer.Typer(
    cls=LazyGroup,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog="First steps: [bold]hpcmbal train --preset quickstart[/bold], then [bold]hpcmbal presets list[/bold].",
)


def _show_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"hpcmbal {__version__}")
        raise typer.Exit


@app.callback()
def _root(
    version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Show the version and exit.")
    ] = False,
    debug: Annotated[
        bool, typer.Option(DEBUG_FLAG, help=f"Show tracebacks of errors; also by {DEBUG_VARIABLE}=1.")
    ] = False,
) -> None:
    """Learned image compression with HPCM and balanced rate-distortion optimisation."""


def _stand_in() -> None:
    raise AssertionError("replaced by LazyGroup.resolve_command before it is called")


for _name, _command in COMMANDS.items():
    app.command(_name, help=_command.help)(_stand_in)


def main(argv: Sequence[str] | None = None) -> int:
    """Run `hpcmbal` with `argv` (those of the process if not given) and return its exit code.

    The one place where errors become text: an expected error is a message on stderr and the exit code of its class.
    """
    arguments = list(sys.argv[1:] if argv is None else argv)
    debug = DEBUG_FLAG in arguments or bool(os.environ.get(DEBUG_VARIABLE))
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")  # names may hold bytes that no encoding has
    # CompressAI scripts functions when it is imported; users can do nothing about torch calling that deprecated.
    warnings.filterwarnings("ignore", message="`torch.jit.script` is deprecated")
    # Pillow warns of damaged metadata in words and places of its own; what it means for a picture is told by ours.
    warnings.filterwarnings("ignore", category=UserWarning, module=r"PIL\.")
    try:
        with warnings_as_lines():
            _run([argument for argument in arguments if argument != DEBUG_FLAG])
    except SystemExit as leaving:
        return leaving.code if isinstance(leaving.code, int) else int(leaving.code is not None)
    except KeyboardInterrupt:
        return EXIT_INTERRUPTED
    except HpcmbalError as error:
        _show(error_text(error), debug)
        return error.exit_code
    except OSError as error:
        _show(error_text(error), debug)
        return EXIT_OS_ERROR


def _run(arguments: list[str]) -> NoReturn:
    app(args=accept_prototype_spelling(arguments), prog_name="hpcmbal")
    raise SystemExit(0)


def _show(message: str, debug: bool) -> None:
    if debug:
        sys.stderr.write(visible(traceback.format_exc(), keep="\n"))
    sys.stderr.write(f"hpcmbal: {message}\n")
