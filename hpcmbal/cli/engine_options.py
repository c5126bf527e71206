"""Options of the commands that can do their work on a Ray cluster."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from hpcmbal.errors import SettingsError

if TYPE_CHECKING:
    from hpcmbal.engines.ray_engine import RayEngine


class EngineName(StrEnum):
    """Where work is done."""

    LOCAL = "local"
    RAY = "ray"


_PANEL = "Cluster"

Engine = Annotated[
    EngineName,
    typer.Option("--engine", help="local, or ray: on a cluster, see docs/cluster.md.", rich_help_panel=_PANEL),
]
Address = Annotated[
    str | None,
    typer.Option(
        "--address",
        metavar="auto|HOST:PORT",
        help="With --engine ray: the cluster to join; without it, a Ray of this machine alone is started.",
        rich_help_panel=_PANEL,
    ),
]
CpusPerTask = Annotated[
    float | None,
    typer.Option("--cpus-per-task", help="With --engine ray: CPUs, and threads, of a task; 1.", rich_help_panel=_PANEL),
]
GpusPerTask = Annotated[
    float | None,
    typer.Option(
        "--gpus-per-task", help="With --engine ray: GPUs of a task, 0.25 to share; 0.", rich_help_panel=_PANEL
    ),
]


def ray_engine(
    engine: EngineName, address: str | None, cpus_per_task: float | None, gpus_per_task: float | None
) -> RayEngine | None:
    """The Ray engine that the options ask for, not yet connected; None for local work.

    Raises:
        SettingsError: Options of a cluster without one.
        MissingExtraError: Ray is not installed.
    """
    given = {"--address": address, "--cpus-per-task": cpus_per_task, "--gpus-per-task": gpus_per_task}
    if engine is not EngineName.RAY:
        for option, value in given.items():
            if value is not None:
                raise SettingsError(f"{option} {value} needs --engine ray. Found --engine {engine}.")
        return None
    from hpcmbal.engines.ray_engine import RayEngine

    return RayEngine(address, 1 if cpus_per_task is None else cpus_per_task, gpus_per_task or 0)


def check_no_workers(workers: int, default: int) -> None:
    """Raise `SettingsError` if `--workers` was given, which Ray decides."""
    if workers != default:
        raise SettingsError(
            f"--workers {workers} is for --engine local. Ray runs as many tasks as the cluster has room for: say "
            "with --cpus-per-task how much one takes."
        )


def device_on_cluster(device: str, gpus_per_task: float | None) -> str:
    """Where tasks of a cluster run the network: on the GPUs that they asked for, which each sees as its only ones.

    Raises:
        SettingsError: A GPU that was not asked for, or one that would stand idle.
    """
    if device == "auto":
        return "cuda" if gpus_per_task else "cpu"
    if device == "cuda" and not gpus_per_task:
        raise SettingsError("--device cuda on a cluster needs --gpus-per-task 1 (or 0.25, to share): Ray assigns GPUs.")
    if device == "cpu" and gpus_per_task:
        raise SettingsError(
            f"--gpus-per-task {gpus_per_task:g} reserves what --device cpu does not use: --device cuda."
        )
    if device not in ("cpu", "cuda"):
        raise SettingsError(f"--device {device}: on a cluster, choose cpu or cuda; Ray says which GPU is whose.")
    return device


def on_every_node(path: Path) -> Path:
    """The path as processes find it that were started in another folder."""
    return path.expanduser().absolute()
