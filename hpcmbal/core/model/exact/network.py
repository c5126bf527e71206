"""The part of HPCM that encoder and decoder must compute alike, in fixed point."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from hpcmbal.core.entropy.tables import scale_indices, scale_thresholds
from hpcmbal.core.model.attention import WindowCrossAttention
from hpcmbal.core.model.context import HierarchicalContext
from hpcmbal.core.model.exact.attention import ExactAttention
from hpcmbal.core.model.exact.grid import GRID_STEPS, LIMIT, settle_, to_grid
from hpcmbal.core.model.exact.layers import Pointwise, exact_layer, exact_modulation, row_layers
from hpcmbal.core.model.hpcm import HPCM
from hpcmbal.core.model.indexing import put_, take
from hpcmbal.core.model.row_stream import RowLayer, push_rows
from hpcmbal.core.model.schedule import CodingPlan, Step
from hpcmbal.core.model.transforms import Branch

BAND_POSITIONS = 1 << 13
"""Positions of a feature map that go through the context network at once."""


class ExactNetwork(HierarchicalContext):
    """`h_s` and the context network of a trained model, from `z` to the tables of the coder, in grid steps.

    The inherited `walk` runs it: it takes params from `hyper_params` and hands scales and means in grid steps to its
    coder, which answers with `y_hat` in grid steps. All of these are float32, which holds every value on the grid; the
    layers between them compute in float64. The walk takes over the memory of its params: they are gone afterwards.

    Args:
        model: The trained model; not changed, and not referred to afterwards.

    Raises:
        NumericalError: A layer is too wide for exact sums, or a weight is not finite.
    """

    means_hyper: Tensor
    thresholds: Tensor

    def __init__(self, model: HPCM) -> None:
        super().__init__(model.variant)
        self.register_buffer("means_hyper", to_grid(model.means_hyper))
        self.register_buffer("thresholds", torch.tensor(scale_thresholds(), dtype=torch.float32))
        self.z_tables = scale_indices(to_grid(model.scales_hyper).flatten().cpu().numpy())
        hyper_synthesis = model.h_s.branch if isinstance(model.h_s, Branch) else model.h_s
        self.h_s = exact_layer(hyper_synthesis, "h_s")
        self.adaptive_params_list = nn.ParameterList(
            nn.Parameter(exact_modulation(value, f"adaptive_params_list.{i}"), requires_grad=False)
            for i, value in enumerate(model.adaptive_params_list)
        )
        for name, child in model.named_children():
            if isinstance(child, nn.ModuleList):
                setattr(self, name, nn.ModuleList(exact_layer(layer, f"{name}.{i}") for i, layer in enumerate(child)))
            elif isinstance(child, WindowCrossAttention):
                setattr(self, name, ExactAttention(child, name))
            elif name.startswith("y_spatial_prior"):
                setattr(self, name, exact_layer(child, name))
        self.requires_grad_(requires_grad=False).eval()

    def hyper_params(self, z_symbols: Tensor) -> Tensor:
        """Prior parameters `[B, 2M, h, w]` in grid steps, from integers `z_symbols` `[B, N, h/4, w/4]` of any dtype."""
        params: Tensor = self.h_s(self.dequantise(z_symbols, self.means_hyper).double())
        return params.float()

    def dequantise(self, symbols: Tensor, means: Tensor) -> Tensor:
        """`symbols + means` on the grid: what both sides take a latent to be. `means` in grid steps."""
        return (symbols.double() * GRID_STEPS).add_(means).clamp_(-LIMIT, LIMIT).float()

    def table_indices(self, scales: Tensor) -> Tensor:
        """Coder's table of each latent, uint8, from scales in grid steps; exact, as it only compares."""
        return torch.bucketize(scales.contiguous(), self.thresholds, right=True).to(torch.uint8)

    def write(self, y_hat: Tensor, index: Tensor, values: Tensor) -> Tensor:
        """As inherited, in the memory of `y_hat`."""
        return put_(y_hat, index, values)

    def _predict(self, step: Step, state: Tensor, y_hat: Tensor) -> Tensor:
        """As inherited, some rows at a time: what lies between the layers stays in the processor's cache.

        Without attention nobody reads the state again, and its memory takes the prediction.
        """
        adaptor, prior, modulation = self._step_layers(step)
        *refining, projection = prior.get_submodule("branch_2").children()
        if state.shape[0] > 1 or not isinstance(adaptor, Pointwise) or not isinstance(projection, Pointwise):
            out: Tensor = prior(adaptor(torch.cat((state, y_hat), dim=1).double()), modulation)
            return out.float()
        layers = [*row_layers(prior.get_submodule("branch_1").children()), RowLayer(lambda x: settle_(x * modulation))]
        layers += row_layers(refining)
        target = state if self.variant.context.attention_width is None else torch.empty_like(state)
        height, width = state.shape[2:]
        step_rows, done = max(1, BAND_POSITIONS // width), 0
        for start in range(0, height, step_rows):
            band = slice(start, start + step_rows)
            maps = (state[:, :, band], y_hat[:, :, band])
            features = modulation.new_empty(1, adaptor.weight.shape[0], *maps[0].shape[2:])
            adaptor.write(maps, features)
            rows = push_rows(layers, features, last=start + step_rows >= height)
            if rows is not None:
                projection.write((rows,), target[:, :, done : done + rows.shape[2]])
                done += rows.shape[2]
        return target

    def _fuse(self, scale: int, prediction: Tensor, state: Tensor) -> Tensor:
        if self.variant.context.attention_width is None:
            return prediction
        return super()._fuse(scale, prediction.double(), state.double()).float()

    def _enter_scale(
        self, scale: int, plan: CodingPlan, hyper: Tensor, state: Tensor, y_hat: Tensor
    ) -> tuple[Tensor, Tensor]:
        """As inherited, with less memory: the positions of the two summands do not overlap.

        The state of the last scale takes the memory of the hyper-parameters, which nobody reads again.
        """
        height, width = plan.grids[scale]
        batch, channels = hyper.shape[0], self.variant.latent_channels
        source, target = plan.hyper_source[scale], plan.hyper_target[scale]
        if source is target:  # the last grid, that of the hyper-parameters: all other positions are the scale before
            spread = hyper
        else:
            spread = put_(hyper.new_zeros(batch, 2, channels * height * width), target, take(hyper, source))
        decoded = hyper.new_zeros(batch, channels * height * width)
        if scale == 0:
            return spread.view(batch, 2 * channels, height, width), decoded
        coarse = plan.coarse_in_fine[scale - 1]
        put_(decoded, coarse, y_hat)
        spread = put_(spread, coarse, state.reshape(batch, 2, -1)).view(batch, 2 * channels, height, width)
        mix = self.context_net[scale - 1]
        if batch > 1 or not isinstance(mix, Pointwise):
            mixed: Tensor = mix(spread.double())
            return mixed.float(), decoded
        mix.write((spread,), spread)
        return spread, decoded
