"""Curves as JSON in CompressAI's schema, and as CSV.

A file holds one curve as CompressAI writes it (`name`, `description`, `results`), extended by `meta` and
`results_by_sample`; further curves of the same evaluation stand in `others`, each in the same form. So a program that
knows CompressAI's files reads the first curve, and hpcmbal reads all of them.
"""

from __future__ import annotations

import csv
import io
import math
import re
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from hpcmbal.errors import DataError
from hpcmbal.evaluation.curves.curve import BPP, MS_SSIM, MS_SSIM_DB, PSNR, Column, Curve
from hpcmbal.evaluation.curves.stored_json import checked, read_json
from hpcmbal.visible_text import visible

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

OTHERS = "others"

_FORMULA_STARTS = ("=", "+", "-", "@")
"""What begins a formula in a spreadsheet."""

_NUMBER = re.compile(r"[+-]?\d+(\.\d+)?")

_NOT_FINITE = re.compile(r"[+-]?(inf|infinity)|nan", re.IGNORECASE)
"""Numbers that JSON lacks, as text."""

_OLDER_KEYS = {"psnr": PSNR, "ms-ssim": MS_SSIM, "msssim": MS_SSIM, "ms-ssim-db": MS_SSIM_DB}
"""Names that earlier releases of CompressAI and scripts around it used."""


def _value(found: object) -> object:
    """One number of a column; None where it is missing or not defined."""
    if found is None or (isinstance(found, float) and math.isnan(found)):
        return None
    if isinstance(found, str) and _NOT_FINITE.fullmatch(found):
        return _value(float(found))
    if isinstance(found, bool) or not isinstance(found, int | float):
        raise ValueError("must be a number")  # noqa: TRY004 -- pydantic collects ValueErrors
    try:
        return float(found)
    except OverflowError:
        raise ValueError("must be a number that fits 64 bits") from None


_StoredColumn = Annotated[tuple[Annotated[float | None, BeforeValidator(_value)], ...], Field(strict=False)]


def _only_lists(found: object) -> object:
    """CompressAI's scripts keep settings beside the columns: what is no list is none of them."""
    return {key: item for key, item in found.items() if isinstance(item, list)} if isinstance(found, dict) else found


def _absent_if_none(found: object) -> object:
    return {} if found is None else found


class _Stored(BaseModel):
    """What is read of an object from a file; the rest of it is kept as it is."""

    model_config = ConfigDict(extra="allow", strict=True)


class _StoredImageSet(_Stored):
    name: str | None = None
    published_set: str | None = None
    hash: str | None = None
    images: dict[str, str] | None = None
    note: str | None = None


class _StoredCodec(_Stored):
    codec: str | None = None
    points: list[Any] | None = None


class _StoredMeta(_Stored):
    kind: str | None = None
    codec: _StoredCodec | None = None
    image_set: _StoredImageSet | None = None
    environment: dict[str, Any] | None = None
    cost: dict[str, Annotated[float, Field(ge=0, allow_inf_nan=False)]] | None = None


class _StoredCurve(BaseModel):
    """One curve of a results file."""

    model_config = ConfigDict(strict=True)

    name: str | None = None
    description: str | None = None
    results: Annotated[dict[str, _StoredColumn], BeforeValidator(_only_lists), Field(strict=False)]
    meta: Annotated[_StoredMeta, BeforeValidator(_absent_if_none)] = _StoredMeta()
    results_by_sample: Annotated[
        dict[str, Annotated[dict[str, _StoredColumn], BeforeValidator(_only_lists)]],
        BeforeValidator(_absent_if_none),
        Field(strict=False),
    ] = {}


class _StoredDocument(BaseModel):
    others: Annotated[list[dict[str, Any]], BeforeValidator(lambda found: found or [])] = []


def read_curves(path: str | Path) -> list[Curve]:
    """All curves of a results file, ours or CompressAI's.

    Raises:
        DataError: The file is missing, no JSON, or not in the schema.
    """
    document, where = read_json(path), visible(str(path))
    if not isinstance(document, dict):
        raise DataError(f"{where}: a results file is an object with 'results'; found a {type(document).__name__}.")
    others = checked(_StoredDocument, {OTHERS: document.get(OTHERS)}, where).others
    fallback = visible(Path(path).name.removesuffix(".json"))
    return [curve_from_json(entry, where, fallback_name=fallback) for entry in (document, *others)]


def curve_from_json(entry: Mapping[str, Any], where: str, *, fallback_name: str = "") -> Curve:
    """One curve from its JSON object; `where` names it in errors.

    Raises:
        DataError: It is not in the schema.
    """
    if not isinstance(entry.get("results"), dict):
        raise DataError(
            f"{where}: no object 'results' with parallel lists such as '{BPP}' and '{PSNR}'; found the keys "
            f"{', '.join(entry) or '(none)'}. Name a file written by `hpcmbal eval` or CompressAI."
        )
    stored = checked(_StoredCurve, entry, where)
    return Curve(
        name=stored.name or fallback_name or "(no name)",
        description=stored.description or "",
        results=_current_keys(stored.results),
        meta=stored.meta.model_dump(exclude_unset=True),
        samples={name: _current_keys(columns) for name, columns in stored.results_by_sample.items()},
    )


def curve_to_json(curve: Curve) -> dict[str, Any]:
    """The JSON object of one curve. Infinity, which JSON lacks, becomes the string "inf" or "-inf"."""
    return {
        "name": curve.name,
        "description": curve.description,
        "results": {key: _plain(column) for key, column in curve.results.items()},
        "meta": dict(curve.meta),
        "results_by_sample": {
            name: {key: _plain(column) for key, column in columns.items()} for name, columns in curve.samples.items()
        },
    }


def results_document(curves: Sequence[Curve]) -> dict[str, Any]:
    """The whole `results.json`: the first curve, the rest under `others`.

    Raises:
        DataError: There is no curve.
    """
    if not curves:
        raise DataError("There are no results to write: name at least one model, anchor or set of published points.")
    first, *rest = [curve_to_json(curve) for curve in curves]
    return {**first, OTHERS: rest}


def results_csv(curves: Iterable[Curve]) -> str:
    """Every number of every image, one row for each curve, point and image; `(mean)` for the means."""
    rows: list[dict[str, object]] = []
    for curve in curves:
        for image, columns in {**curve.samples, "(mean)": curve.results}.items():
            rows += [
                {"curve": curve.name, "image": image, "point": index, **{key: columns[key][index] for key in columns}}
                for index in range(len(curve))
            ]
    fields = list(dict.fromkeys(key for row in rows for key in row))
    return csv_text([fields, *([row.get(field) for field in fields] for row in rows)])


def csv_text(rows: Iterable[Sequence[object]]) -> str:
    """Rows as CSV. Text that a spreadsheet would take for a formula gets an apostrophe in front."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerows([_cell(value) for value in row] for row in rows)
    return text.getvalue()


def _cell(value: object) -> object:
    starts_formula = isinstance(value, str) and value.lstrip()[:1] in _FORMULA_STARTS
    return f"'{value}" if starts_formula and not _NUMBER.fullmatch(str(value)) else value


def _plain(column: Column) -> list[float | str | None]:
    return [str(value) if value is not None and math.isinf(value) else value for value in column]


def _current_keys(results: Mapping[str, Column]) -> dict[str, Column]:
    return {_OLDER_KEYS.get(key, key): column for key, column in results.items()}
