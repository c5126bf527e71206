"""The parts of the network by the names of its parameters, for whoever trains some of them apart."""

from __future__ import annotations

from collections.abc import Iterable
from fnmatch import fnmatchcase
from itertools import accumulate

from torch import nn

from hpcmbal.core.model.schedule import STEPS_PER_SCALE
from hpcmbal.core.scales import SCALES

TRANSFORMS = ("g_a", "h_a", "h_s", "g_s")
PARTS = ("g_a", "h_a", "gains", "entropy", "h_s", *(f"context.{scale}" for scale in SCALES), "context.prior", "g_s")
"""Names of the parts. Every parameter belongs to one:

- `g_a`, `g_s`, `h_a`, `h_s`: the transforms;
- `gains`: rate gains of encoder (`rate_gains.log_gain`) and decoder (`rate_gains.log_inverse_gain`);
- `context.s1`, `.s2`, `.s3`: adaptors, attention and modulations of a scale, and the layer that enters it;
- `context.prior`: the prediction networks, of which s1 and s2 share one;
- `entropy`: means and scales of the hyperprior's latents.
"""

ENCODER = ("g_a", "h_a", "rate_gains.log_gain")
"""What decoding does not need, as patterns."""

# The very first step has no modulation: the hyperprior alone predicts it.
_MODULATION_ENDS = [end - 1 for end in accumulate(STEPS_PER_SCALE)]


def part_of(name: str) -> str:
    """The part that a parameter of `HPCM` belongs to, by its name."""
    head, _, rest = name.partition(".")
    if head in TRANSFORMS:
        return head
    if head == "rate_gains":
        return "gains"
    if head == "adaptive_params_list":
        return f"context.{SCALES[sum(int(rest) >= end for end in _MODULATION_ENDS)]}"
    if head == "context_net":
        return f"context.{SCALES[int(rest.partition('.')[0]) + 1]}"
    if head.startswith(("attn_", "y_spatial_prior_adaptor_list_")):
        return f"context.{head.rpartition('_')[2]}"
    return "context.prior" if head.startswith("y_spatial_prior_") else "entropy"


def matching(pattern: str, names: Iterable[str]) -> list[str]:
    """The parameters that a part's name (`context` means all of `context.`) or a glob of parameter names means."""
    return [
        name
        for name in names
        if (part := part_of(name)) == pattern or part.startswith(f"{pattern}.") or fnmatchcase(name, pattern)
    ]


def depths(model: nn.Module) -> dict[str, int]:
    """How many layers of its own part lie behind each parameter's, by name; 0 next to the part's output.

    Of the context, finer scales lie behind coarser ones. Parts that are no chain have depth 0.
    """
    found = {}
    layers: dict[str, int] = {}
    for transform in TRANSFORMS:
        module = getattr(model, transform)
        inner = "branch." if hasattr(module, "branch") else ""
        children = [name for name, _ in (module.branch if inner else module).named_children()]
        layers |= {f"{transform}.{inner}{child}": len(children) - 1 - i for i, child in enumerate(children)}
    for name, _ in model.named_parameters():
        part = part_of(name)
        if part in TRANSFORMS:
            found[name] = next(depth for layer, depth in layers.items() if name.startswith(f"{layer}."))
        else:
            scale = part.removeprefix("context.")
            found[name] = len(SCALES) - 1 - SCALES.index(scale) if scale in SCALES else 0
    return found
