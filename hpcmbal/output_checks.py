"""Whether outputs may be written: asked before any work is done for them."""

from __future__ import annotations

import os
import stat
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

from hpcmbal.errors import DataError, setting


class OutputExistsError(DataError):
    """An output exists, and nobody said that it may be overwritten."""


def check_outputs(outputs: Iterable[Path], inputs: Iterable[Path] = (), *, force: bool) -> None:
    """Refuse to destroy: what is about to be written must be no input, and exist already only with `force`.

    Pipes and devices are not destroyed by being written into, so they need no `force`.

    Raises:
        OutputExistsError: An output exists.
        DataError: An output is one of the inputs, after following links, is named twice, is a folder, or lies below
            something that is none.
    """
    outputs = list(outputs)
    check_no_input(outputs, inputs)
    for place, count in Counter(map(os.path.realpath, outputs)).items():
        if count > 1:
            raise DataError(f"{place} would be written {count} times. Choose different places.")
    for output in outputs:
        found = _found(output)
        if found is None:
            check_above(output)
        elif stat.S_ISDIR(found.st_mode):
            raise DataError(f"{output} is a folder, and a file is to be written. Choose another {setting('output')}.")
        elif stat.S_ISREG(found.st_mode) and not force:
            raise OutputExistsError(
                f"{output} exists already. Overwrite it with {setting('force')}, or choose another {setting('output')}."
            )


def check_no_input(outputs: Iterable[Path], inputs: Iterable[Path]) -> None:
    """Raise `DataError` if one of the outputs is one of the inputs, after following links."""
    inputs = list(inputs)
    places = set(map(os.path.realpath, inputs))
    files = {(found.st_dev, found.st_ino) for path in inputs if (found := _found(path)) is not None}
    for output in outputs:
        found = _found(output)
        if os.path.realpath(output) in places or (found is not None and (found.st_dev, found.st_ino) in files):
            raise DataError(f"{output} is an input too, and would be destroyed. Choose another {setting('output')}.")


def check_above(output: Path) -> None:
    """Raise `DataError` for a place below something that is no folder: before any work is done for it."""
    above = next((folder for folder in output.parents if _found(folder) is not None), None)
    if above is not None and not above.is_dir():
        raise DataError(f"{above} is no folder, so nothing can lie below it. Choose another {setting('output')}.")


def _found(path: Path) -> os.stat_result | None:
    try:
        return path.stat()
    except OSError:
        return None
