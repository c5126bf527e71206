"""Names that the shell completes: presets, studies, models and anchors, found without loading torch."""

from __future__ import annotations

from pathlib import Path


def presets(_: str = "") -> list[str]:
    """Names of the recipes of trainings."""
    from hpcmbal.settings import preset_names

    return list(preset_names())


def studies(_: str = "") -> list[str]:
    """Names of the studies, and `grid` for one's own."""
    from hpcmbal.settings.presets import preset_directory

    return [*sorted(path.stem for path in (preset_directory() / "ablations").glob("*.yaml")), "grid"]


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
