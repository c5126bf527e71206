"""The rate parameter as callers give it: one number for all images, or one for each."""

from __future__ import annotations

import math

from torch import Tensor

from hpcmbal.errors import SettingsError


def lmbda_of_images(lmbda: Tensor | float, x: Tensor) -> Tensor:
    """One lmbda for each image, `[B]`, on the images' device.

    Args:
        lmbda: A positive number for all images, as a Python number or a tensor of one element; or a tensor `[B]`.
        x: Something with one row an image, `[B, ...]`, floating point.

    Raises:
        SettingsError: The number is not positive and finite, or the tensor has another shape.
    """
    if not isinstance(lmbda, Tensor):
        number: object = lmbda
        if isinstance(number, bool) or not isinstance(number, int | float) or not 0 < number < math.inf:
            raise SettingsError(f"lmbda should be a positive number, or a tensor of one for each image. Found {lmbda}.")
        return x.new_full((len(x),), float(number))
    if lmbda.numel() == 1 and lmbda.ndim <= 1:
        return lmbda.to(x.device).expand(len(x))
    if lmbda.shape != x.shape[:1]:
        raise SettingsError(
            f"lmbda must be one number, or one per image: expected shape [{len(x)}], found {list(lmbda.shape)}."
        )
    return lmbda.to(x.device)
