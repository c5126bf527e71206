"""The network: `HPCM` in every `Variant`."""

from hpcmbal.core.model.hpcm import HPCM, ModelOutput, ScaleBits
from hpcmbal.core.model.rate import lmbda_to_quality, quality_to_lmbda
from hpcmbal.core.model.variants import LMBDA_MAX, LMBDA_MIN, VARIANTS, Variant, get_variant

__all__ = [
    "HPCM",
    "LMBDA_MAX",
    "LMBDA_MIN",
    "VARIANTS",
    "ModelOutput",
    "ScaleBits",
    "Variant",
    "get_variant",
    "lmbda_to_quality",
    "quality_to_lmbda",
]
