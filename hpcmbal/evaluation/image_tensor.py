"""Images as networks and metrics take them."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch

    from hpcmbal.images.rgb_image import RgbImage


def image_tensor(image: RgbImage, device: torch.device | str = "cpu") -> torch.Tensor:
    """`[1, 3, H, W]` float32 in [0, 1] of an 8-bit image; 255 times a value is the integer that it was."""
    import torch

    return torch.from_numpy(image.copy()).permute(2, 0, 1)[None].to(device, torch.float32) / 255.0
