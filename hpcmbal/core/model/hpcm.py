"""HPCM, the hierarchical progressive context model for learned image compression (ICCV 2025), in all its sizes."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import NamedTuple, TypedDict

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from hpcmbal.core.entropy.generalized_gaussian import GeneralizedGaussian
from hpcmbal.core.lmbda import lmbda_of_images
from hpcmbal.core.model.context import HierarchicalContext
from hpcmbal.core.model.indexing import take
from hpcmbal.core.model.rate_gains import RateGains
from hpcmbal.core.model.rates import LmbdaRange, OneRate, Rates, fit_rates
from hpcmbal.core.model.schedule import Step
from hpcmbal.core.model.transforms import analysis_transform, hyper_analysis, hyper_synthesis, synthesis_transform
from hpcmbal.core.model.variants import Variant, get_variant
from hpcmbal.errors import SettingsError

CODER_TABLES = (
    "scale_table",
    "quantized_cdf_z",
    "cdf_length_z",
    "offset_z",
    "quantized_cdf_y",
    "cdf_length_y",
    "offset_y",
)
"""Buffers of the released models that hold their coder's tables; kept empty, ours are derived from the weights."""


RATES_ENTRY = "lmbda_range"
"""Entry that a state dict may carry, `[2]` float64: the ends of the rates that the weights were trained for, equal ends
for one rate. Only where they are not all that the variant's gains cover."""


class ScaleBits(NamedTuple):
    """Bits of each image, by what they describe; every field `[B]`."""

    s1: Tensor
    s2: Tensor
    s3: Tensor
    z: Tensor

    def total(self) -> Tensor:
        """All bits of each image, `[B]`."""
        return self.s1 + self.s2 + self.s3 + self.z


class Likelihoods(TypedDict):
    """Probabilities of the quantised values: `y` `[B, M, h, w]`, `z` `[B, N, h/4, w/4]`."""

    y: Tensor
    z: Tensor


class ModelOutput(TypedDict):
    """What `HPCM.forward` returns: CompressAI's keys and, beside them, the bits of each scale.

    `x_hat` is `[B, 3, H, W]`, not clamped. Likelihoods and bits cover the padded image.
    """

    x_hat: Tensor
    likelihoods: Likelihoods
    scale_bits: ScaleBits


class HPCM(HierarchicalContext):
    """The whole codec network of any `Variant`.

    ```
    x --g_a--> y --(* gain)--+--h_a--> z --round--> z_hat --h_s--> params
                             |                                       |
                             +--> context walk: 11 steps <-----------+
                                       |
    x_hat <--g_s--(* inverse gain)-- y_hat
    ```

    Rate gains exist for variants with `rate_levels` only (Cui et al., "Asymmetric gained deep image compression",
    2021).

    Args:
        variant: What to build, or its name.
        rates: What it is trained for; all that the variant can do if not given.

    Raises:
        SettingsError: The name is unknown, or the variant cannot have these rates.
    """

    def __init__(self, variant: Variant | str, rates: Rates | None = None) -> None:
        variant = get_variant(variant) if isinstance(variant, str) else variant
        super().__init__(variant)
        self.rates = fit_rates(rates, variant.gains_range, variant.name)
        self.rounds_in_training = False
        hyper_shape = (1, variant.hyper_channels, 1, 1)
        self.means_hyper = nn.Parameter(torch.zeros(hyper_shape))
        self.scales_hyper = nn.Parameter(torch.ones(hyper_shape))
        if variant.released:
            for name in CODER_TABLES:
                self.register_buffer(name, torch.empty(0))
            self.register_load_state_dict_pre_hook(_drop_coder_tables)  # type: ignore[no-untyped-call]
        self.entropy_estimation = GeneralizedGaussian(released=variant.released)
        self.g_a = analysis_transform(variant)
        self.g_s = synthesis_transform(variant)
        self.h_a = hyper_analysis(variant)
        self.h_s = hyper_synthesis(variant)
        self.build_context()
        self.rate_gains: RateGains | None = None
        if variant.rate_levels:
            self.rate_gains = RateGains(variant.latent_channels, variant.rate_levels, variant.lmbda_range)
        self.register_load_state_dict_pre_hook(_take_rates)  # type: ignore[no-untyped-call]

    def forward(
        self, x: Tensor, lmbda: Tensor | float | None = None, noise_seeds: list[int] | None = None
    ) -> ModelOutput:
        """Compress and reconstruct, with rates estimated from likelihoods.

        In training mode rounding is replaced by a straight-through estimate where the decoder reads values, and by
        uniform noise where rates are estimated (or by the same estimate, if `rounds_in_training`); in evaluation mode
        both are real rounding.

        Args:
            x: Images `[B, 3, H, W]` in [0, 1], any size; padded to the variant's multiple by repeating the border.
            lmbda: Rate parameter, one for all images or one for each `[B]`; that of quality 50 if not given. A model of
                one rate codes at its own, whatever is given.
            noise_seeds: One seed per image. The same seeds give the same noise, whatever the batch or the rank.

        Raises:
            SettingsError: `lmbda` is neither a positive number nor one for each image.
        """
        height, width = x.shape[-2:]
        x = pad_to_multiple(x, self.variant.pad_multiple)
        y = self.analyse(x, lmbda)
        z = self.h_a(y)
        y, z = full_precision(y), full_precision(z)
        noise = self._noise(y, z, noise_seeds) if self.training and not self.rounds_in_training else None

        z_residual = z - self.means_hyper
        z_hat = round_straight_through(z_residual) + self.means_hyper
        params = full_precision(self.h_s(z_hat))

        y_flat = y.flatten(1)
        residuals: list[Tensor] = []
        step_scales: list[Tensor] = []

        def quantise(step: Step, scales: Tensor, means: Tensor) -> Tensor:
            residual = take(y_flat, step.latent_index) - means
            residuals.append(residual)
            step_scales.append(scales)
            return round_straight_through(residual) + means

        y_hat = self.walk(params, quantise)
        x_hat = self.synthesise(y_hat, lmbda)[..., :height, :width]

        plan = self.plan(y.shape[2], y.shape[3], y.device)
        y_residual = torch.cat(residuals, dim=1)
        # In float32 whatever autocast does: its low precision concerns products, and here there are none.
        rounding = round_straight_through if self.training else torch.round
        y_values = rounding(y_residual) if noise is None else y_residual + take(noise[0], plan.coding_order)
        z_values = rounding(z_residual) if noise is None else z_residual + noise[1]
        y_likelihood = self.entropy_estimation(y_values, torch.cat(step_scales, dim=1))
        z_likelihood = self.entropy_estimation(z_values, self.scales_hyper)
        s1, s2, s3 = (part.log2().sum(1).neg() for part in y_likelihood.split(list(plan.scale_sizes), dim=1))
        scale_bits = ScaleBits(s1, s2, s3, z=z_likelihood.log2().sum((1, 2, 3)).neg())
        return {
            "x_hat": x_hat,
            "likelihoods": {"y": take(y_likelihood, plan.natural_order).view_as(y), "z": z_likelihood},
            "scale_bits": scale_bits,
        }

    def analyse(self, x: Tensor, lmbda: Tensor | float | None = None) -> Tensor:
        """Latents `[B, M, h, w]` of padded images, scaled for the rate `lmbda` (see `forward`)."""
        return self.scale(self.g_a(x), lmbda)

    def scale(self, y: Tensor, lmbda: Tensor | float | None = None) -> Tensor:
        """Output of `g_a`, `[B, M, h, w]`, scaled for the rate `lmbda` (see `forward`)."""
        return y if self.rate_gains is None else y * self.rate_gains(self._rate(lmbda, y))

    def synthesise(self, y_hat: Tensor, lmbda: Tensor | float | None = None) -> Tensor:
        """Padded images `[B, 3, H, W]`, not clamped, from decoded latents and the rate `lmbda` (see `forward`)."""
        x_hat: Tensor = self.g_s(self.unscale(y_hat, lmbda))
        return x_hat

    def unscale(self, y_hat: Tensor, lmbda: Tensor | float | None = None) -> Tensor:
        """The inverse of `scale`, as the decoder learnt it: input of `g_s`."""
        return y_hat if self.rate_gains is None else y_hat * self.rate_gains.inverse(self._rate(lmbda, y_hat))

    def _rate(self, lmbda: Tensor | float | None, like: Tensor) -> Tensor:
        """The rate parameters `[B]` or `[1]` that hold for this model."""
        if lmbda is None or not self.rates.variable:
            lmbda = self.rates.lmbda_at()
        if lmbda is None:
            return torch.full((1,), math.nan, device=like.device)
        return lmbda_of_images(lmbda, like)

    def _noise(self, y: Tensor, z: Tensor, seeds: list[int] | None) -> tuple[Tensor, Tensor]:
        """Uniform noise in [-0.5, 0.5) for `y` (flattened, `[B, M h w]`) and `z`."""
        size = y[0].numel() + z[0].numel()
        if seeds is None:
            noise = torch.rand(y.shape[0], size, device=y.device)
        else:
            noise = torch.stack(
                [
                    torch.rand(size, generator=torch.Generator(y.device).manual_seed(seed), device=y.device)
                    for seed in seeds
                ]
            )
        y_noise, z_noise = (noise - 0.5).split([y[0].numel(), z[0].numel()], dim=1)
        return y_noise, z_noise.reshape_as(z)


def full_precision(x: Tensor) -> Tensor:
    """`x` in float32 at least: what is rounded or enters a likelihood does not tolerate autocast's 8 bits."""
    return x.to(torch.promote_types(x.dtype, torch.float32))


def round_straight_through(x: Tensor) -> Tensor:
    """Round to the nearest integer; the gradient passes as if it had not been rounded."""
    return x + (x.round() - x).detach()


def pad_to_multiple(x: Tensor, multiple: int) -> Tensor:
    """Extend `[B, C, H, W]` at the right and bottom to multiples of `multiple`, repeating the border."""
    height, width = x.shape[-2:]
    padding = (0, -width % multiple, 0, -height % multiple)
    return F.pad(x, padding, mode="replicate") if any(padding) else x


def _drop_coder_tables(_module: nn.Module, state_dict: dict[str, Tensor], prefix: str, *_: object) -> None:
    """Ignore the sizes of coder tables in released state dicts: they may be empty or filled, and are not used."""
    for name in CODER_TABLES:
        if f"{prefix}{name}" in state_dict:
            state_dict[f"{prefix}{name}"] = torch.empty(0)


def rates_entry(model: HPCM) -> dict[str, Tensor]:
    """What a plain state dict must carry beside the weights of `model` so that its rates are known: often nothing."""
    rates = model.rates
    if model.variant.gains_range in {None, rates}:
        return {}
    ends = (rates.low, rates.high) if isinstance(rates, LmbdaRange) else (rates.lmbda, rates.lmbda)
    return {RATES_ENTRY: torch.tensor(ends, dtype=torch.float64)}


def rates_of_entries(entries: Mapping[str, Tensor], prefix: str = "") -> Rates | None:
    """The rates that a state dict carries, if it does.

    Raises:
        SettingsError: The entry means no rates.
    """
    entry = entries.get(f"{prefix}{RATES_ENTRY}")
    if entry is None:
        return None
    if entry.shape != (2,) or entry.dtype != torch.float64:
        raise SettingsError(f"'{RATES_ENTRY}' holds two float64 numbers. Found {entry.dtype} {list(entry.shape)}.")
    low, high = entry.tolist()
    return OneRate(low) if low == high else LmbdaRange(low, high)


def _take_rates(module: nn.Module, state_dict: dict[str, Tensor], prefix: str, *_: object) -> None:
    """Take the rates out of a state dict that carries them."""
    rates = rates_of_entries(state_dict, prefix)
    if rates is not None and isinstance(module, HPCM):
        module.rates = fit_rates(rates, module.variant.gains_range, module.variant.name)
        del state_dict[f"{prefix}{RATES_ENTRY}"]
