"""hpcmbal: learned image compression with HPCM and balanced rate-distortion optimisation.

>>> import hpcmbal
>>> sorted(hpcmbal.__all__)
['compress', 'decompress', 'load_model']

Importing it also teaches Pillow to read and write `.hpcm` files. Nothing heavy is imported before something is coded.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from hpcmbal.codec import pillow_plugin

if TYPE_CHECKING:
    from hpcmbal.codec.codec import compress, decompress
    from hpcmbal.codec.codec_model import load_codec_model as load_model

__version__ = "0.1.0"

__all__ = ["compress", "decompress", "load_model"]

pillow_plugin.register()


def __getattr__(name: str) -> Any:
    """Import the coding functions when they are asked for; they bring torch."""
    if name in {"compress", "decompress"}:
        from hpcmbal.codec import codec

        return getattr(codec, name)
    if name == "load_model":
        from hpcmbal.codec.codec_model import load_codec_model

        return load_codec_model
    raise AttributeError(f"module 'hpcmbal' has no attribute {name!r}")
