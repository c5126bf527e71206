"""Problems with settings: found one by one, told to the user all together."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from hpcmbal.errors import SettingsError, one_line, shown_value


@dataclass(frozen=True)
class Source:
    """Where a setting's value came from.

    Attributes:
        kind: `default`, `checkpoint`, `preset`, `set`, `python` or `flag`, from weakest to strongest.
        label: The preset's name, the flag as the user knows it, or `--set`; of a default, what to call the setting;
            empty otherwise and in Python.
        switch: The flag stands for several settings and has no value.
    """

    kind: str
    label: str = ""
    switch: bool = False

    @property
    def explicit(self) -> bool:
        """The user typed this setting for this very run, rather than taking it from a recipe."""
        return self.kind in ("set", "flag", "python")


DEFAULT = Source("default")
PYTHON = Source("python")


@dataclass(frozen=True)
class Problem:
    """One setting that is wrong.

    Attributes:
        path: The setting, as `field` or `section.field`.
        value: What was found.
        rule: What is allowed, or what to do.
        source: Who set it.
    """

    path: str
    value: object
    rule: str
    source: Source = DEFAULT

    def __str__(self) -> str:
        """The setting with its value and the rule that it breaks, a line of an error's message (`errors.setting`)."""
        return one_line(f"{self._subject()}: {self.rule}")

    def _subject(self) -> str:
        value = None if self.value is None or self.value == () else shown_value(self.value)
        if self.source.kind == "flag":
            shown = self.source.label if value is None or self.value is True else f"{self.source.label} {value}"
            return f"{shown} ({self.path})" if "." in self.path else shown
        if self.source.label == "--set":
            return f"--set {self.path}={value}"
        if self.source.kind == "preset":
            return f"{self.path} = {value} in preset '{self.source.label}'"
        name = self.source.label or self.path
        return name if value is None else f"{name} = {value}"


class InvalidSettingsError(SettingsError):
    """Settings that cannot be used; `problems` holds every one that was found, `source` the file if there is one."""

    def __init__(self, problems: Sequence[Problem], source: str = "") -> None:
        self.problems = tuple(problems)
        self.source = source
        lines = [str(problem) for problem in self.problems]
        if len(lines) > 1:
            numbered = [f"  {number}. {line}" for number, line in enumerate(lines, start=1)]
            lines = [f"{len(lines)} problems with the settings:", *numbered]
        if source:
            lines[0] = f"{one_line(source)}: {lines[0]}"
        super().__init__("\n".join(lines))

    def __reduce__(self) -> tuple[type[InvalidSettingsError], tuple[tuple[Problem, ...], str]]:
        """Made again from its problems, when it comes from a worker process."""
        return type(self), (self.problems, self.source)


def check_none(problems: Sequence[Problem]) -> None:
    """Raise `InvalidSettingsError` if there are any problems."""
    if problems:
        raise InvalidSettingsError(problems)


def suggestion(word: str, known: Iterable[str]) -> str:
    """`; perhaps you mean 'x'` for the closest known word, or an empty string."""
    matches = difflib.get_close_matches(word, list(known), n=1)
    return f"; perhaps you mean '{matches[0]}'" if matches else ""
