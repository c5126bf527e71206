"""hpcmbal: learned image compression with HPCM and balanced rate-distortion optimisation.

>>> import hpcmbal
>>> sorted(hpcmbal.__all__)
['EvalSettings', 'compress', 'decompress', 'evaluate', 'load_model']

Importing it also teaches Pillow to read and write `.hpcm` files. Nothing heavy is imported before something is coded.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from hpcmbal.codec import pillow_plugin

if TYPE_CHECKING:
    from hpcmbal.codec.codec import compress, decompress
    from hpcmbal.codec.codec_model import load_codec_model as load_model
    from hpcmbal.evaluation.evaluate import evaluate
    from hpcmbal.settings.evaluation import EvalSettings

__version__ = "0.1.0"

__all__ = ["EvalSettings", "compress", "decompress", "evaluate", "load_model"]

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
    """Import a public name from its home."""
    if name not in _HOMES:
        raise AttributeError(f"module 'hpcmbal' has no attribute {name!r}")
    module, _, attribute = _HOMES[name].partition(":")
    return getattr(importlib.import_module(module), attribute)
