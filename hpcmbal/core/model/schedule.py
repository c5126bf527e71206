"""The order in which latents are coded, as index plans computed once per latent size.

HPCM codes the latents `y` coarse to fine. Scale s1 holds one latent of 16, s2 four of 16 (s1's among them), s3 all. In
each scale a few steps each code a part of what the scale adds:

```
scale  grid        latents it adds   steps
s1     h/4 x w/4   1/16              2   (first step: no context but the hyperprior)
s2     h/2 x w/2   3/16              3
s3     h   x w     12/16             6
```

Which latents belong to a step depends on the channel: channels are cut into 2, 4 or 8 groups (s1, s2, s3) and each
group has its own offset, so that every step sees neighbours in space and in channels (HPCM, section 3.2).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from hpcmbal.core.model.plan_cache import PlanCache

Index = npt.NDArray[np.int64]

STEPS_PER_SCALE = (2, 3, 6)

_QUAD = ((0, 0), (0, 1), (1, 0), (1, 1))
"""(row, column) of the four latents of a 2x2 cell."""
_QUAD_ORDER = ((0, 1, 2, 3), (3, 2, 1, 0), (2, 3, 0, 1), (1, 0, 3, 2))
"""`_QUAD_ORDER[step][group]`: the cell position that channel group `group` codes in `step` of s2 (step 0 is s1)."""
_OCT = (
    ((0, 0), (2, 2)),
    ((0, 2), (2, 0)),
    ((1, 1), (3, 3)),
    ((1, 3), (3, 1)),
    ((0, 1), (2, 3)),
    ((0, 3), (2, 1)),
    ((1, 0), (3, 2)),
    ((1, 2), (3, 0)),
)
"""The eight pairs of positions into which a 4x4 cell is cut."""
_OCT_ORDER = (
    (0, 2, 4, 6, 1, 3, 5, 7),
    (1, 3, 5, 7, 0, 2, 4, 6),
    (2, 4, 6, 0, 3, 5, 7, 1),
    (3, 5, 7, 1, 2, 4, 6, 0),
    (4, 6, 0, 2, 5, 7, 1, 3),
    (5, 7, 1, 3, 4, 6, 0, 2),
    (6, 0, 2, 4, 7, 1, 3, 5),
    (7, 1, 3, 5, 6, 0, 2, 4),
)
"""`_OCT_ORDER[step][group]`: the pair that channel group `group` codes in `step` of s3 (steps 0 and 1 are s2)."""


@dataclass(frozen=True)
class Step:
    """One coding step. All indices are ascending, so every machine codes latents in the same order.

    Attributes:
        scale: 0, 1 or 2 for s1, s2, s3.
        number: Position among the steps of its scale, from 0.
        grid_index: Flat positions in the scale's `[M, h_s, w_s]` grid, `[n]` int64.
        latent_index: The same latents' flat positions in `y`, `[M, h, w]`, `[n]` int64.
    """

    scale: int
    number: int
    grid_index: Tensor
    latent_index: Tensor


@dataclass(frozen=True)
class CodingPlan:
    """Everything the context walk needs to gather and scatter for latents of one size.

    Attributes:
        grids: (height, width) of the three scales.
        steps: The steps of each scale.
        coarse_in_fine: For s2 and s3, where the latents of the scale before lie in its grid, flat.
        hyper_source: For s1, s2, s3, flat positions in `y` whose hyper-parameters the scale receives.
        hyper_target: The positions in the scale's grid at which it receives them.
        scale_sizes: How many latents each scale adds.
    """

    grids: tuple[tuple[int, int], tuple[int, int], tuple[int, int]]
    steps: tuple[tuple[Step, ...], tuple[Step, ...], tuple[Step, ...]]
    coarse_in_fine: tuple[Tensor, Tensor]
    hyper_source: tuple[Tensor, Tensor, Tensor]
    hyper_target: tuple[Tensor, Tensor, Tensor]
    scale_sizes: tuple[int, int, int]

    @cached_property
    def size_bytes(self) -> int:
        """Memory of all indices, both orders below included."""
        steps = [step for steps in self.steps for step in steps]
        indices = [*(step.grid_index for step in steps), *(step.latent_index for step in steps)]
        indices += [*self.coarse_in_fine, *self.hyper_source, *self.hyper_target]
        distinct = {id(index): index.nbytes for index in indices}
        latents = sum(self.scale_sizes)
        return sum(distinct.values()) + 2 * latents * indices[0].element_size()

    # Made when they are asked for: coding a large image does without them, and they take 16 bytes a latent.
    @cached_property
    def coding_order(self) -> Tensor:
        """Flat positions in `y` in the order of coding, all steps one after another."""
        return torch.cat([step.latent_index for steps in self.steps for step in steps])

    @cached_property
    def natural_order(self) -> Tensor:
        """The inverse of `coding_order`: `coded[natural_order]` is in the order of `y`."""
        order = self.coding_order
        return torch.empty_like(order).index_copy_(0, order, torch.arange(order.numel(), device=order.device))


kept_plans: PlanCache[CodingPlan] = PlanCache()
"""The plans of the sizes that came last, of all models in the process."""


def coding_plan(channels: int, height: int, width: int, *, released: bool, device: torch.device) -> CodingPlan:
    """The plan for latents `[channels, height, width]`.

    Args:
        channels: M, a multiple of 8.
        height, width: Multiples of 4.
        released: Give s2 the hyper-parameters that the released network gives it: those at positions other than the
            ones s1 left over. Only 48 % of the s2 latents then receive their own.
        device: Where the indices live.
    """
    key = (channels, height, width, released, device)
    return kept_plans.get(key, lambda: _build(channels, height, width, released=released, device=device))


def _build(channels: int, height: int, width: int, *, released: bool, device: torch.device) -> CodingPlan:
    in_s2 = _every_second(channels, height, width)
    in_s1 = _quad_positions(channels, height // 2, width // 2, _QUAD_ORDER[0])
    s2_in_y, s3_new = _flat(in_s2), _flat(~in_s2)
    s1_in_s2, s2_new = _flat(in_s1), _flat(~in_s1)
    s1_in_y = s2_in_y[s1_in_s2]

    s1_steps = _checkerboard(channels, height // 4, width // 4)
    s2_steps = [_flat(_quad_positions(channels, height // 2, width // 2, order)) for order in _QUAD_ORDER[1:]]
    s3_steps = [_flat(_oct_positions(channels, height, width, order)) for order in _OCT_ORDER[2:]]
    s2_source = _released_s2_source(channels, height, width) if released else s2_in_y[s2_new]

    def tensor(index: Index) -> Tensor:
        return torch.from_numpy(np.ascontiguousarray(index)).to(device)

    def steps(scale: int, indices: list[Index], to_latent: Index) -> tuple[Step, ...]:
        return tuple(Step(scale, number, tensor(i), tensor(to_latent[i])) for number, i in enumerate(indices))

    s3_indices = [tensor(index) for index in s3_steps]
    s3_positions = tensor(s3_new)
    return CodingPlan(
        grids=((height // 4, width // 4), (height // 2, width // 2), (height, width)),
        steps=(
            steps(0, s1_steps, s1_in_y),
            steps(1, s2_steps, s2_in_y),
            # The grid of s3 is that of y.
            tuple(Step(2, number, index, index) for number, index in enumerate(s3_indices)),
        ),
        coarse_in_fine=(tensor(s1_in_s2), tensor(s2_in_y)),
        hyper_source=(tensor(s1_in_y), tensor(s2_source), s3_positions),
        hyper_target=(tensor(np.arange(s1_in_y.size)), tensor(s2_new), s3_positions),
        scale_sizes=(s1_in_y.size, s2_new.size, s3_new.size),
    )


def _flat(mask: npt.NDArray[np.bool_]) -> Index:
    return np.flatnonzero(mask)


def _tile(cell: npt.NDArray[np.bool_], height: int, width: int) -> npt.NDArray[np.bool_]:
    """Repeat `[groups, side, side]` over `height` x `width`."""
    side = cell.shape[-1]
    return np.tile(cell, (1, height // side, width // side))


def _per_channel(cell: npt.NDArray[np.bool_], channels: int, height: int, width: int) -> npt.NDArray[np.bool_]:
    """Pattern of a group's cell repeated over space and the channels of the group, `[channels, height, width]`."""
    return np.repeat(_tile(cell, height, width), channels // cell.shape[0], axis=0)


def _checkerboard(channels: int, height: int, width: int) -> list[Index]:
    """The two steps of s1: opposite checkerboards in the two halves of the channels, then the rest."""
    row, column = np.indices((height, width))
    even = (row + column) % 2 == 0
    first = np.repeat(np.stack((even, ~even)), channels // 2, axis=0)
    return [_flat(first), _flat(~first)]


def _quad_positions(channels: int, height: int, width: int, order: tuple[int, ...]) -> npt.NDArray[np.bool_]:
    cell = np.zeros((4, 2, 2), dtype=bool)
    for group, position in enumerate(order):
        cell[(group, *_QUAD[position])] = True
    return _per_channel(cell, channels, height, width)


def _oct_positions(channels: int, height: int, width: int, order: tuple[int, ...]) -> npt.NDArray[np.bool_]:
    cell = np.zeros((8, 4, 4), dtype=bool)
    for group, pair in enumerate(order):
        for position in _OCT[pair]:
            cell[(group, *position)] = True
    return _per_channel(cell, channels, height, width)


def _every_second(channels: int, height: int, width: int) -> npt.NDArray[np.bool_]:
    """Latents that make up the s2 grid: every second row and column, with the offset of the channel's group."""
    first, second = _OCT_ORDER[0], _OCT_ORDER[1]
    return _oct_positions(channels, height, width, first) | _oct_positions(channels, height, width, second)


def _released_s2_source(channels: int, height: int, width: int) -> Index:
    """Where the released network takes the hyper-parameters of s2 from.

    It leaves out one latent of every 4x4 cell (the first of its group's pair), while s1 really holds another one, which
    depends on the channel's quarter. Both sets have the same size channel by channel, and are matched in ascending
    order.
    """
    cell = np.zeros((8, 4, 4), dtype=bool)
    for group, pair in enumerate(_OCT_ORDER[0]):
        cell[(group, *_OCT[pair][0])] = True
    left_out = _per_channel(cell, channels, height, width)
    return _flat(_every_second(channels, height, width) & ~left_out)
