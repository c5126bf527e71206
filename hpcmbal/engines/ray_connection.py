"""Joining a Ray cluster quietly, and finding out at once whether it could ever do the work."""

from __future__ import annotations

import logging
import os
import socket
from dataclasses import dataclass
from typing import Any

from hpcmbal.engines.threads import available_cpus
from hpcmbal.errors import HpcmbalError, MissingExtraError, SettingsError, setting

ANSWER_SECONDS = 10.0


@dataclass(frozen=True)
class Demand:
    """What Ray reserves for one task; fractions share.

    Attributes:
        cpus: Processors.
        gpus: Graphics processors.
    """

    cpus: float
    gpus: float

    def __post_init__(self) -> None:
        """Raise `SettingsError` for what Ray cannot reserve."""
        if self.cpus <= 0 or (self.cpus > 1 and self.cpus != int(self.cpus)):
            raise SettingsError(
                f"CPUs per task should be a whole number, or a fraction above 0 and below 1. Found {self.cpus:g}."
            )
        if self.gpus < 0 or (self.gpus > 1 and self.gpus != int(self.gpus)):
            raise SettingsError(
                f"GPUs per task should be 0, a whole number, or a fraction below 1. Found {self.gpus:g}."
            )


def import_ray(retries: int) -> Any:
    """Ray as a module, set up to keep its messages to its own logs.

    Args:
        retries: Also for tasks that Ray's memory monitor stopped; Ray itself would retry those for ever.

    Raises:
        MissingExtraError: It is not installed.
    """
    # Read when Ray is imported. Its messages about dead workers go to standard output, which may be our JSON.
    os.environ.setdefault("RAY_DEDUP_LOGS_SKIP_REGEX", ".*")
    os.environ.setdefault("RAY_task_oom_retries", str(retries))
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # nothing is reported to anybody unless a user says so
    try:
        import ray
    except ImportError as error:
        raise MissingExtraError("The engine 'ray'", "cluster") from error
    return ray


def join(ray: Any, address: str | None) -> None:
    """Join the cluster at `address`, or start a local one if it is None.

    Raises:
        HpcmbalError: There is none, or it has another version of Ray or Python.
    """
    if address is not None and address != "auto":
        _check_answers(address)
    common = {"log_to_driver": False, "logging_level": logging.ERROR, "configure_logging": True}
    try:
        if address is None:
            ray.init(address="local", num_cpus=available_cpus(), include_dashboard=False, **common)
        else:
            ray.init(address=address, **common)
    except (ConnectionError, RuntimeError, TimeoutError, ValueError) as error:
        raise HpcmbalError(_explain(error, address)) from error


def check_fits(ray: Any, demand: Demand) -> None:
    """Raise `SettingsError` if no node is large enough for a task: Ray would wait for one for ever."""
    nodes = [node["Resources"] for node in ray.nodes() if node["Alive"]]
    if any(node.get("CPU", 0) >= demand.cpus and node.get("GPU", 0) >= demand.gpus for node in nodes):
        return
    found = ", ".join(f"{node.get('CPU', 0):g} CPUs and {node.get('GPU', 0):g} GPUs" for node in nodes) or "none"
    raise SettingsError(
        f"No node of the Ray cluster has the {demand.cpus:g} CPUs and {demand.gpus:g} GPUs that a task asks for. "
        f"Found nodes with: {found}. Ask for less per task, or add a node that has as much."
    )


def _check_answers(address: str) -> None:
    """Raise `HpcmbalError` if nobody listens: Ray itself would try again for more than ten minutes."""
    host, _, port = address.removeprefix("ray://").rpartition(":")
    if not host or not port.isdigit():
        raise SettingsError(f"{setting('address', address)}: give auto, or HOST:PORT as `ray start --head` prints it.")
    try:
        socket.create_connection((host.strip("[]"), int(port)), timeout=ANSWER_SECONDS).close()
    except OSError as error:
        raise HpcmbalError(
            f"{setting('address', address)}: nothing answers there ({error.strerror or error}). Start a cluster with "
            "`ray start --head`, which prints its address, or check host, port and firewall."
        ) from error


def _explain(error: Exception, address: str | None) -> str:
    text = str(error).strip().splitlines()
    what = "Ray did not start on this machine" if address is None else f"{setting('address', address)}: cannot join"
    reason = text[0].rstrip(".") if text else type(error).__name__
    if "AuthToken" in f"{error} {error.__cause__}":
        advice = (
            "The cluster asks for a token: set RAY_AUTH_MODE=token, and put the token of its head (`ray "
            "get-auth-token`) into ~/.ray/auth_token or RAY_AUTH_TOKEN."
        )
    else:
        advice = (
            "The command has to run on a node of the cluster: `ray start --head` on the first machine, and `ray start "
            "--address HOST:PORT` on others."
        )
    return f"{what}: {reason}. {advice} See docs/cluster.md."
