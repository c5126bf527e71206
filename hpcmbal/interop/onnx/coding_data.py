"""What coding needs beside the networks, as plain arrays: the order of the latents and the coder's tables."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from hpcmbal.core.entropy.tables import frequency_tables, scale_thresholds
from hpcmbal.core.model import HPCM, LmbdaRange
from hpcmbal.core.model.exact.grid import GRID_STEPS
from hpcmbal.core.scales import SCALES

CELL = 8
"""Side of the square of latents after which every pattern repeats."""


def coding_data(model: HPCM) -> dict[str, npt.NDArray[Any]]:
    """Arrays by name, as docs/onnx.md describes them; masks are for one cell and are tiled over the latents."""
    channels = model.variant.latent_channels
    plan = model.plan(CELL, CELL, torch.device("cpu"))
    data: dict[str, npt.NDArray[Any]] = {}

    def mask(index: Tensor, grid: tuple[int, int]) -> npt.NDArray[np.bool_]:
        flat = np.zeros(channels * grid[0] * grid[1], dtype=bool)
        flat[index.numpy()] = True
        return flat.reshape(channels, *grid)

    for scale, grid, steps in zip(SCALES, plan.grids, plan.steps, strict=True):
        data |= {f"{scale}_{step.number}": mask(step.grid_index, grid) for step in steps}
    data["s1_in_s2"] = mask(plan.coarse_in_fine[0], plan.grids[1])
    data["s2_in_y"] = mask(plan.coarse_in_fine[1], plan.grids[2])
    data["s2_hyper_in_y"] = mask(plan.hyper_source[1], plan.grids[2])
    data["means_hyper"] = model.means_hyper.detach().numpy()[0]
    data["scales_hyper"] = model.scales_hyper.detach().numpy()[0]
    data["thresholds"] = np.array(scale_thresholds()) / GRID_STEPS
    tables = frequency_tables()
    data["half_widths"] = np.array([table.half_width for table in tables])
    data["frequencies"] = np.concatenate([np.array(table.frequencies) for table in tables])
    rates = model.rates
    ends = (rates.low, rates.high) if isinstance(rates, LmbdaRange) else (rates.lmbda or 0.0,) * 2
    data["lmbda_range"] = np.array(ends)
    data["pad_multiple"] = np.array(model.variant.pad_multiple)
    return data
