"""From what a user names to codecs: checkpoints grouped into curves, anchors by name."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from hpcmbal.errors import SettingsError
from hpcmbal.evaluation.codecs.anchors import PILLOW_FORMATS, PillowAnchor
from hpcmbal.evaluation.codecs.external import PROGRAMS, ProgramAnchor
from hpcmbal.evaluation.codecs.model_codec import ModelCodec, ModelPoint, operating_points
from hpcmbal.plotting.labels import visible


def build_anchor(name: str) -> PillowAnchor | ProgramAnchor:
    """The classical codec of that name.

    Raises:
        SettingsError: There is none, or it cannot run here.
        MissingExtraError: It needs an optional package.
    """
    if name in PILLOW_FORMATS:
        return PillowAnchor(name)
    if name in PROGRAMS:
        return ProgramAnchor(name)
    raise SettingsError(f"No anchor '{name}'. Choose from: {', '.join([*PILLOW_FORMATS, *PROGRAMS])}.")


def build_models(
    wanted: Sequence[str], qualities: Sequence[float] = (), *, device: str = "cpu", estimated: bool = False
) -> list[ModelCodec]:
    """Checkpoints as curves, by path, or by name where they come with the package.

    `NAME=PATH` puts a checkpoint into the curve NAME. Without a name, a model trained for variable rate is a curve of
    its own, named by its path's last part; models of one rate form one curve for each variant.

    Args:
        wanted: As typed.
        qualities: Operating points of variable-rate models.
        device: Where to run.
        estimated: See `ModelCodec`.

    Raises:
        CheckpointError: A checkpoint cannot be read.
        SettingsError: See `operating_points`.
    """
    from hpcmbal.codec.codec_model import packaged_model

    curves: dict[str, list[ModelPoint]] = {}
    for text in wanted:
        name, path = split_name(text)
        # Absolute, as worker processes may have been started elsewhere.
        path = packaged_model(str(path)) or path.expanduser().absolute()
        points = operating_points(path, qualities)
        curves.setdefault(name or _own_name(path, points), []).extend(points)
    return [ModelCodec(name, points, device, estimated=estimated) for name, points in curves.items()]


def split_name(text: str) -> tuple[str | None, Path]:
    """Take `NAME=PATH` apart; a path that exists as it stands, or has a folder before the `=`, has no name.

    >>> split_name("ours=runs/a"), split_name("runs/lmbda=0.01")
    (('ours', PosixPath('runs/a')), (None, PosixPath('runs/lmbda=0.01')))
    """
    name, equals, path = text.partition("=")
    if not equals or os.sep in name or Path(text).exists():
        return None, Path(text)
    if not name or not path:
        raise SettingsError(f"--model '{text}': give a PATH, or NAME=PATH.")
    return visible(name), Path(path)


def _own_name(path: Path, points: Sequence[ModelPoint]) -> str:
    from hpcmbal.model_files.store import find_model, read_header

    if points[0].quality is None:
        return read_header(find_model(path)).variant
    return visible(path.resolve().name.removesuffix(".safetensors"))
