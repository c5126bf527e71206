"""From inputs and an output to jobs: which file becomes which, and what is left out.

The rules: an output is named like its input, with another extension; where two inputs would become one file, both keep
their own extension too (`a.jpg.hpcm`, `a.png.hpcm`). A slash at its end, several inputs or a folder among them make the
output a folder, which keeps the tree of `recursive` folders; else it is a file, with an extension of ours. Hidden files
are no one's pictures. No output may be an input.
"""

from __future__ import annotations

import os
import stat
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from hpcmbal.codec.files.job import STREAM, Job
from hpcmbal.errors import DataError, HpcmbalError, SettingsError, setting
from hpcmbal.output_checks import check_no_input, check_outputs
from hpcmbal.settings.coding import STANDARD_STREAM, FilesSettings

START_BYTES = 32
"""By which kinds of files are known."""

LONGEST_NAME = 255
"""Bytes of a file's name on all common file systems."""

SUBFOLDER = "subfolder"


@dataclass(frozen=True)
class Naming:
    """What a command reads and what it writes.

    Attributes:
        reads: Whether a file of a folder is meant, by its name in lower case.
        ignores: Names that are not even counted as left out: the command's own outputs.
        extension_of: The extension of an input's output, with its dot.
        writes: Extensions that an output may have; the first one is for examples.
        check_start: Raises an error that says what a file is, if its first bytes are not what the command reads.
    """

    reads: Callable[[str], bool]
    ignores: Callable[[str], bool]
    extension_of: Callable[[Path], str]
    writes: Sequence[str]
    check_start: Callable[[bytes], None]


@dataclass(frozen=True)
class Plan:
    """What is to be done.

    Attributes:
        jobs: In the order of the inputs; of a folder, by name.
        done_before: Jobs whose output exists, if they are to be skipped.
        left_out: What of the folders is not read, and why, with settings mentioned (`errors.setting`); may be empty.
    """

    jobs: tuple[Job, ...]
    done_before: tuple[Job, ...] = ()
    left_out: str = ""


def plan_jobs(settings: FilesSettings, naming: Naming) -> Plan:
    """Pair inputs with outputs.

    Raises:
        SettingsError: The output does not suit the inputs.
        DataError: A folder holds nothing to do, two inputs would have the same output, or an output is an input.
        HpcmbalError: The place of an output is taken, and its input is not what the command reads.
    """
    left_out: Counter[str] = Counter()
    found = [pair for path in settings.inputs for pair in _files(path, settings.recursive, naming, left_out)]
    distinct: dict[tuple[str, Path], tuple[Path, Path]] = {}  # a file named twice, or beside its folder, is one file
    for source, place in found:
        distinct.setdefault((os.path.normpath(source.absolute()), place), (source, place))
    found = list(distinct.values())
    folders = [path for path in settings.inputs if path != STREAM and path.is_dir()]
    targets = _targets(settings, naming, found, many=len(settings.inputs) > 1 or bool(folders))
    jobs = [Job(source, target) for (source, _), target in zip(found, targets, strict=True)]
    _check_distinct(jobs)
    sources = [job.source for job in jobs if job.source != STREAM]
    for job in jobs:
        if job.target != STREAM:
            _check_place(job, sources, naming, force=settings.force or len(jobs) > 1)
    skipped = [job for job in jobs if settings.skip_existing and job.target != STREAM and job.target.exists()]
    counts = _counted(left_out)
    return Plan(
        tuple(job for job in jobs if job not in skipped), tuple(skipped), f"Left out: {counts}." if counts else ""
    )


def _counted(left_out: Counter[str]) -> str:
    return ", ".join(
        f"{count} {what if count == 1 else what.replace(SUBFOLDER, f'{SUBFOLDER}s')}"
        for what, count in left_out.items()
    )


def _files(path: Path, recursive: bool, naming: Naming, left_out: Counter[str]) -> list[tuple[Path, Path]]:
    """The files that an input means, each with its place in the tree of the output, still under its own name."""
    if path == STREAM or not path.is_dir():
        return [(path, Path(path.name))]
    found = sorted(_in_folder(path, recursive, naming, left_out), key=lambda file: file.relative_to(path).parts)
    if not found:
        reasons = _counted(left_out)
        raise DataError(f"{path}: the folder holds no file to work on{f' ({reasons})' if reasons else ''}.")
    return [(file, file.relative_to(path)) for file in found]


def _in_folder(root: Path, recursive: bool, naming: Naming, left_out: Counter[str]) -> Iterator[Path]:
    waiting, visited = [root], set()
    while waiting:
        folder = waiting.pop()
        real = os.path.realpath(folder)
        if real in visited:  # a link to a folder above itself would be walked for ever
            continue
        visited.add(real)
        for path in sorted(folder.iterdir()):
            if naming.ignores(path.name.lower()):
                continue
            if path.name.startswith("."):
                left_out["hidden"] += 1
            elif path.is_dir():
                if recursive:
                    waiting.append(path)
                else:
                    left_out[f"{SUBFOLDER} (see {setting('recursive')})"] += 1
            elif not path.is_file():
                left_out["special (no regular file)"] += 1
            elif naming.reads(path.name.lower()):
                yield path
            else:
                left_out[f"{path.suffix.lower() or 'without extension'} (not a format that is read)"] += 1


def _targets(settings: FilesSettings, naming: Naming, found: Sequence[tuple[Path, Path]], *, many: bool) -> list[Path]:
    output = settings.output
    if output == STANDARD_STREAM or (output is None and settings.inputs == (STREAM,)):
        if many:
            raise SettingsError(f"{setting('output', '-')}: standard output takes one file, not a folder of them.")
        return [STREAM]
    if output is None:
        return _named([(source, source) for source, _ in found], naming)
    place = Path(output)
    if many or output.endswith(os.sep) or place.is_dir():
        _check_folder(place, output, naming)
        if settings.inputs == (STREAM,):
            raise SettingsError(f"{setting('output', output)} is a folder; standard input has no name: give a file.")
        return _named([(source, place / relative) for source, relative in found], naming)
    _check_file(place, naming)
    return [place]


def _check_folder(place: Path, typed: str, naming: Naming) -> None:
    if place.exists() and not place.is_dir():
        raise SettingsError(f"{setting('output', typed)} is a file, but a folder is needed here.")
    if not place.exists() and place.suffix.lower() in naming.writes:
        raise SettingsError(
            f"{setting('output', typed)} is the name of a file, but a folder is needed here. "
            f"Give a name without {place.suffix}."
        )


def _check_file(place: Path, naming: Naming) -> None:
    special = place.exists() and not stat.S_ISREG(place.stat().st_mode)  # a pipe or a device has any name
    if special or place.suffix.lower() in naming.writes:
        return
    allowed = ", ".join(naming.writes[:5]) + (" or the like" if len(naming.writes) > 5 else "")
    raise SettingsError(
        f"{setting('output', place)}: a file should end in {allowed}. Give {place.with_suffix(naming.writes[0])}, or "
        f"{place}{os.sep} for a folder."
    )


def _named(pairs: Sequence[tuple[Path, Path]], naming: Naming) -> list[Path]:
    """Where each input's output goes, from the input and its own name in the output's place."""
    extensions = [naming.extension_of(source) for source, _ in pairs]
    full = [_fitting(place, extension) for (_, place), extension in zip(pairs, extensions, strict=True)]
    short = [
        _fitting(place.with_name(place.name.removesuffix(place.suffix)), extension)
        for (_, place), extension in zip(pairs, extensions, strict=True)
    ]
    names = short
    while True:
        shared = {name for name, count in Counter(names).items() if count > 1}
        longer = [long if name in shared else name for name, long in zip(names, full, strict=True)]
        if longer == names:
            return names
        names = longer


def _fitting(place: Path, extension: str) -> Path:
    """`place` with an extension behind its name, shortened where it would be longer than names may be."""
    if place.suffix.lower() == extension:
        place = place.with_suffix("")
    name = os.fsencode(place.name)
    room = LONGEST_NAME - len(extension)
    if len(name) > room:
        # Not in the middle of a character: a byte 10xxxxxx continues one.
        while room and name[room] & 0xC0 == 0x80:
            room -= 1
        name = name[:room]
    return place.with_name(os.fsdecode(name) + extension)


def _check_place(job: Job, sources: Sequence[Path], naming: Naming, *, force: bool) -> None:
    """Refuse an output that is an input; if the command was the wrong one for the file, say that first.

    `decompress photo.png` would become photo.png: that it is a picture is the news, not that the place is taken.
    """
    try:
        check_outputs([job.target], sources, force=force)
    except DataError:
        if job.source.is_file():
            _check_start(job.source, naming)
        check_no_input([job.target], sources)


def _check_start(source: Path, naming: Naming) -> None:
    try:
        with source.open("rb") as file:
            start = file.read(START_BYTES)
    except OSError:  # told when the file is read
        return
    try:
        naming.check_start(start)
    except HpcmbalError as error:
        error.args = (f"{source}: {str(error.args[0]).removeprefix('The file ')}",)
        raise


def _check_distinct(jobs: Iterable[Job]) -> None:
    seen: dict[str, Path] = {}
    for job in jobs:
        if job.target == STREAM:
            continue
        other = seen.setdefault(os.path.realpath(job.target), job.source)
        if other != job.source:
            raise DataError(f"{other} and {job.source} would both become {job.target}. Do them one at a time.")
