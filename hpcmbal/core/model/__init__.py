"""The network: `HPCM` in every `Variant`."""

from hpcmbal.core.model.hpcm import HPCM, ModelOutput, ScaleBits
from hpcmbal.core.model.variants import PAPER_RANGE, VARIANTS, LmbdaRange, Variant, get_variant

__all__ = [
    "HPCM",
    "PAPER_RANGE",
    "VARIANTS",
    "LmbdaRange",
    "ModelOutput",
    "ScaleBits",
    "Variant",
    "get_variant",
]
