"""Curves as JSON in CompressAI's schema, and as CSV.

A file holds one curve as CompressAI writes it (`name`, `description`, `results`), extended by `meta` and
`results_by_sample`; further curves of the same evaluation stand in `others`, each in the same form. So a program that
knows CompressAI's files reads the first curve, and hpcmbal reads all of them.
"""

from __future__ import annotations

import csv
import io
import json
import math
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hpcmbal.errors import DataError
from hpcmbal.evaluation.curves.curve import BPP, MS_SSIM, MS_SSIM_DB, PSNR, Column, Curve

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

OTHERS = "others"

_OLDER_KEYS = {"psnr": PSNR, "ms-ssim": MS_SSIM, "msssim": MS_SSIM, "ms-ssim-db": MS_SSIM_DB}
"""Names that earlier releases of CompressAI and scripts around it used."""


def read_curves(path: str | Path) -> list[Curve]:
    """All curves of a results file, ours or CompressAI's.

    Raises:
        DataError: The file is missing, no JSON, or not in the schema.
    """
    try:
        document = json.loads(Path(path).read_text(encoding="utf-8"))
    except OSError as error:
        raise DataError(f"{path}: cannot be opened: {error.strerror}. Name a results file (.json).") from error
    except ValueError as error:
        raise DataError(f"{path}: no JSON: {error}. Name a file written by `hpcmbal eval` or CompressAI.") from error
    if not isinstance(document, dict):
        raise DataError(f"{path}: a results file is an object with 'results'; found a {type(document).__name__}.")
    entries = [document, *document.get(OTHERS, [])]
    return [curve_from_json(entry, str(path), fallback_name=Path(path).name.removesuffix(".json")) for entry in entries]


def curve_from_json(entry: Mapping[str, Any], where: str, *, fallback_name: str = "") -> Curve:
    """One curve from its JSON object; `where` names it in errors."""
    results = entry.get("results")
    if not isinstance(results, dict):
        raise DataError(
            f"{where}: no object 'results' with parallel lists such as '{BPP}' and '{PSNR}'; found the keys "
            f"{', '.join(entry) or '(none)'}. Name a file written by `hpcmbal eval` or CompressAI."
        )
    samples = entry.get("results_by_sample") or {}
    return Curve(
        name=str(entry.get("name") or fallback_name),
        description=str(entry.get("description") or ""),
        results=_columns(results, where),
        meta=entry.get("meta") or {},
        samples={str(name): _columns(columns, f"{where}, image {name}") for name, columns in samples.items()},
    )


def curve_to_json(curve: Curve) -> dict[str, Any]:
    """The JSON object of one curve. Infinity, which JSON lacks, becomes the string "inf"."""
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
    text = io.StringIO()
    writer = csv.DictWriter(text, fields, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()


def _plain(column: Column) -> list[float | str | None]:
    return ["inf" if value is not None and math.isinf(value) else value for value in column]


def _columns(results: Mapping[str, Any], where: str) -> dict[str, Column]:
    return {
        _OLDER_KEYS.get(key, key): tuple(_number(value, key, where) for value in column)
        for key, column in results.items()
        if isinstance(column, list)
    }


def _number(value: object, key: str, where: str) -> float | None:
    if value is None or (isinstance(value, int | float) and not isinstance(value, bool) and not math.isnan(value)):
        return value
    if value == "inf":
        return math.inf
    raise DataError(f"{where}: '{key}' is a list of numbers; found {value!r}. Evaluate again, or repair the file.")
