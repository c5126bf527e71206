"""Names that the shell completes: presets, studies, models and anchors, found without loading torch."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

Words = Callable[[str], list[str]]
"""The words that may stand where something was begun to be typed."""


def completing(words: Words | Sequence[str]) -> Words:
    """A completion for Typer: those of the words that go on as what was typed begins."""

    def complete(incomplete: str) -> list[str]:
        known = words(incomplete) if callable(words) else words
        return [word for word in known if word.startswith(incomplete)]

    return complete


def presets(_: str = "") -> list[str]:
    """Names of the recipes of trainings."""
    from hpcmbal.settings import preset_names

    return list(preset_names())


def evaluations(_: str = "") -> list[str]:
    """Names of the recipes of evaluations."""
    from hpcmbal.settings import preset_names

    return list(preset_names("evaluations"))


def studies(_: str = "") -> list[str]:
    """Names of the studies, and `grid` for one's own."""
    from hpcmbal.settings import preset_names

    return [*preset_names("ablations"), "grid"]


def packaged_models(_: str = "") -> list[str]:
    """Names of the models that come with the package."""
    return sorted(path.stem for path in (Path(__file__).parent.parent / "models").glob("*.safetensors"))


def networks(_: str = "") -> list[str]:
    """Names of the sizes of the network."""
    from hpcmbal.settings.choices import MODELS

    return list(MODELS)


def anchors(incomplete: str = "") -> list[str]:
    """Names of other codecs; several may be given with commas between them."""
    from hpcmbal.settings.choices import ANCHORS

    done = incomplete.rpartition(",")[0]
    return [f"{done},{name}" if done else name for name in ANCHORS]
