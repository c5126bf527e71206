"""Make a wider network of a trained one, as a start for training: grow.py MODEL OUT.safetensors --model-name NAME.

MODEL and NAME are variants of hpcm-nano's build with equal context and hyper widths. Trained channels keep their
weights and read no new channel; new ones start as in a new network and are heard once the training lets them (after
Net2Net, Chen et al., ICLR 2016, with channels of their own in place of copies). Residual blocks for which the wider
network has no room are left out, the last of a stage first; those that it adds start as identity. Gains are read off
the old ones at the new levels, and go on beyond the old range with the slope that theory gives.
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Sequence
from itertools import product
from pathlib import Path

import torch
from torch import Tensor

from hpcmbal import __version__
from hpcmbal.core.model.hpcm import HPCM
from hpcmbal.core.model.rate_gains import RateGains
from hpcmbal.core.model.variants import Stage
from hpcmbal.model_files.find import find_model
from hpcmbal.model_files.store import load_network, save_model

LATENT_GROUPS = 8
"""Groups into which the coding schedule cuts the latent channels; every channel stays in its own."""

Places = list[int]
"""Where the old channels lie among the new ones."""


def latent_places(old: int, new: int, copies: int = 1) -> Places:
    """Places of latent channels, for each of `copies` sets of them that follow one another."""
    one = [
        group * (new // LATENT_GROUPS) + i for group, i in product(range(LATENT_GROUPS), range(old // LATENT_GROUPS))
    ]
    return [copy * new + place for copy, place in product(range(copies), one)]


def stage_places(old: int, new: int, partial_ratio: int) -> Places:
    """Places of a transform's channels: those in front of the partial convolution stay in front of it."""
    active, idle_from = old // partial_ratio, new // partial_ratio
    return [i if i < active else i - active + idle_from for i in range(old)]


def write(target: Tensor, value: Tensor, outputs: Places, inputs: Places, *, output_axis: int = 0) -> None:
    """Put a layer's weights in their places: old outputs read old inputs as they did, and nothing else."""
    target, value = target.movedim(output_axis, 0), value.movedim(output_axis, 0)
    rows = torch.zeros_like(target[: len(outputs)])
    rows[:, inputs] = value
    target[outputs] = rows


class Growth:
    """Writes the weights of `old` into a state dict of `new`."""

    def __init__(self, old: HPCM, new: HPCM) -> None:
        self.old, self.new = old.variant, new.variant
        self.source, self.target = old.state_dict(), new.state_dict()
        self.latents = latent_places(self.old.latent_channels, self.new.latent_channels)

    def layer(self, to: str, of: str, outputs: Places, inputs: Places, *, transposed: bool = False) -> None:
        """One convolution."""
        axis = 1 if transposed else 0
        write(self.target[f"{to}.weight"], self.source[f"{of}.weight"], outputs, inputs, output_axis=axis)
        self.target[f"{to}.bias"][outputs] = self.source[f"{of}.bias"]

    def blocks(self, part: str, to: int, of: int, counts: tuple[int, int], channels: Places) -> None:
        """The residual blocks of a stage, from numbers `to` and `of` of the chain."""
        had, has = counts
        for k in range(min(had, has)):
            old, new = f"{part}.branch.{of + k}", f"{part}.branch.{to + k}"
            active, hidden = (list(range(self.source[f"{old}.branch.{i}.bias"].numel())) for i in ("0.pconv", 1))
            self.layer(f"{new}.branch.0.pconv", f"{old}.branch.0.pconv", active, active)
            self.layer(f"{new}.branch.1", f"{old}.branch.1", hidden, channels)
            self.layer(f"{new}.branch.3", f"{old}.branch.3", channels, hidden)
        for k in range(had, has):
            for entry in ("weight", "bias"):
                self.target[f"{part}.branch.{to + k}.branch.3.{entry}"].zero_()

    def analysis(self) -> None:
        """`g_a`, from the image to 1/16."""
        of = to = 0
        inputs = [0, 1, 2]
        for level, outputs in enumerate(self._stages(self.old.analysis, self.new.analysis)):
            counts = self.old.analysis[level].blocks, self.new.analysis[level].blocks
            self.layer(f"g_a.branch.{to}", f"g_a.branch.{of}", outputs, inputs)
            self.blocks("g_a", to + 1, of + 1, counts, outputs)
            of, to, inputs = of + 1 + counts[0], to + 1 + counts[1], outputs

    def synthesis(self) -> None:
        """`g_s`, from 1/16 to the image."""
        of = to = 0
        stages = self._stages(self.old.synthesis, self.new.synthesis)
        for level in reversed(range(len(stages))):
            counts = self.old.synthesis[level].blocks, self.new.synthesis[level].blocks
            finer = stages[level - 1] if level else [0, 1, 2]
            self.blocks("g_s", to, of, counts, stages[level])
            of, to = of + counts[0], to + counts[1]
            self.layer(f"g_s.branch.{to}", f"g_s.branch.{of}", finer, stages[level], transposed=True)
            of, to = of + 1, to + 1

    def _stages(self, old: Sequence[Stage], new: Sequence[Stage]) -> list[Places]:
        ratio = self.old.partial_ratio
        inner = [stage_places(a.channels, b.channels, ratio) for a, b in zip(old[:-1], new[:-1], strict=True)]
        return [*inner, self.latents]

    def hyperprior_and_context(self) -> None:
        """Everything between the transforms: only its latent channels grow."""
        for name in self.source:
            part, _, entry = name.rpartition(".")
            if part.startswith(("g_a.", "g_s.", "rate_gains")):
                continue
            old, new = self.source[name], self.target[name]
            if entry == "weight":
                transposed = part in {"h_s.branch.0", "h_s.branch.3"}
                outputs, inputs = (1, 0) if transposed else (0, 1)
                places = self._spread(old, new, outputs), self._spread(old, new, inputs)
                write(new, old, *places, output_axis=outputs)
            elif entry == "bias":
                new[self._spread(old, new, 0)] = old
            else:
                new.copy_(old)

    def _spread(self, old: Tensor, new: Tensor, axis: int) -> Places:
        size = old.shape[axis]
        if size == new.shape[axis]:
            return list(range(size))
        return latent_places(self.old.latent_channels, self.new.latent_channels, size // self.old.latent_channels)

    def gains(self, old: RateGains, new: RateGains) -> None:
        """New channels start at the mean of the old ones."""
        for entry, sign in (("log_gain", 1), ("log_inverse_gain", -1)):
            log_gain = at_new_levels(old, new, getattr(old, entry).detach(), sign)
            target = self.target[f"rate_gains.{entry}"]
            target[:] = log_gain.mean(1, keepdim=True)
            target[:, self.latents] = log_gain


def at_new_levels(old: RateGains, new: RateGains, log_gain: Tensor, sign: int) -> Tensor:
    """Logarithms of gains, `[old levels, M]`, at the levels of `new`."""
    levels = torch.linspace(0, 1, new.levels) * new.lmbda_range.log_span + math.log(new.lmbda_range.low)
    inside = levels.clamp(math.log(old.lmbda_range.low), math.log(old.lmbda_range.high))
    position = (inside - math.log(old.lmbda_range.low)) / old.lmbda_range.log_span * (old.levels - 1)
    lower = position.floor().clamp(max=old.levels - 2).long()
    between = torch.lerp(log_gain[lower], log_gain[lower + 1], (position - lower)[:, None])
    return between + sign * 0.5 * (levels - inside)[:, None]


def main() -> None:
    """Write the model file."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", help="a packaged name, model file or run")
    parser.add_argument("output", type=Path)
    parser.add_argument("--model-name", required=True, help="variant to make of it")
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    old = load_network(find_model(arguments.model))
    torch.manual_seed(arguments.seed)
    new = HPCM(arguments.model_name)
    if old.rate_gains is None or new.rate_gains is None:
        raise SystemExit("Both must be variants with rate gains.")
    growth = Growth(old, new)
    growth.analysis()
    growth.synthesis()
    growth.hyperprior_and_context()
    growth.gains(old.rate_gains, new.rate_gains)
    new.load_state_dict(growth.target)
    metadata = {"grown_from": old.variant.name, "hpcmbal": __version__}
    save_model(arguments.output, arguments.model_name, new.state_dict(), metadata, rates=new.rates)
    print(f"{arguments.output}: {arguments.model_name}, {len(new.state_dict())} tensors from {old.variant.name}")


if __name__ == "__main__":
    main()
