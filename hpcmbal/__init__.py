"""hpcmbal: learned image compression with HPCM and balanced rate-distortion optimisation.

>>> import hpcmbal
<<<<<<< HEAD
>>> sorted(hpcmbal.__all__)
['EvalSettings', 'compress', 'decompress', 'evaluate', 'load_model']
=======
>>> {"compress", "decompress", "load_model", "train"} <= set(hpcmbal.__all__)
True
>>>>>>> 520ec2e (Commands fill settings; files, batches and pictures are conducted below the command line)

`compress` and `decompress` work in memory; the other functions do what the commands of their names do, each with the
settings class of its command. Importing hpcmbal also teaches Pillow to read and write `.hpcm` files. Nothing heavy is
imported before something is done.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from hpcmbal.codec import pillow_plugin

if TYPE_CHECKING:
    from hpcmbal.codec.codec import compress, decompress
    from hpcmbal.codec.codec_model import load_codec_model as load_model
<<<<<<< HEAD
    from hpcmbal.evaluation.evaluate import evaluate
    from hpcmbal.settings.evaluation import EvalSettings

__version__ = "0.1.0"

__all__ = ["EvalSettings", "compress", "decompress", "evaluate", "load_model"]
=======
    from hpcmbal.codec.files.compress import compress_files
    from hpcmbal.codec.files.decompress import decompress_files
    from hpcmbal.codec.files.facts import info
    from hpcmbal.evaluation.find_quality import find_quality
    from hpcmbal.evaluation.reconstruct_file import reconstruct
    from hpcmbal.model_files.transfer import export_checkpoint, import_checkpoint
    from hpcmbal.plotting.gammas import plot_gammas
    from hpcmbal.plotting.run_curves import plot_run
    from hpcmbal.settings.coding import CompressSettings, DecompressSettings, InfoSettings
    from hpcmbal.settings.find_quality import FindQualitySettings
    from hpcmbal.settings.load import load_train_settings
    from hpcmbal.settings.pictures import PlotGammasSettings, PlotRunSettings, ReconstructSettings
    from hpcmbal.settings.train import TrainSettings
    from hpcmbal.settings.weights import ExportSettings, ImportSettings
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
    "train": "training.trainer",
    "TrainSettings": "settings.train",
    "load_train_settings": "settings.load",
    "find_quality": "evaluation.find_quality",
    "FindQualitySettings": "settings.find_quality",
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
}
"""Where each public name lives, with its name there if it is another."""

__all__ = [
    "CompressSettings",
    "DecompressSettings",
    "ExportSettings",
    "FindQualitySettings",
    "ImportSettings",
    "InfoSettings",
    "PlotGammasSettings",
    "PlotRunSettings",
    "ReconstructSettings",
    "TrainSettings",
    "compress",
    "compress_files",
    "decompress",
    "decompress_files",
    "export_checkpoint",
    "find_quality",
    "import_checkpoint",
    "info",
    "load_model",
    "load_train_settings",
    "plot_gammas",
    "plot_run",
    "reconstruct",
    "train",
]
>>>>>>> 520ec2e (Commands fill settings; files, batches and pictures are conducted below the command line)

pillow_plugin.register()


_HOMES = {
    "EvalSettings": "hpcmbal.settings.evaluation:EvalSettings",
    "compress": "hpcmbal.codec.codec:compress",
    "decompress": "hpcmbal.codec.codec:decompress",
    "evaluate": "hpcmbal.evaluation.evaluate:evaluate",
    "load_model": "hpcmbal.codec.codec_model:load_codec_model",
}
"""Where each public name lives; imported when it is asked for, since most bring torch."""


def __getattr__(name: str) -> Any:
<<<<<<< HEAD
    """Import a public name from its home."""
    if name not in _HOMES:
        raise AttributeError(f"module 'hpcmbal' has no attribute {name!r}")
    module, _, attribute = _HOMES[name].partition(":")
    return getattr(importlib.import_module(module), attribute)
=======
    """Import a public name when it is asked for; most bring torch."""
    if name not in _HOMES:
        raise AttributeError(f"module 'hpcmbal' has no attribute {name!r}")
    module, _, attribute = _HOMES[name].partition(":")
    return getattr(importlib.import_module(f"hpcmbal.{module}"), attribute or name)


def __dir__() -> list[str]:
    """The public names."""
    return sorted([*globals(), *_HOMES])
>>>>>>> 520ec2e (Commands fill settings; files, batches and pictures are conducted below the command line)
