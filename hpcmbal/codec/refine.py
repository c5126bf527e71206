"""Effort: latents refined by gradient before they are coded; files get smaller, decoders do not change.

What the analysis transform gives is a good guess, not the best latents for one picture. Stochastic Gumbel annealing
(Yang, Bamler and Mandt, "Improving inference for neural image compression", NeurIPS 2020, section 3.2) minimises
J = R + lmbda * 255^2 * MSE over `y` and `z`, with every value rounded up or down at random, softly at first and ever
more decidedly.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from hpcmbal.core.model.hpcm import HPCM, full_precision
from hpcmbal.core.model.indexing import take
from hpcmbal.core.model.schedule import Step

Progress = Callable[[float], None]
"""Is told the share of the work that is done, 0 to 1."""

STEPS = (0, 10, 20, 40, 70, 120, 200, 350, 600, 1000)
"""Gradient steps of the efforts 0 to 9."""
LEARNING_RATE = 0.01
TEMPERATURE_HIGH, TEMPERATURE_LOW = 0.5, 0.2
SOFT_SHARE = 0.35
"""Share of the steps before the temperature falls."""
TILE, HALO = 32, 8
"""Latents of a side that are refined together, and those around them that are refined with them and thrown away; both
multiples of 8, so that a tile's coding plan is that of its place in the picture."""
MOST_LATENTS = (TILE + 2 * HALO) ** 2
"""Places (rows times columns) of a tile with its halo; a picture with no more is one tile."""
_EDGE = 1e-5


@dataclass(frozen=True)
class Region:
    """A tile of the latents: rows and columns of `y` with its halo, and those that are kept."""

    outer: tuple[slice, slice]
    kept: tuple[slice, slice]

    @property
    def kept_inside(self) -> tuple[slice, slice]:
        """The kept part in the region's own coordinates."""
        rows, columns = (
            slice(kept.start - outer.start, kept.stop - outer.start)
            for kept, outer in zip(self.kept, self.outer, strict=True)
        )
        return rows, columns


def refine_latents(
    model: HPCM,
    pixels: Callable[[tuple[slice, slice]], Tensor],
    y: Tensor,
    z: Tensor,
    *,
    lmbda: float,
    effort: int,
    dtype: torch.dtype = torch.float32,
    progress: Progress | None = None,
) -> tuple[Tensor, Tensor]:
    """Latents that cost less than the given ones, as far as the floating-point network can tell.

    Args:
        model: The network, in evaluation mode.
        pixels: The picture `[1, 3, rows, columns]` in [0, 1] of a part of `y`, given as slices of its rows and columns;
            cut off where the picture ends.
        y: Latents `[1, M, h, w]`, with the gains; h and w multiples of 4.
        z: Side information `[1, N, h/4, w/4]`.
        lmbda: Of J.
        effort: 0 to 9.
        dtype: Of products; bfloat16 is faster where the processor multiplies it, and finds as good latents.
        progress: Is told how far it is.

    Returns:
        `y` and `z`, refined.
    """
    refined_y, refined_z = y.clone(), z.clone()
    found = list(regions(*y.shape[2:]))
    for number, region in enumerate(found):
        coarse = tuple(slice(part.start // 4, part.stop // 4) for part in region.outer)
        search = _Search(
            model, pixels(region.outer), y[:, :, *region.outer], z[:, :, *coarse], lmbda=lmbda, dtype=dtype
        )
        for step in range(STEPS[effort]):
            search.step(step / STEPS[effort])
            if progress is not None:
                progress((number + (step + 1) / STEPS[effort]) / len(found))
        refined_y[:, :, *region.kept] = search.y.detach()[:, :, *region.kept_inside]
        kept, inside = (
            tuple(slice(part.start // 4, part.stop // 4) for part in parts)
            for parts in (region.kept, region.kept_inside)
        )
        refined_z[:, :, *kept] = search.z.detach()[:, :, *inside]
    return refined_y, refined_z


def regions(height: int, width: int) -> Iterator[Region]:
    """The tiles of latents of this size."""
    if height * width <= MOST_LATENTS:
        whole = slice(0, height), slice(0, width)
        yield Region(whole, whole)
        return
    for rows in _spans(height):
        for columns in _spans(width):
            yield Region((rows[0], columns[0]), (rows[1], columns[1]))


def _spans(length: int) -> Iterator[tuple[slice, slice]]:
    """With and without the halo; a rest of less than half a tile goes to the tile before."""
    count = max(1, round(length / TILE))
    for number in range(count):
        start, stop = number * TILE, length if number == count - 1 else (number + 1) * TILE
        yield slice(max(0, start - HALO), min(length, stop + HALO)), slice(start, stop)


class _Search:
    """The refinement of one region."""

    def __init__(self, model: HPCM, x: Tensor, y: Tensor, z: Tensor, *, lmbda: float, dtype: torch.dtype) -> None:
        self._model = model
        self._x = x
        self._lmbda = lmbda
        self._dtype = dtype
        self.y = y.detach().float().clone().requires_grad_()
        self.z = z.detach().float().clone().requires_grad_()
        self._adam = torch.optim.Adam([self.y, self.z], lr=LEARNING_RATE)
        self._random = torch.Generator(y.device).manual_seed(0)

    def step(self, done: float) -> None:
        """One step of Adam; `done` is the share of the steps before it."""
        fall = max(0.0, done - SOFT_SHARE) / (1 - SOFT_SHARE)
        temperature = TEMPERATURE_HIGH * (TEMPERATURE_LOW / TEMPERATURE_HIGH) ** fall
        low = self._dtype != torch.float32
        with torch.enable_grad():
            with torch.autocast(self._x.device.type, self._dtype, enabled=low):
                loss = self._loss(temperature)
            # Not backward: the network's own parameters need no gradient.
            self.y.grad, self.z.grad = torch.autograd.grad(loss, [self.y, self.z])
        self._adam.step()

    def _loss(self, temperature: float) -> Tensor:
        """J of the region, softly rounded."""
        model = self._model
        z_residual = self._rounded(self.z - model.means_hyper, temperature)
        y_flat = self.y.flatten(1)
        residuals: list[Tensor] = []
        step_scales: list[Tensor] = []

        def quantise(step: Step, scales: Tensor, means: Tensor) -> Tensor:
            residual = self._rounded(take(y_flat, step.latent_index) - means, temperature)
            residuals.append(residual)
            step_scales.append(scales)
            return residual + means

        y_hat = model.walk(full_precision(model.h_s(z_residual + model.means_hyper)), quantise)
        likelihood = model.entropy_estimation(torch.cat(residuals, dim=1), torch.cat(step_scales, dim=1))
        bits = -likelihood.log2().sum() - model.entropy_estimation(z_residual, model.scales_hyper).log2().sum()
        height, width = self._x.shape[2:]
        x_hat = full_precision(model.synthesise(y_hat, self._lmbda)[..., :height, :width])
        mse = (x_hat - self._x).square().mean()
        loss: Tensor = bits / (height * width) + self._lmbda * 255**2 * mse
        return loss

    def _rounded(self, v: Tensor, temperature: float) -> Tensor:
        """`v` between the integers below and above, drawn from the relaxed choice between them (equation 9 there)."""
        below = v.detach().floor()
        share = (v - below).clamp(_EDGE, 1 - _EDGE)
        uniform = torch.rand(v.shape, generator=self._random, device=v.device).clamp(_EDGE, 1 - _EDGE)
        logits = (torch.atanh(share) - torch.atanh(1 - share)) / temperature
        noise = uniform.log() - torch.log1p(-uniform)
        rounded: Tensor = below + torch.sigmoid((logits + noise) / temperature)
        return rounded
