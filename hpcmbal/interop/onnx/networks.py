"""The parts of a network as functions of tensors alone, each of which becomes one ONNX file."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import NamedTuple

import torch
from torch import Tensor, nn

from hpcmbal.core.model import HPCM
from hpcmbal.core.model.latent_codec import LATENT_STRIDE
from hpcmbal.core.scales import SCALES

SIDE = 128
"""Side of the image with which the networks are traced; every axis of space is dynamic."""


class Part(NamedTuple):
    """One file.

    Attributes:
        name: Of the file, without its extension.
        network: What it computes.
        inputs: Name and example of each input.
        outputs: Names of the outputs.
    """

    name: str
    network: nn.Module
    inputs: dict[str, Tensor]
    outputs: tuple[str, ...]


def network_parts(model: HPCM) -> Iterator[Part]:
    """Every network of a model, in the order in which coding needs them.

    Images are `[1, 3, H, W]`, H and W multiples of the variant's padding; latents `[1, M, H/16, W/16]`.
    """
    variant = model.variant
    channels, side = variant.latent_channels, SIDE // LATENT_STRIDE
    y, lmbda = torch.zeros(1, channels, side, side), torch.tensor([model.rates.lmbda_at() or 0.01])
    z = torch.zeros(1, variant.hyper_channels, side // 4, side // 4)
    # A network of one rate has its lambda inside, and no input for it.
    rate = {"lmbda": lmbda} if model.rates.variable else {}
    yield Part("analysis", _Part(model, model.analyse), {"image": torch.zeros(1, 3, SIDE, SIDE), **rate}, ("y",))
    yield Part("hyper_analysis", model.h_a, {"y": y}, ("z",))
    yield Part("hyper_synthesis", model.h_s, {"z_hat": z}, ("scales_means",))
    plan = model.plan(side, side, torch.device("cpu"))
    for scale, ((height, width), steps) in enumerate(zip(plan.grids, plan.steps, strict=True)):
        state = torch.zeros(1, 2 * channels, height, width)
        if scale:
            yield Part(f"enter_{SCALES[scale]}", model.context_net[scale - 1], {"spread": state}, ("state",))
        for step in steps:
            if scale or step.number:
                adaptor, prior, modulation = model._step_layers(step)  # noqa: SLF001 (the walk itself is no graph)
                network = _Step(adaptor, prior, modulation)
                inputs = {"state": state, "y_hat": state[:, :channels]}
                yield Part(f"context_{SCALES[scale]}_{step.number}", network, inputs, ("scales_means",))
    yield Part("synthesis", _Part(model, model.synthesise), {"y_hat": y, **rate}, ("image",))


class _Part(nn.Module):
    """A method of the model as a module."""

    def __init__(self, model: HPCM, method: Callable[..., Tensor]) -> None:
        super().__init__()
        self.model = model
        self.method = method

    def forward(self, x: Tensor, lmbda: Tensor | None = None) -> Tensor:
        """What the method gives."""
        return self.method(x, lmbda)


class _Step(nn.Module):
    """Scales and means of a coding step, which are the state of the next one."""

    def __init__(self, adaptor: nn.Module, prior: nn.Module, modulation: Tensor) -> None:
        super().__init__()
        self.adaptor = adaptor
        self.prior = prior
        self.modulation = modulation

    def forward(self, state: Tensor, y_hat: Tensor) -> Tensor:
        """From the state `[1, 2M, h, w]` and the latents decoded so far `[1, M, h, w]`, zero where not yet."""
        out: Tensor = self.prior(self.adaptor(torch.cat((state, y_hat), dim=1)), self.modulation)
        return out
