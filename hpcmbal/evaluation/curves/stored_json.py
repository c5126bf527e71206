"""JSON from outside: bounded, without what JSON cannot write again, and checked against a pydantic model."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from pydantic import BaseModel, ValidationError

from hpcmbal.errors import DataError
from hpcmbal.plotting.labels import figure_label
from hpcmbal.visible_text import visible

if TYPE_CHECKING:
    from collections.abc import Iterator

MAX_DEPTH = 40
"""Levels of nesting; results of ours have six."""

_Model = TypeVar("_Model", bound=BaseModel)


def read_json(path: str | Path) -> object:
    """The content of a JSON file in UTF-8, UTF-16 or UTF-32, with or without a byte order mark.

    NaN becomes null and infinity the string "inf", as results files write it; text that cannot be encoded is escaped.

    Raises:
        DataError: The file is missing, no JSON, or nested too deeply.
    """
    name = visible(str(path))
    try:
        data = Path(path).read_bytes()
    except OSError as error:
        raise DataError(f"{name}: cannot be opened: {error.strerror}. Name a results file (.json).") from error
    try:
        return _clean(json.loads(data))
    except RecursionError as error:
        raise DataError(f"{name}: nested too deeply; at most {MAX_DEPTH} levels are read.") from error
    except ValueError as error:
        raise DataError(f"{name}: no JSON: {error}. Name a file written by `hpcmbal eval` or CompressAI.") from error


def checked(model: type[_Model], value: object, where: str) -> _Model:
    """`value` as `model`, with the first few problems in one line if it is not.

    Raises:
        DataError: It does not fit.
    """
    try:
        return model.model_validate(value)
    except ValidationError as error:
        problems = [f"'{_place(detail['loc'])}': {_rule(detail)}" for detail in error.errors()]
        more = f"; and {len(problems) - 3} more" if len(problems) > 3 else ""
        raise DataError(f"{where}: {'; '.join(problems[:3])}{more}. Evaluate again, or repair the file.") from error


def _place(location: tuple[int | str, ...]) -> str:
    return figure_label(".".join(str(part) for part in location), 80)


def _rule(detail: Any) -> str:
    message = str(detail["msg"]).removeprefix("Value error, ").replace("Input should be", "must be")
    found = detail.get("input")
    kind = repr(found) if isinstance(found, str | int | float | None) else f"a {type(found).__name__}"
    return f"{message[:1].lower()}{message[1:]}; found {figure_label(kind, 40)}"


def _clean(value: Any, depth: int = 0) -> Any:
    if depth > MAX_DEPTH:
        raise RecursionError
    if isinstance(value, dict):
        return dict(_clean_items(value, depth))
    if isinstance(value, list):
        return [_clean(item, depth + 1) for item in value]
    if isinstance(value, str):
        return _encodable(value)
    if isinstance(value, float) and not math.isfinite(value):
        return None if math.isnan(value) else "inf" if value > 0 else "-inf"
    return value


def _clean_items(value: dict[str, Any], depth: int) -> Iterator[tuple[str, Any]]:
    for key, item in value.items():
        yield _encodable(key), _clean(item, depth + 1)


def _encodable(text: str) -> str:
    try:
        text.encode()
    except UnicodeEncodeError:
        return visible(text)
    return text
