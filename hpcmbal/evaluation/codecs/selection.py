"""From what a user names to codecs: checkpoints grouped into curves, anchors by name."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path

from hpcmbal.errors import SettingsError, setting
from hpcmbal.evaluation.codecs.ffmpeg_anchor import FFMPEG_ANCHORS
from hpcmbal.evaluation.codecs.image_codec import ImageCodec
from hpcmbal.evaluation.codecs.model_codec import ModelCodec, ModelPoint, operating_points
from hpcmbal.evaluation.codecs.pillow_anchor import PILLOW_ANCHORS
from hpcmbal.evaluation.codecs.program_anchor import PROGRAM_ANCHORS
from hpcmbal.evaluation.codecs.quality_anchor import QualityAnchor
from hpcmbal.evaluation.codecs.vtm_anchor import VTM
from hpcmbal.model_files.find import find_model
from hpcmbal.model_files.store import read_header
from hpcmbal.settings.plugins import load_plugin, plugin_names
from hpcmbal.visible_text import visible

OWN_ANCHORS: Mapping[str, QualityAnchor] = {
    anchor.name: anchor for anchor in (*PILLOW_ANCHORS, *FFMPEG_ANCHORS, VTM, *PROGRAM_ANCHORS)
}
"""The anchors that need no plug-in, by the name on the command line."""


def build_anchor(name: str) -> ImageCodec:
    """The codec of that name, one of ours or a plug-in.

    Raises:
        SettingsError: There is none, or it cannot run here.
        MissingExtraError: It needs an optional package.
    """
    if name in OWN_ANCHORS:
        anchor = OWN_ANCHORS[name]
        anchor.check()
        return anchor
    if name in plugin_names("codecs"):
        codec: ImageCodec = load_plugin("codecs", name)()
        return codec
    known = [*OWN_ANCHORS, *plugin_names("codecs")]
    raise SettingsError(f"No anchor '{name}'. Choose from: {', '.join(known)}.")


def build_models(
    wanted: Sequence[str], qualities: Sequence[float] = (), *, device: str = "cpu", estimated: bool = False
) -> list[ModelCodec]:
    """Models as curves, by any of their names (see `hpcmbal.model_files.find`).

    `NAME=MODEL` puts a model into the curve NAME. Without a name, a model of variable rate is a curve of
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
    curves: dict[str, list[ModelPoint]] = {}
    for text in wanted:
        name, model = split_name(text)
        # Absolute, as worker processes may have been started elsewhere.
        path = find_model(model).absolute()
        points = operating_points(path, qualities)
        curves.setdefault(name or _own_name(model, path, points), []).extend(points)
    return [ModelCodec(name, points, device, estimated=estimated) for name, points in curves.items()]


def split_name(text: str) -> tuple[str | None, str]:
    """Take `NAME=MODEL` apart; a path that exists as it stands, or has a folder before the `=`, has no name.

    >>> split_name("ours=runs/a"), split_name("runs/lmbda=0.01")
    (('ours', 'runs/a'), (None, 'runs/lmbda=0.01'))
    """
    name, equals, path = text.partition("=")
    if not equals or os.sep in name or Path(text).exists():
        return None, text
    if not name or not path:
        raise SettingsError(f"{setting('model', text)}: give a MODEL, or NAME=MODEL.")
    return visible(name), path


def _own_name(model: str, path: Path, points: Sequence[ModelPoint]) -> str:
    """The variant for models of one rate; for one of variable rate the last part of what was typed."""
    if points[0].quality is None:
        return read_header(path).variant
    return visible(Path(model).resolve().name.removesuffix(".safetensors"))
