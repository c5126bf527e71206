"""HPCM as CompressAI's tools expect a model: one registered class per variant.

Importing this module registers every variant with `compressai.registry`; `zoo` adds them to CompressAI's tables.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Self, TypedDict

import torch
from compressai.registry import register_model
from torch import Tensor

from hpcmbal.core.entropy.segments import Segment
from hpcmbal.core.model.exact import ExactNetwork
from hpcmbal.core.model.hpcm import HPCM, pad_to_multiple
from hpcmbal.core.model.latent_codec import LATENT_STRIDE, decode_latents, encode_latents
from hpcmbal.core.model.variants import VARIANTS, Variant
from hpcmbal.core.scales import SEGMENTS
from hpcmbal.errors import BitstreamError, CheckpointError


class Compressed(TypedDict):
    """What `compress` returns: `strings[segment][image]` in the order z, s1, s2, s3, and the images' size."""

    strings: list[list[bytes]]
    shape: tuple[int, int]


class Decompressed(TypedDict):
    """What `decompress` returns: images `[B, 3, H, W]` in [0, 1]."""

    x_hat: Tensor


class CompressAIModel(HPCM):
    """`HPCM` with `compress`, `decompress`, `update` and `from_state_dict`.

    `compress` writes bare strings, without the header and the checksums of a file; for files use `hpcmbal.codec`. The
    exact path follows the weights: whatever changed them, it is derived anew before the next image is coded.
    Subclasses name their variant.

    Attributes:
        lmbda: The rate parameter where none is given to `forward`, `compress` or `decompress`; None: of quality 50.
    """

    default_variant: ClassVar[Variant]

    def __init__(self) -> None:
        super().__init__(self.default_variant)
        self.lmbda: float | None = None
        self._exact: list[ExactNetwork] = []
        self._exact_of: tuple[tuple[int, int], ...] = ()

    @classmethod
    def from_state_dict(cls, state_dict: Mapping[str, Any]) -> Self:
        """A model with the weights of `state_dict`.

        Raises:
            CheckpointError: The weights do not belong to this variant.
        """
        model = cls()
        try:
            model.load_state_dict(dict(state_dict))
        except RuntimeError as error:
            raise CheckpointError(
                f"The weights do not fit '{cls.default_variant.name}': {error}. Choose the variant that was trained."
            ) from error
        return model

    def update(self, scale_table: Tensor | None = None, force: bool = False, update_quantiles: bool = False) -> bool:
        """Derive the exact path from the weights, if they changed since it was derived.

        Args:
            scale_table: Not used: the format's tables are fixed.
            force: Derive it anew in any case.
            update_quantiles: Not used.

        Returns:
            Whether anything was derived.
        """
        del scale_table, update_quantiles
        # Every in-place change of a tensor counts its version up: steps of an optimiser, load_state_dict.
        weights = tuple((id(value), value._version) for value in self.parameters())  # noqa: SLF001 (torch has no other)
        if self._exact and weights == self._exact_of and not force:
            return False
        self._exact, self._exact_of = [ExactNetwork(self)], weights
        return True

    @torch.no_grad()
    def compress(self, x: Tensor, lmbda: Tensor | float | None = None) -> Compressed:
        """Code images `[B, 3, H, W]` in [0, 1]; `lmbda` as in `HPCM.forward`."""
        height, width = x.shape[-2:]
        y = self.analyse(pad_to_multiple(x, self.variant.pad_multiple), lmbda)
        segments = encode_latents(self._exact_network(), y, self.h_a(y)).segments
        strings = [[image[index].data for image in segments] for index in range(len(SEGMENTS))]
        return {"strings": strings, "shape": (height, width)}

    @torch.no_grad()
    def decompress(
        self, strings: Sequence[Sequence[bytes]], shape: tuple[int, int], lmbda: Tensor | float | None = None
    ) -> Decompressed:
        """Decode what `compress` wrote; fewer than four strings give a preview.

        Raises:
            BitstreamError: There is no string, or one does not decode.
        """
        if not 1 <= len(strings) <= len(SEGMENTS):
            raise BitstreamError(f"`strings` should hold 1 to {len(SEGMENTS)} segments. Found {len(strings)}.")
        height, width = shape
        multiple = self.variant.pad_multiple
        y_height, y_width = (-(-side // multiple) * multiple // LATENT_STRIDE for side in (height, width))
        images = [[Segment(data) for data in image] for image in zip(*strings, strict=True)]
        y_hat = decode_latents(self._exact_network(), images, y_height, y_width, self.means_hyper.device)
        x_hat = self.synthesise(y_hat.to(self.means_hyper.dtype), lmbda)[..., :height, :width]
        return {"x_hat": x_hat.clamp(0, 1)}

    def _rate(self, lmbda: Tensor | float | None, like: Tensor) -> Tensor:
        """As inherited, with the model's own `lmbda` where none is given."""
        return super()._rate(self.lmbda if lmbda is None else lmbda, like)

    def _exact_network(self) -> ExactNetwork:
        self.update()
        return self._exact[0].to(self.means_hyper.device)


def _architecture(variant: Variant) -> type[CompressAIModel]:
    name = "".join(part.capitalize() for part in variant.name.split("-"))
    architecture = type(name, (CompressAIModel,), {"default_variant": variant, "__doc__": f"`{variant.name}`."})
    registered: type[CompressAIModel] = register_model(variant.name)(architecture)
    return registered


ARCHITECTURES: dict[str, type[CompressAIModel]] = {name: _architecture(variant) for name, variant in VARIANTS.items()}
"""The registered class of every variant."""
