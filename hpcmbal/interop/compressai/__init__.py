"""HPCM in CompressAI's registry, zoo and tools: importing this package adds every variant to them."""

from __future__ import annotations

from hpcmbal.interop.compressai.adapter import ARCHITECTURES, CompressAIModel
from hpcmbal.interop.compressai.zoo import LMBDA_OF_QUALITY, add_to_zoo, image_model

__all__ = ["ARCHITECTURES", "LMBDA_OF_QUALITY", "CompressAIModel", "add_to_zoo", "image_model"]

add_to_zoo()
