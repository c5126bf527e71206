"""The one tree of errors that the package raises on purpose.

Library code raises these and never prints or exits; only the command line's boundary (`hpcmbal.cli.app`) turns them
into one line of text and an exit code. A message says what was wrong, what was found, what is allowed and what to do.
"""

from __future__ import annotations


class HpcmbalError(Exception):
    """Base of every error that a user can cause or mend.

    Attributes:
        exit_code: The process exit code that the command line uses for this kind of error.
    """

    exit_code = 1


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
