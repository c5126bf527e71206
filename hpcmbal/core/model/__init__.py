"""The network: `HPCM` in every `Variant`."""

from hpcmbal.core.model.hpcm import HPCM, ModelOutput, ScaleBits
from hpcmbal.core.model.rates import LmbdaRange, OneRate, Rates
from hpcmbal.core.model.variants import PAPER_RANGE, VARIANTS, Variant, get_variant

__all__ = [
    "HPCM",
    "PAPER_RANGE",
    "VARIANTS",
    "LmbdaRange",
    "ModelOutput",
    "OneRate",
    "Rates",
    "ScaleBits",
    "Variant",
    "get_variant",
]
