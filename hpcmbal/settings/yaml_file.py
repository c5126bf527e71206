"""The one reader of YAML files: presets and studies, which come from anywhere.

YAML can say far more than a recipe needs. A file holds texts, numbers, truth values, lists and mappings; a key that is
repeated is an error; dates are texts. What is small in the file and huge in memory is refused before it is built.
"""

from __future__ import annotations

import os
import re
from collections.abc import Hashable, Iterable
from pathlib import Path
from typing import Any

import yaml

from hpcmbal.errors import SettingsError

MAX_BYTES = 1 << 20
MAX_DEPTH = 40
MAX_VALUES_VARIABLE = "HPCMBAL_MAX_YAML_VALUES"
MAX_VALUES = 20_000
"""Values of a file, with what its aliases repeat; a study of the package has fewer than a hundred."""

_LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_TAG = "tag:yaml.org,2002:"
_MERGE_TAG = f"{_TAG}merge"
_PLAIN_TAGS = frozenset(
    f"{_TAG}{name}" for name in ("null", "bool", "int", "float", "str", "seq", "map", "merge", "value")
)
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff]")


def read_yaml(path: Path, what: str) -> dict[Any, Any]:
    """The mapping in a YAML file.

    Args:
        path: The file.
        what: What it should be, for messages: "Preset", "Study".

    Raises:
        SettingsError: It cannot be read, is not valid or too large, or holds no mapping.
    """
    try:
        with path.open("rb") as file:
            data = file.read(MAX_BYTES + 1)
        if len(data) > MAX_BYTES:
            raise SettingsError(f"{what} {path} is larger than {MAX_BYTES >> 20} MiB, the most that is read as YAML.")
        content = parse_yaml(data.decode("utf-8"))
    except OSError as error:
        raise SettingsError(f"{what} {path} cannot be read: {error.strerror}.") from error
    except UnicodeDecodeError as error:
        raise SettingsError(f"{what} {path} cannot be read: it is no text in UTF-8 ({error.reason}).") from error
    except yaml.YAMLError as error:
        raise SettingsError(f"{what} {path} is not valid YAML: {_one_line(error)}.") from error
    if not isinstance(content, dict):
        raise SettingsError(f"{what} {path} must hold fields with values, found {type(content).__name__}.")
    return content


def parse_yaml(text: str) -> object:
    """The content of a YAML text.

    Raises:
        yaml.YAMLError: It is not valid, holds what is no plain value, or is too deep or too large.
    """
    _check_size(yaml.parse(text, Loader=_LOADER))
    loader = _PlainLoader(text)
    try:
        return loader.get_single_data()
    finally:
        loader.dispose()


def limit_of(variable: str, default: int) -> int:
    """A limit that an environment variable may raise.

    Raises:
        SettingsError: The variable holds no positive whole number.
    """
    text = os.environ.get(variable, "")
    if not text:
        return default
    if not text.isdecimal() or len(text) > 18 or int(text) < 1:
        raise SettingsError(f"{variable} should be a positive whole number. Found '{text[:40]}'.")
    return int(text)


def existing_file(path: Path) -> Path | None:
    """The file at `path`, with `~` replaced; None if there is none, or if no file can have such a name."""
    try:
        found = path.expanduser()
        return found if found.is_file() else None
    except (OSError, ValueError, RuntimeError):
        return None


def _check_size(events: Iterable[yaml.Event]) -> None:
    """Raise `yaml.YAMLError` for what is too large with its aliases written out, or too deep."""
    limit, size = limit_of(MAX_VALUES_VARIABLE, MAX_VALUES), _Size()
    for event in events:
        size.add(event)
        if size.total > limit:
            raise yaml.YAMLError(
                f"it holds more than {limit:,} values, those that its aliases repeat among them; "
                f"{MAX_VALUES_VARIABLE} raises this limit"
            )
        if len(size.open) > MAX_DEPTH:
            raise yaml.YAMLError(f"it is nested more than {MAX_DEPTH} deep")


class _Size:
    """Counts values as if aliases were written out, without writing them out."""

    def __init__(self) -> None:
        self.total = 0
        self.open: list[tuple[str | None, int]] = []  # anchors of the collections around, and the count before them
        self._sizes: dict[str | None, int | None] = {}  # of what anchors name; None while it is not complete

    def add(self, event: yaml.Event) -> None:
        if isinstance(event, yaml.AliasEvent):
            size = self._sizes.get(event.anchor, 1)  # an unknown one is told by the loader
            if size is None:
                raise yaml.YAMLError(f"'*{event.anchor}' repeats what it is itself a part of")
            self.total += size
        elif isinstance(event, yaml.ScalarEvent):
            self.total += 1
            self._sizes[event.anchor] = 1
        elif isinstance(event, yaml.CollectionStartEvent):
            self.open.append((event.anchor, self.total))
            self.total += 1
            self._sizes[event.anchor] = None
        elif isinstance(event, yaml.CollectionEndEvent):
            anchor, before = self.open.pop()
            self._sizes[anchor] = self.total - before


class _PlainLoader(_LOADER):  # type: ignore[misc]
    """PyYAML's safe loader for plain values, in which a repeated key is an error and every error is one of YAML's."""

    def construct_object(self, node: yaml.Node, deep: bool = False) -> object:
        if node.tag not in _PLAIN_TAGS:
            raise _error(
                f"'{node.tag.removeprefix(_TAG)[:40]}' is no plain value: texts, numbers, lists, mappings", node
            )
        try:
            value = super().construct_object(node, deep)
        except (ValueError, TypeError, KeyError, AttributeError, IndexError, OverflowError) as error:
            shown = str(node.value)[:40] if isinstance(node, yaml.ScalarNode) else "this"
            raise _error(f"'{shown}' cannot be read as {node.tag.removeprefix(_TAG)}", node) from error
        if isinstance(value, str) and _CONTROL.search(value):
            raise _error("a text holds control characters", node)
        return value

    def construct_mapping(self, node: yaml.Node, deep: bool = False) -> dict[Hashable, object]:
        if not isinstance(node, yaml.MappingNode):
            raise _error("a mapping should stand here", node)
        seen = set()
        for key_node, _ in node.value:
            if key_node.tag == _MERGE_TAG:  # `<<: *other` takes what is not given here, which repeats nothing
                continue
            if not isinstance(key_node, yaml.ScalarNode):
                raise _error("a key must be a word or a number, found a list or a mapping", key_node)
            key = self.construct_object(key_node, deep=True)
            if key in seen:
                raise _error(f"'{key}' is given twice", key_node)
            seen.add(key)
        mapping: dict[Hashable, object] = super().construct_mapping(node, deep)
        return mapping


# Dates are texts: `2026-13-45` is a name like any other.
_PlainLoader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if tag != f"{_TAG}timestamp"]
    for first, resolvers in _LOADER.yaml_implicit_resolvers.items()
}


def _error(problem: str, node: yaml.Node) -> yaml.YAMLError:
    return yaml.constructor.ConstructorError(None, None, problem, node.start_mark)


def _one_line(error: yaml.YAMLError) -> str:
    """The message in one line, without control characters that it may quote."""
    return _CONTROL.sub("?", " ".join(str(error).split())).rstrip(".")
