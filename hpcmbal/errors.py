"""The one tree of errors that the package raises on purpose.

Library code raises these and never prints or exits; only the command line's boundary (`hpcmbal.cli.app`) turns them
into one line of text and an exit code. A message says what was wrong, what was found, what is allowed and what to do.
"""

from __future__ import annotations

import re
from itertools import islice
from typing import Protocol

from hpcmbal.visible_text import shortened, visible, without_credentials

_BEGIN, _VALUE, _END = "\ue000", "\ue001", "\ue002"  # private use: in no value and no file name that people have
_MENTION = re.compile(f"{_BEGIN}([^{_VALUE}{_END}]*)(?:{_VALUE}([^{_END}]*))?{_END}")

_MAX_PARTS = 10
"""Of a list in a message."""
_LONG_WORD = re.compile(r"\S{1001,}")  # a path may well have hundreds of letters
_LONG_LINE = re.compile(r".{5001,}")


class Words(Protocol):
    """How a setting is called where the reader stands."""

    def __call__(self, path: str, value: str | None = None) -> str:
        """The setting `path`, with its value if there is one."""


def python_words(path: str, value: str | None = None) -> str:
    """A setting as Python programs give it: `quality`, `quality=30`."""
    return path if value is None else f"{path}={value}"


def setting(path: str, value: object = None) -> str:
    """Mention a setting in an error's message, so that each reader is told in the own words.

    >>> error = HpcmbalError(f"Leave {setting('quality')} out, or give {setting('engine', 'ray')}.")
    >>> str(error)
    'Leave quality out, or give engine=ray.'

    `hpcmbal.settings.flags.command_line_words` makes `--quality` and `--engine ray` of them.
    """
    return _BEGIN + path + ("" if value is None else f"{_VALUE}{typed_value(value)}") + _END


def told(text: str, words: Words = python_words) -> str:
    """A text with the settings that it mentions in `words`; passwords in URLs and endless values are left out."""
    text = without_credentials(_MENTION.sub(lambda found: words(found[1], found[2]), text))
    return _LONG_LINE.sub(lambda line: shortened(line[0], 5000), _LONG_WORD.sub(lambda word: shortened(word[0]), text))


def typed_value(value: object) -> str:
    r"""A setting's value as one would type it, whole, on one line.

    >>> typed_value([True, "two\nlines"])
    'true,two\\nlines'
    """
    if isinstance(value, dict):
        return ",".join(f"{visible(name)}={typed_value(part)}" for name, part in value.items())
    if isinstance(value, list | tuple):
        return ",".join(map(typed_value, value))
    return visible(str(value).lower() if isinstance(value, bool) else value)


def shown_value(value: object) -> str:
    """A setting's value as a message shows it: of a long text the ends, of a long list the beginning.

    >>> shown_value(list(range(3000)))
    '0,1,2,3,4,5,6,7,8,9,…(3,000 values)'
    """
    if not isinstance(value, dict | list | tuple):
        return shortened(typed_value(value))
    # Of a list in a list as well: YAML's aliases make endless ones of few letters.
    first = islice(value.items() if isinstance(value, dict) else value, _MAX_PARTS)
    shown = [
        f"{visible(part[0])}={shown_value(part[1])}" if isinstance(value, dict) else shown_value(part) for part in first
    ]
    shown += [f"…({len(value):,} values)"] if len(value) > _MAX_PARTS else []
    return shortened(",".join(shown))


def one_line(text: str) -> str:
    """A part of a message in which whatever outside text it holds cannot begin a line of its own; mentions stay."""
    return visible(text, keep=_BEGIN + _VALUE + _END)


class HpcmbalError(Exception):
    """Base of every error that a user can cause or mend.

    Attributes:
        exit_code: The process exit code that the command line uses for this kind of error.
    """

    exit_code = 1

    def __str__(self) -> str:
        """The message in the words of Python."""
        return self.told(python_words)

    def told(self, words: Words) -> str:
        """The message, with the settings that it mentions in `words`."""
        return told(super().__str__(), words)


class HpcmbalWarning(UserWarning):
    """Base of the warnings that a user should read: the command line shows each as one line."""


class SettingsError(HpcmbalError):
    """A setting, preset or flag is wrong; carries every problem that was found, not only the first."""

    exit_code = 2


class MissingExtraError(SettingsError):
    """A feature needs an optional dependency that is not installed; the message gives the install command."""

    def __init__(self, feature: str, extra: str) -> None:
        super().__init__(f"{feature} needs the optional extra '{extra}'. Install it: pip install 'hpcmbal[{extra}]'")
        self._arguments = (feature, extra)

    def __reduce__(self) -> tuple[type[MissingExtraError], tuple[str, str]]:
        """Made again from what it was made of, when it comes from a worker process."""
        return type(self), self._arguments


class DataError(HpcmbalError):
    """An image or a folder of images cannot be used."""

    exit_code = 3


class BitstreamError(HpcmbalError):
    """A compressed file is damaged, truncated, or was made for another model."""

    exit_code = 4


class CheckpointError(HpcmbalError):
    """A checkpoint cannot be read, does not fit the model, or cannot be written."""

    exit_code = 5


class NumericalError(HpcmbalError):
    """A computation left the range in which its result means anything (NaN, infinity, overflow of the exact path)."""

    exit_code = 6
