"""Text for people: names and messages as a terminal can show them, tables, and lines on standard error."""

from __future__ import annotations

import errno
import sys
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import typer

from hpcmbal.errors import HpcmbalError, HpcmbalWarning, told
from hpcmbal.settings.flags import command_line_words
from hpcmbal.settings.problems import InvalidSettingsError
from hpcmbal.visible_text import shortened, visible

EXIT_OS_ERROR = 1
EXIT_INTERRUPTED = 130


def message(text: str, keep: str = "") -> str:
    """A message of the library in the words of the command line."""
    return visible(told(text, command_line_words), keep)


def error_text(error: HpcmbalError | OSError) -> str:
    """What was wrong, for a terminal; of what the operating system refused, also what to do about it."""
    if isinstance(error, HpcmbalError):
        # Problems with settings are told one a line; in other messages a line break is part of a name.
        keep = "\n" if isinstance(error, InvalidSettingsError) else ""
        return message(str(error.args[0]) if error.args else type(error).__name__, keep)
    where = f" ({visible(error.filename)})" if error.filename else ""
    what = (error.strerror or str(error)).lower()
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return f"{what}{where}. What was saved before is intact; free some space or write elsewhere."
    if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
        return f"{what}{where}. Choose a place that you may read and write, or change its permissions."
    return f"{what}{where}."


def say(text: str, keep: str = "") -> None:
    """Write a line about what is going on to standard error; brackets are brackets."""
    sys.stderr.write(f"{message(text, keep)}\n")


def tell(text: str, *, to_stderr: bool = False) -> None:
    """Write a line of the result to standard output, or where only JSON belongs there to standard error."""
    typer.echo(message(text), err=to_stderr)


@contextmanager
def warnings_as_lines() -> Iterator[None]:
    """Show each of the package's warnings as one line on standard error; others as Python does."""
    with warnings.catch_warnings():
        show = warnings.showwarning

        def show_line(text: Warning | str, category: type[Warning], *details: object) -> None:
            if issubclass(category, HpcmbalWarning):
                say(f"hpcmbal: warning: {text}")
            else:
                show(text, category, *details)  # type: ignore[arg-type]

        warnings.showwarning = show_line  # type: ignore[assignment]
        yield


def print_table(
    titles: Sequence[str],
    rows: Sequence[Sequence[str]],
    *,
    right: Sequence[str] = (),
    to_stderr: bool = False,
) -> None:
    """A table for a terminal; lines of fields between tabs elsewhere.

    Args:
        titles: Of the columns. The first is never cut; it is folded where it is too long.
        rows: Cells are shown as they are: brackets are no markup.
        right: Columns that are aligned on the right.
        to_stderr: Where to write it.
    """
    if not (sys.stderr if to_stderr else sys.stdout).isatty():
        for row in (titles, *rows):
            typer.echo("\t".join(map(_cell, row)), err=to_stderr)
        return
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False)
    for name in titles:
        table.add_column(Text(name), justify="right" if name in right else "left", overflow="fold")
    for row in rows:
        table.add_row(*(Text(_cell(cell)) for cell in row))
    Console(stderr=to_stderr, highlight=False).print(table)


def _cell(text: str) -> str:
    return shortened(visible(text))


def clock_text(seconds: float) -> str:
    """A duration as a clock shows it.

    >>> clock_text(75), clock_text(3675)
    ('1:15', '1:01:15')
    """
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"
