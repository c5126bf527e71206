"""What anchors have in common: qualities, of which some are the points of a curve and any can be asked for."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from hpcmbal.evaluation.codecs.image_codec import CodedImage
from hpcmbal.evaluation.codecs.quality_scale import QualityScale

if TYPE_CHECKING:
    from hpcmbal.images.rgb_image import RgbImage


_PERCENT = QualityScale(0, 100)


@dataclass(frozen=True, kw_only=True)
class QualityAnchor(ABC):
    """An anchor, as an `ImageCodec` and an `AdjustableCodec`; it holds nothing but settings, and runs on one thread.

    Attributes:
        name: On the command line, and of the curve.
        qualities: The operating points.
        scale: Everything that may be asked for.
        quality_name: What a quality is called.
    """

    in_processes = True

    name: str
    qualities: tuple[float, ...]
    scale: QualityScale = _PERCENT
    quality_name: str = "quality"

    @property
    def points(self) -> Sequence[str]:
        """The qualities, in words."""
        return [f"{self.quality_name} {quality:g}" for quality in self.qualities]

    @abstractmethod
    def check(self) -> None:
        """Raise if it cannot run here, before hours of coding.

        Raises:
            SettingsError: What it needs is not installed, or was built without it.
            MissingExtraError: It needs an optional package.
        """

    @abstractmethod
    def describe(self) -> dict[str, object]:
        """Versions, settings and the qualities of the points."""

    def code(self, image: RgbImage, point: int) -> CodedImage:
        """Encode and decode `image` at one of its points."""
        return self.code_at(image, self.qualities[point])

    @abstractmethod
    def code_at(self, image: RgbImage, quality: float) -> CodedImage:
        """Encode and decode `image` at any quality, not only one of the points."""
