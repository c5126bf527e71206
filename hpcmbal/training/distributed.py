"""Data parallelism: one process per device, started by `torchrun`, gradients averaged after the backward pass.

Gradients are averaged explicitly rather than by `DistributedDataParallel`: its hooks fire on `backward()` of one loss,
and balancers that look at one gradient per task never call that.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import torch
import torch.distributed as dist
from torch import Tensor, nn


@dataclass(frozen=True)
class World:
    """This process's place among those that train together.

    Attributes:
        rank: Number of this process, from 0; rank 0 writes files and reports.
        size: How many processes there are.
        local_rank: Number of this process on its machine; chooses its CUDA device.
    """

    rank: int = 0
    size: int = 1
    local_rank: int = 0

    @property
    def is_main(self) -> bool:
        """Whether this process writes and reports."""
        return self.rank == 0

    def average(self, tensor: Tensor) -> Tensor:
        """The mean of `tensor` over all ranks, in place."""
        if self.size > 1:
            dist.all_reduce(tensor)
            tensor /= self.size
        return tensor

    def average_gradients(self, parameters: Sequence[nn.Parameter]) -> None:
        """Replace every gradient by its mean over ranks, in one message."""
        if self.size == 1:
            return
        gradients = [parameter.grad for parameter in parameters if parameter.grad is not None]
        flat = self.average(torch.cat([gradient.flatten() for gradient in gradients]))
        for gradient, mean in zip(gradients, flat.split([gradient.numel() for gradient in gradients]), strict=True):
            gradient.copy_(mean.view_as(gradient))

    def any(self, flag: bool, device: torch.device) -> bool:
        """Whether `flag` is set on any rank."""
        if self.size == 1:
            return flag
        value = torch.tensor(float(flag), device=device)
        dist.all_reduce(value, op=dist.ReduceOp.MAX)
        return bool(value.item())

    def from_main(self, value: float, device: torch.device) -> float:
        """The value that rank 0 has: what was measured on one rank and must decide the same on all."""
        if self.size == 1:
            return value
        shared = torch.tensor(value if self.is_main else 0.0, dtype=torch.float64, device=device)
        dist.all_reduce(shared)
        return float(shared.item())

    def wait(self) -> None:
        """Until every rank is here."""
        if self.size > 1:
            dist.barrier()


@contextmanager
def joined_world(device_type: str) -> Iterator[World]:
    """Join the processes that `torchrun` started; alone if it did not.

    Args:
        device_type: "cuda" communicates through NCCL, anything else through gloo.
    """
    size = int(os.environ.get("WORLD_SIZE", "1"))
    if size == 1:
        yield World()
        return
    local_rank = int(os.environ.get("LOCAL_RANK", "0"))
    dist.init_process_group("nccl" if device_type == "cuda" else "gloo")
    try:
        yield World(dist.get_rank(), size, local_rank)
    finally:
        dist.destroy_process_group()
