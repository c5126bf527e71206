"""The hierarchical progressive context model: predicts every latent's mean and scale from those already coded."""

from __future__ import annotations

from typing import Protocol

import torch
from torch import Tensor, nn

from hpcmbal.core.model.attention import WindowCrossAttention
from hpcmbal.core.model.blocks import DepthwiseBlock, conv1x1
from hpcmbal.core.model.indexing import put, take
from hpcmbal.core.model.schedule import STEPS_PER_SCALE, CodingPlan, Step, coding_plan
from hpcmbal.core.model.variants import Variant
from hpcmbal.core.scales import SCALES

ATTENTION_WINDOWS = (4, 8, 8)
"""Sides of the attention windows at s1, s2, s3, in latents of the scale's own grid."""

CONTEXT_STEPS = sum(STEPS_PER_SCALE) - 1
"""Steps that run the context network: all but the very first, which has the hyperprior alone."""


class LatentCoder(Protocol):
    """What happens to the latents of one step: quantise them, write them, read them, or guess them."""

    def __call__(self, step: Step, scales: Tensor, means: Tensor) -> Tensor:
        """Return decoded latents `y_hat` `[B, n]` of `step`, given predicted `scales` and `means` `[B, n]`."""


class ContextPrior(nn.Module):
    """Prediction network of one or two scales: `[B, W, h, w]` to scales and means `[B, 2M, h, w]`."""

    def __init__(self, width: int, out_channels: int, blocks: tuple[int, int, int], mlp_ratio: int) -> None:
        super().__init__()
        before, after, projected = blocks
        self.branch_1 = nn.Sequential(*_depthwise(width, before, mlp_ratio))
        self.branch_2 = nn.Sequential(
            *_depthwise(width, after, mlp_ratio),
            conv1x1(width, out_channels),
            *_depthwise(out_channels, projected, mlp_ratio),
        )

    def forward(self, x: Tensor, modulation: Tensor) -> Tensor:
        """`modulation` `[1, W, 1, 1]` is learned per coding step, so that the steps can share this network."""
        out: Tensor = self.branch_2(self.branch_1(x) * modulation)
        return out


class HierarchicalContext(nn.Module):
    """Walks the coding schedule; the same walk trains, encodes, decodes and previews (HPCM, section 3 and figure 2).

    ```
    params [B, 2M, h, w] (from h_s)
       | take s1's
       v
    state --+-> step 0: scales, means = state
            |-> step 1: prior(adaptor(state, y_hat)) -> scales, means;  state = attention(prediction, state)
       | spread into the s2 grid, add s2's params, mix        3 more such steps
       v
       | spread into the s3 grid, add s3's params, mix        6 more such steps
       v
    y_hat [B, M, h, w]
    ```
    """

    y_spatial_prior_adaptor_list_s1: nn.ModuleList
    y_spatial_prior_adaptor_list_s2: nn.ModuleList
    y_spatial_prior_adaptor_list_s3: nn.ModuleList

    def __init__(self, variant: Variant) -> None:
        super().__init__()
        self.variant = variant

    def build_context(self) -> None:
        """Create the layers.

        Apart from `__init__`, so that a subclass can register its own first, in the order of released state dicts.
        """
        size = self.variant.context
        params_channels = 2 * self.variant.latent_channels
        context_steps = (STEPS_PER_SCALE[0] - 1, *STEPS_PER_SCALE[1:])
        for scale, count, depth in zip(SCALES, context_steps, size.adaptor_blocks, strict=True):
            adaptors = nn.ModuleList(self._adaptor(depth) for _ in range(count))
            setattr(self, f"y_spatial_prior_adaptor_list_{scale}", adaptors)
        self.y_spatial_prior_s1_s2 = ContextPrior(size.width, params_channels, size.coarse_blocks, size.mlp_ratio)
        self.y_spatial_prior_s3 = ContextPrior(size.width, params_channels, size.fine_blocks, size.mlp_ratio)
        self.adaptive_params_list = nn.ParameterList(
            nn.Parameter(torch.ones(1, size.width, 1, 1)) for _ in range(CONTEXT_STEPS)
        )
        if size.attention_width is not None:
            for scale, window in zip(SCALES, ATTENTION_WINDOWS, strict=True):
                attention = WindowCrossAttention(params_channels, size.attention_width, size.attention_heads, window)
                setattr(self, f"attn_{scale}", attention)
        self.context_net = nn.ModuleList(conv1x1(params_channels, params_channels) for _ in range(len(SCALES) - 1))

    def plan(self, height: int, width: int, device: torch.device) -> CodingPlan:
        """The coding plan for latents of `height` x `width`."""
        variant = self.variant
        return coding_plan(variant.latent_channels, height, width, released=variant.released, device=device)

    def walk(self, params: Tensor, code: LatentCoder, scales: int = 3) -> Tensor:
        """Code all latents in order.

        Args:
            params: Hyper-parameters `[B, 2M, h, w]` from `h_s`: scales, then means; h and w multiples of 4.
            code: Called once per step, in order.
            scales: How many scales to code with `code`, 0 to 3; latents of the others take their predicted means, which
                gives a preview.

        Returns:
            The decoded latents `[B, M, h, w]`.
        """
        batch, channels = params.shape[0], self.variant.latent_channels
        plan = self.plan(params.shape[2], params.shape[3], params.device)
        hyper = params.reshape(batch, 2, -1)
        state, y_hat = hyper[:, :, :0], hyper[:, 0, :0]
        for scale, (height, width) in enumerate(plan.grids):
            coder = code if scale < scales else predicted_means
            state, y_hat = self._enter_scale(scale, plan, hyper, state, y_hat)
            for step in plan.steps[scale]:
                prediction = state
                if scale > 0 or step.number > 0:
                    grid_y_hat = y_hat.reshape(batch, channels, height, width)
                    prediction = self._predict(step, state, grid_y_hat)
                    if step is not plan.steps[-1][-1]:  # nobody reads the state after the last step
                        state = self._fuse(scale, prediction, state)
                step_params = take(prediction.reshape(batch, 2, -1), step.grid_index).to(hyper.dtype)
                y_hat = self.write(y_hat, step.grid_index, coder(step, step_params[:, 0], step_params[:, 1]))
        return y_hat.reshape(batch, channels, *plan.grids[-1])

    def _enter_scale(
        self, scale: int, plan: CodingPlan, hyper: Tensor, state: Tensor, y_hat: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Spread the state and what was decoded into the grid of `scale`, and add its own hyper-parameters.

        Returns:
            State `[B, 2M, h_s, w_s]` and decoded latents `[B, M h_s w_s]` of the scale's grid.
        """
        height, width = plan.grids[scale]
        batch, channels = hyper.shape[0], self.variant.latent_channels
        empty = hyper.new_zeros(batch, 2, channels * height * width)
        own = put(empty, plan.hyper_target[scale], take(hyper, plan.hyper_source[scale]))
        if scale == 0:
            return own.reshape(batch, 2 * channels, height, width), empty[:, 0]
        coarse = plan.coarse_in_fine[scale - 1]
        spread = put(empty, coarse, state.reshape(batch, 2, -1).to(empty.dtype))
        mixed = self.context_net[scale - 1]((spread + own).reshape(batch, 2 * channels, height, width))
        return mixed, put(empty[:, 0], coarse, y_hat)

    def write(self, y_hat: Tensor, index: Tensor, values: Tensor) -> Tensor:
        """`y_hat` `[B, n]` with the latents `values` `[B, m]` of a step, a copy; the exact path overrides it."""
        return put(y_hat, index, values)

    def _predict(self, step: Step, state: Tensor, y_hat: Tensor) -> Tensor:
        """Scales and means `[B, 2M, h, w]` for a step, from the state (alike) and what was coded, `[B, M, h, w]`."""
        adaptor, prior, modulation = self._step_layers(step)
        features = adaptor(torch.cat((state, y_hat), dim=1))
        out: Tensor = prior(features, modulation)
        return out

    def _step_layers(self, step: Step) -> tuple[nn.Module, nn.Module, Tensor]:
        """Adaptor, prior and modulation of a step."""
        adaptors = getattr(self, f"y_spatial_prior_adaptor_list_{SCALES[step.scale]}")
        context_step = step.number - 1 if step.scale == 0 else step.number
        # Released weights were trained with index i - 1 from i = 0: the first step of s2 and s3 uses the last adaptor.
        adaptor = adaptors[context_step - 1 if self.variant.released and step.scale > 0 else context_step]
        modulation = self.adaptive_params_list[sum(STEPS_PER_SCALE[: step.scale]) + step.number - 1]
        prior = self.y_spatial_prior_s3 if step.scale == len(SCALES) - 1 else self.y_spatial_prior_s1_s2
        return adaptor, prior, modulation

    def _fuse(self, scale: int, prediction: Tensor, state: Tensor) -> Tensor:
        if self.variant.context.attention_width is None:
            return prediction
        out: Tensor = getattr(self, f"attn_{SCALES[scale]}")(prediction, state)
        return out

    def _adaptor(self, depth: int) -> nn.Module:
        size, features = self.variant.context, 3 * self.variant.latent_channels
        if depth:
            return nn.Sequential(*_depthwise(features, depth, size.mlp_ratio))
        return conv1x1(features, size.width)


def predicted_means(step: Step, scales: Tensor, means: Tensor) -> Tensor:
    """Coder that guesses: every latent takes its predicted mean."""
    del step, scales
    return means


def _depthwise(channels: int, count: int, mlp_ratio: int) -> list[DepthwiseBlock]:
    return [DepthwiseBlock(channels, mlp_ratio=mlp_ratio) for _ in range(count)]
