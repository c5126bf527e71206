"""What was measured so far, on disk: an interrupted evaluation goes on where it was."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hpcmbal.atomic_file import append_to, check_log, write_text
from hpcmbal.errors import DataError

if TYPE_CHECKING:
    from hpcmbal.evaluation.codecs.image_codec import Sample

METRICS_VERSION = 3
"""Raised when a metric's numbers change, so that stored ones are measured again."""


class SampleStore:
    """An append-only JSON-lines file; a sample is found by what it depends on: codec, operating point and pixels.

    Between the samples stand the conditions (machine, processes) under which those that follow were measured. A last
    line that an interruption cut off is dropped, and that image is measured again.

    Args:
        path: The file; made if absent.

    Raises:
        DataError: The file is damaged elsewhere than in its last line, or is a link.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._samples: dict[str, Sample] = {}
        self._conditions: list[dict[str, object]] = []
        self._condition_of: dict[str, int] = {}
        self._now: dict[str, object] = {}
        path.parent.mkdir(parents=True, exist_ok=True)
        check_log(path)
        if path.exists():
            self._read()

    def __len__(self) -> int:
        """How many samples there are."""
        return len(self._samples)

    def get(self, key: str) -> Sample | None:
        """The sample of `sample_key(...)`, if it was measured."""
        return self._samples.get(key)

    def measured_under(self, conditions: dict[str, object]) -> None:
        """Samples that are added from now on were measured under these conditions; plain values of JSON."""
        self._now = conditions

    def conditions(self, keys: Iterable[str]) -> list[dict[str, object]]:
        """Different conditions under which samples were measured, in the order of time; none that are not known."""
        found = {number for key in keys if (number := self._condition_of.get(key)) is not None}
        return [self._conditions[number] for number in sorted(found)]

    def add(self, key: str, sample: Sample) -> None:
        """Store a sample; it is on disk when this returns."""
        if self._now and (not self._conditions or self._conditions[-1] != self._now):
            with append_to(self.path) as file:
                file.write(json.dumps({"conditions": self._now}) + "\n")
            self._conditions.append(self._now)
        plain = {name: "inf" if value == math.inf else value for name, value in sample.items()}
        with append_to(self.path) as file:
            file.write(json.dumps({"key": key, "sample": plain}) + "\n")
        self._keep(key, sample)

    def _keep(self, key: str, sample: Sample) -> None:
        self._samples[key] = sample
        if self._conditions:
            self._condition_of[key] = len(self._conditions) - 1

    def _read(self) -> None:
        text = self.path.read_text(encoding="utf-8", errors="surrogateescape")
        whole, _, torn = text.rpartition("\n")
        for number, line in enumerate(whole.splitlines(), start=1):
            try:
                entry = json.loads(line)
                if "conditions" in entry:
                    self._conditions.append(dict(entry["conditions"]))
                    continue
                values = entry["sample"].items()
                self._keep(entry["key"], {name: math.inf if value == "inf" else value for name, value in values})
            except (ValueError, KeyError, TypeError, AttributeError) as error:
                raise DataError(f"{self.path}, line {number}: damaged. Remove the file to measure all anew.") from error
        if torn:
            write_text(self.path, whole + "\n" if whole else "")


def sample_key(description: dict[str, Any], point: str, image_hash: str) -> str:
    """Name a sample by everything that its numbers depend on."""
    text = json.dumps([METRICS_VERSION, description, point, image_hash], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:32]
