"""Rate-distortion points that others published, each with its source."""

from __future__ import annotations

import functools
import json
from importlib.resources import files
from typing import TYPE_CHECKING

from hpcmbal.errors import SettingsError
from hpcmbal.evaluation.curves.curve_file import curve_from_json
from hpcmbal.evaluation.data_sets import canonical_name
from hpcmbal.evaluation.image_set import image_set_name

if TYPE_CHECKING:
    from hpcmbal.evaluation.curves.curve import Curve

_FILE = "published_rd.json"


@functools.cache
def published_curves() -> tuple[Curve, ...]:
    """Every published curve; `meta` has its image set and its source."""
    text = files("hpcmbal.evaluation.curves").joinpath("data", _FILE).read_text(encoding="utf-8")
    return tuple(_curve(entry) for entry in json.loads(text)["curves"])


def published_image_sets() -> tuple[str, ...]:
    """Names of the image sets for which there are points."""
    return tuple(dict.fromkeys(str(image_set_name(curve.meta)) for curve in published_curves()))


def published_on(image_set: str) -> list[Curve]:
    """The published curves on one image set.

    Raises:
        SettingsError: There are none; the message lists the sets.
    """
    found = [curve for curve in published_curves() if image_set_name(curve.meta) == image_set]
    if not found:
        raise SettingsError(
            f"No published points on '{image_set}'. Choose one of: {', '.join(published_image_sets())}."
        )
    return found


def _curve(entry: dict[str, object]) -> Curve:
    name, source, image_set = (str(entry[key]) for key in ("name", "source", "dataset"))
    image_set = canonical_name(image_set)
    meta = {
        "kind": "published",
        "source": source,
        "image_set": {"name": image_set, "published_set": image_set},
        **({"lambda": entry["lambda"]} if "lambda" in entry else {}),
    }
    document = {"name": name, "description": f"published: {source}", "results": entry["results"], "meta": meta}
    return curve_from_json(document, f"{_FILE}, {name}")
