"""Where results were made: versions and machine, so that a difference can be traced."""

from __future__ import annotations

import platform
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from hpcmbal import __version__
from hpcmbal.engines.threads import available_cpus

PACKAGES = ("torch", "numpy", "Pillow", "pytorch-msssim", "bjontegaard", "constriction")
"""Packages on which numbers depend."""


def describe_environment() -> dict[str, object]:
    """Versions, processor and operating system; nothing that names a person or a folder."""
    return {
        "hpcmbal": __version__,
        "python": platform.python_version(),
        "packages": {name: _version(name) for name in PACKAGES},
        "system": platform.system(),
        "machine": platform.machine(),
        "processor": _processor(),
        "cpus": available_cpus(),
    }


def _version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None


def _processor() -> str:
    try:
        with Path("/proc/cpuinfo").open(encoding="utf-8") as file:
            names = [line.partition(":")[2].strip() for line in file if line.startswith("model name")]
    except OSError:
        names = []
    return names[0] if names else platform.processor()
