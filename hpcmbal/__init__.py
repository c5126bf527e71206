"""hpcmbal: learned image compression with HPCM and balanced rate-distortion optimisation.

>>> import hpcmbal
>>> {"compress", "decompress", "load_model", "train"} <= set(hpcmbal.__all__)
True

`compress` and `decompress` work in memory; the other functions do what the commands of their names do, each with the
settings class of its command. Importing hpcmbal also teaches Pillow to read and write `.hpcm` files. Nothing heavy is
imported before something is done.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from hpcmbal.codec import pillow_plugin

if TYPE_CHECKING:
    from hpcmbal.ablation.session import ablate
    from hpcmbal.codec.codec import compress, decompress
    from hpcmbal.codec.codec_model import load_codec_model as load_model
    from hpcmbal.codec.files.compress import compress_files
    from hpcmbal.codec.files.decompress import decompress_files
    from hpcmbal.codec.files.facts import info
    from hpcmbal.core.balance.gamma import ScaleGammaManager
    from hpcmbal.core.balance.hierarchical_balanced import HierarchicalBalanced
    from hpcmbal.core.loss.hierarchical import AdaptiveHierarchicalLoss, HierarchicalLoss
    from hpcmbal.core.loss.rate_distortion import RateDistortionLoss
    from hpcmbal.core.model.hpcm import HPCM
    from hpcmbal.evaluation.evaluate import evaluate
    from hpcmbal.evaluation.find_quality import find_quality
    from hpcmbal.evaluation.inspect_file import inspect
    from hpcmbal.evaluation.reconstruct_file import reconstruct
    from hpcmbal.interop.onnx.export import export_onnx
    from hpcmbal.model_files.transfer import export_checkpoint, import_checkpoint
    from hpcmbal.plotting.gammas import plot_gammas
    from hpcmbal.plotting.run_curves import plot_run
    from hpcmbal.settings.coding import CompressSettings, DecompressSettings, InfoSettings
    from hpcmbal.settings.evaluation import EvalSettings
    from hpcmbal.settings.find_quality import FindQualitySettings
    from hpcmbal.settings.inspection import InspectSettings
    from hpcmbal.settings.load import load_train_settings
    from hpcmbal.settings.pictures import PlotGammasSettings, PlotRunSettings, ReconstructSettings
    from hpcmbal.settings.plugins import installed_plugins
    from hpcmbal.settings.presets import preset_names, read_preset
    from hpcmbal.settings.study import StudySettings
    from hpcmbal.settings.train import TrainSettings
    from hpcmbal.settings.weights import ExportSettings, ImportSettings, OnnxSettings
    from hpcmbal.training.trainer import train

__version__ = "0.1.0"

_HOMES = {
    "compress": "codec.codec",
    "decompress": "codec.codec",
    "load_model": "codec.codec_model:load_codec_model",
    "compress_files": "codec.files.compress",
    "CompressSettings": "settings.coding",
    "decompress_files": "codec.files.decompress",
    "DecompressSettings": "settings.coding",
    "info": "codec.files.facts",
    "InfoSettings": "settings.coding",
    "ablate": "ablation.session",
    "StudySettings": "settings.study",
    "HPCM": "core.model.hpcm",
    "RateDistortionLoss": "core.loss.rate_distortion",
    "HierarchicalLoss": "core.loss.hierarchical",
    "AdaptiveHierarchicalLoss": "core.loss.hierarchical",
    "HierarchicalBalanced": "core.balance.hierarchical_balanced",
    "ScaleGammaManager": "core.balance.gamma",
    "train": "training.trainer",
    "TrainSettings": "settings.train",
    "load_train_settings": "settings.load",
    "preset_names": "settings.presets",
    "read_preset": "settings.presets",
    "installed_plugins": "settings.plugins",
    "evaluate": "evaluation.evaluate",
    "EvalSettings": "settings.evaluation",
    "find_quality": "evaluation.find_quality",
    "FindQualitySettings": "settings.find_quality",
    "inspect": "evaluation.inspect_file",
    "InspectSettings": "settings.inspection",
    "reconstruct": "evaluation.reconstruct_file",
    "ReconstructSettings": "settings.pictures",
    "plot_run": "plotting.run_curves",
    "PlotRunSettings": "settings.pictures",
    "plot_gammas": "plotting.gammas",
    "PlotGammasSettings": "settings.pictures",
    "import_checkpoint": "model_files.transfer",
    "ImportSettings": "settings.weights",
    "export_checkpoint": "model_files.transfer",
    "ExportSettings": "settings.weights",
    "export_onnx": "interop.onnx.export",
    "OnnxSettings": "settings.weights",
}
"""Where each public name lives, with its name there if it is another."""

__all__ = [
    "HPCM",
    "AdaptiveHierarchicalLoss",
    "CompressSettings",
    "DecompressSettings",
    "EvalSettings",
    "ExportSettings",
    "FindQualitySettings",
    "HierarchicalBalanced",
    "HierarchicalLoss",
    "ImportSettings",
    "InfoSettings",
    "InspectSettings",
    "OnnxSettings",
    "PlotGammasSettings",
    "PlotRunSettings",
    "RateDistortionLoss",
    "ReconstructSettings",
    "ScaleGammaManager",
    "StudySettings",
    "TrainSettings",
    "ablate",
    "compress",
    "compress_files",
    "decompress",
    "decompress_files",
    "evaluate",
    "export_checkpoint",
    "export_onnx",
    "find_quality",
    "import_checkpoint",
    "info",
    "inspect",
    "installed_plugins",
    "load_model",
    "load_train_settings",
    "plot_gammas",
    "plot_run",
    "preset_names",
    "read_preset",
    "reconstruct",
    "train",
]

pillow_plugin.register()


def __getattr__(name: str) -> Any:
    """Import a public name from its home when it is asked for; most bring torch."""
    if name not in _HOMES:
        raise AttributeError(f"module 'hpcmbal' has no attribute {name!r}")
    module, _, attribute = _HOMES[name].partition(":")
    return getattr(importlib.import_module(f"hpcmbal.{module}"), attribute or name)


def __dir__() -> list[str]:
    """The public names."""
    return sorted([*globals(), *_HOMES])
