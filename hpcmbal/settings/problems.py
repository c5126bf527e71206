"""Problems with settings: found one by one, told to the user all together."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from hpcmbal.errors import SettingsError


@dataclass(frozen=True)
class Source:
    """Where a setting's value came from.

    Attributes:
        kind: `default`, `preset`, `set` or `flag`, from weakest to strongest.
        label: The preset's name, or the flag as the user knows it; empty otherwise.
    """

    kind: str
    label: str = ""

    @property
    def explicit(self) -> bool:
        """The user typed this setting for this very run, rather than taking it from a recipe."""
        return self.kind in ("set", "flag")


DEFAULT = Source("default")


@dataclass(frozen=True)
class Problem:
    """One setting that is wrong.

    Attributes:
        path: The setting, as `section.field`.
        value: What was found.
        rule: What is allowed, or what to do.
        source: Who set it.
    """

    path: str
    value: object
    rule: str
    source: Source = DEFAULT

    def __str__(self) -> str:
        return f"{self._subject()}: {self.rule}"

    def _subject(self) -> str:
        value = _shown(self.value)
        if self.source.kind == "flag":
            shown = self.source.label if self.value is True else f"{self.source.label} {value}"
            return f"{shown} ({self.path})"
        if self.source.kind == "set":
            return f"--set {self.path}={value}"
        if self.source.kind == "preset":
            return f"{self.path} = {value} in preset '{self.source.label}'"
        return self.path if self.value is None else f"{self.path} = {value}"


class InvalidSettingsError(SettingsError):
    """Settings that cannot be used; `problems` holds every one that was found."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        self.problems = tuple(problems)
        if len(self.problems) == 1:
            super().__init__(str(self.problems[0]))
            return
        lines = [f"  {number}. {problem}" for number, problem in enumerate(self.problems, start=1)]
        super().__init__("\n".join([f"{len(self.problems)} problems with the settings:", *lines]))


def check_none(problems: Sequence[Problem]) -> None:
    """Raise `InvalidSettingsError` if there are any problems."""
    if problems:
        raise InvalidSettingsError(problems)


def suggestion(word: str, known: Iterable[str]) -> str:
    """`; perhaps you mean 'x'` for the closest known word, or an empty string."""
    matches = difflib.get_close_matches(word, list(known), n=1)
    return f"; perhaps you mean '{matches[0]}'" if matches else ""


def _shown(value: object) -> str:
    if isinstance(value, list | tuple):
        return ",".join(map(str, value))
    return str(value).lower() if isinstance(value, bool) else str(value)
