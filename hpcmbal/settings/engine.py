"""Settings of where the work of a command is done: threads here, or tasks on a Ray cluster."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar, Literal

from pydantic import Field

from hpcmbal.errors import setting
from hpcmbal.settings.check import Condition, Contradiction
from hpcmbal.settings.section import CommandSettings, Device

ON_RAY = (Condition("engine", ("ray",)),)
ON_LOCAL = (Condition("engine", ("local",)),)


class ClusterSettings(CommandSettings):
    """What commands share that may have their work done on a cluster (docs/cluster.md)."""

    engine: Literal["local", "ray"] = Field("local", description="local, or ray: on a cluster, see docs/cluster.md.")
    address: str | None = Field(
        None,
        min_length=1,
        description="The Ray cluster to join: auto or HOST:PORT; a Ray of this machine alone if not given.",
    )

    takes_effect_if: ClassVar[Mapping[str, tuple[Condition, ...]]] = {"address": ON_RAY}


class EngineSettings(ClusterSettings):
    """What commands share that code many images, here or on a cluster."""

    device: Device = Field("auto", description="Where the network runs: auto (a GPU if there is one), cpu, cuda:N.")
    workers: int = Field(1, ge=1, description="Files that are worked on at the same time.")
    cpus_per_task: float = Field(1.0, gt=0, description="CPUs, and threads, of a task of Ray.")
    gpus_per_task: float = Field(0.0, ge=0, description="GPUs of a task of Ray, 0.25 to share one.")

    takes_effect_if: ClassVar[Mapping[str, tuple[Condition, ...]]] = {
        **ClusterSettings.takes_effect_if,
        "cpus_per_task": ON_RAY,
        "gpus_per_task": ON_RAY,
        "workers": ON_LOCAL,
    }

    def contradictions(self) -> list[Contradiction]:
        """See `CommandSettings`."""
        if self.engine == "local":
            return []
        reads, gpus = ("engine", "gpus_per_task"), self.gpus_per_task
        if self.device.startswith("cuda:"):
            rule = f"on a cluster, Ray says which GPU is whose; use {setting('device', 'cuda')}"
            return [Contradiction("device", rule, reads)]
        if self.device == "cuda" and not gpus:
            rule = f"on a cluster needs {setting('gpus_per_task', 1)} (or 0.25, to share): Ray assigns GPUs"
            return [Contradiction("device", rule, reads)]
        if self.device == "cpu" and gpus:
            rule = f"reserves what {setting('device', 'cpu')} does not use; use {setting('device', 'cuda')}"
            return [Contradiction("gpus_per_task", rule, (*reads, "device"))]
        return []

    @property
    def task_device(self) -> str:
        """The device of a task: on a cluster, the GPUs that it asked for, which it sees as its only ones."""
        if self.engine == "ray" and self.device == "auto":
            return "cuda" if self.gpus_per_task else "cpu"
        return self.device
