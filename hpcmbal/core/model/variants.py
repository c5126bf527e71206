"""The sizes in which HPCM comes, as plain data: one network definition, many `Variant`s."""

from __future__ import annotations

from dataclasses import dataclass, replace

from hpcmbal.core.model.rates import LmbdaRange
from hpcmbal.errors import SettingsError

PAPER_RANGE = LmbdaRange(0.0018, 0.0483)
"""Ends of the lmbda list of the papers (MSE)."""

WIDE_RANGE = LmbdaRange(0.0006, 0.18)
"""From a tenth of a bit per pixel to where photographs look unchanged."""


@dataclass(frozen=True)
class Stage:
    """One resolution of a transform: how many channels and how many residual blocks."""

    channels: int
    blocks: int


@dataclass(frozen=True)
class ContextSize:
    """Size of the context network that predicts means and scales, step by step.

    Attributes:
        width: Channels inside the network; the released models use three times the latent channels.
        adaptor_blocks: Depthwise blocks of each step's adaptor for scales (s1, s2, s3); 0 means one 1x1 convolution.
        coarse_blocks: Blocks of the network shared by s1 and s2: before modulation, after it, after the projection.
        fine_blocks: The same for s3.
        mlp_ratio: Expansion inside a block.
        attention_width: Channels of the cross-attention between steps. None: no attention, the context is the prior's
            output ("phi" context).
        attention_heads: Number of heads; divides `attention_width`.
    """

    width: int
    adaptor_blocks: tuple[int, int, int] = (0, 0, 0)
    coarse_blocks: tuple[int, int, int] = (2, 1, 0)
    fine_blocks: tuple[int, int, int] = (3, 2, 0)
    mlp_ratio: int = 2
    attention_width: int | None = None
    attention_heads: int = 32


@dataclass(frozen=True)
class Variant:
    """Everything that determines the network's shape.

    Attributes:
        name: Public name, for example `hpcm-base`.
        latent_channels: Channels of `y` (M in the paper); a multiple of 8, which the coding schedule needs.
        hyper_channels: Channels of `z` (N in the paper).
        analysis: Stages of `g_a` at 1/2, 1/4, 1/8 and 1/16 of the image; the last one has `latent_channels`.
        synthesis: Stages of `g_s` in the same order (from 1/2 to 1/16), run backwards.
        hyper_width: Channels inside `h_a` and `h_s`.
        hyper_blocks: Blocks at the latent's resolution and at half of it.
        context: Size of the context network.
        stem_kernel: Kernel of the first convolution of `g_a` and of the last of `g_s`, 2 or 4.
        partial_ratio, mlp_ratio: Of the partial-convolution blocks.
        released: The variant's weights were released by the authors of HPCM: reproduce the released network's habits
            (adaptor index, s2 hyper-parameter positions, image padding) and state-dict entries.
        rate_levels: Gain vectors for variable rate; 0 means one fixed rate.
        lmbda_range: What the gain vectors span; the rates of a model of this variant, unless it was trained for fewer.
        pad_multiple: Image sides are padded to a multiple of this.
    """

    name: str
    latent_channels: int
    hyper_channels: int
    analysis: tuple[Stage, Stage, Stage, Stage]
    synthesis: tuple[Stage, Stage, Stage, Stage]
    hyper_width: int
    hyper_blocks: tuple[int, int]
    context: ContextSize
    stem_kernel: int = 4
    partial_ratio: int = 4
    mlp_ratio: int = 4
    released: bool = False
    staged_names: bool = False
    rate_levels: int = 0
    lmbda_range: LmbdaRange = PAPER_RANGE
    pad_multiple: int = 64

    @property
    def gains_range(self) -> LmbdaRange | None:
        """What the rate gains cover; None for a variant without gains."""
        return self.lmbda_range if self.rate_levels else None


def _released(name: str, fine_transform_blocks: int, context: ContextSize) -> Variant:
    stages = (Stage(96, 2), Stage(192, 2), Stage(384, fine_transform_blocks), Stage(320, 0))
    return Variant(
        name=name,
        latent_channels=320,
        hyper_channels=256,
        analysis=stages,
        synthesis=stages,
        hyper_width=256,
        hyper_blocks=(1, 3),
        context=context,
        released=True,
        pad_multiple=256,
    )


HPCM_BASE = _released("hpcm-base", 4, ContextSize(width=960, attention_width=640))
HPCM_BASE_PHI = _released("hpcm-base-phi", 4, ContextSize(width=960))
HPCM_LARGE = _released(
    "hpcm-large",
    8,
    ContextSize(width=960, coarse_blocks=(2, 2, 0), fine_blocks=(4, 3, 0), attention_width=640),
)
HPCM_1B = Variant(
    name="hpcm-1b",
    latent_channels=512,
    hyper_channels=256,
    analysis=(Stage(192, 3), Stage(384, 9), Stage(768, 3), Stage(512, 3)),
    synthesis=(Stage(192, 3), Stage(384, 3), Stage(768, 9), Stage(512, 3)),
    hyper_width=512,
    hyper_blocks=(4, 9),
    context=ContextSize(width=1536, adaptor_blocks=(5, 5, 7), coarse_blocks=(5, 3, 2), fine_blocks=(6, 4, 2)),
    stem_kernel=2,
    partial_ratio=2,
    released=True,
    staged_names=True,
    pad_multiple=256,
)
_NANO_STAGES = (Stage(24, 0), Stage(48, 2), Stage(112, 4), Stage(128, 0))
# No attention: at this size the same work spent on more latent channels codes better (docs/models.md).
HPCM_NANO = Variant(
    name="hpcm-nano",
    latent_channels=128,
    hyper_channels=64,
    analysis=_NANO_STAGES,
    synthesis=_NANO_STAGES,
    hyper_width=64,
    hyper_blocks=(0, 2),
    context=ContextSize(width=88, coarse_blocks=(1, 1, 0), fine_blocks=(1, 1, 0)),
    mlp_ratio=2,
    rate_levels=8,
)
_NANO_2_STAGES = (Stage(32, 0), Stage(64, 1), Stage(160, 2), Stage(192, 0))
HPCM_NANO_2 = replace(
    HPCM_NANO,
    name="hpcm-nano-2",
    latent_channels=192,
    analysis=_NANO_2_STAGES,
    synthesis=_NANO_2_STAGES,
    lmbda_range=WIDE_RANGE,
)
_SMALL_STAGES = (Stage(48, 1), Stage(96, 2), Stage(192, 6), Stage(192, 0))
HPCM_SMALL = Variant(
    name="hpcm-small",
    latent_channels=192,
    hyper_channels=128,
    analysis=_SMALL_STAGES,
    synthesis=_SMALL_STAGES,
    hyper_width=128,
    hyper_blocks=(0, 3),
    context=ContextSize(
        width=192, coarse_blocks=(2, 1, 0), fine_blocks=(2, 1, 0), attention_width=80, attention_heads=5
    ),
    mlp_ratio=3,
    rate_levels=8,
)

VARIANTS: dict[str, Variant] = {
    variant.name: variant
    for variant in (HPCM_NANO, HPCM_NANO_2, HPCM_SMALL, HPCM_BASE, HPCM_BASE_PHI, HPCM_LARGE, HPCM_1B)
}


def get_variant(name: str) -> Variant:
    """Look a variant up by its public name.

    Raises:
        SettingsError: The name is unknown; the message lists those that exist.
    """
    try:
        return VARIANTS[name]
    except KeyError:
        raise SettingsError(f"Unknown model '{name}'. Choose one of: {', '.join(VARIANTS)}.") from None
