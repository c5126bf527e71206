"""A Ray cluster of two nodes on this machine, of which one may be killed; nothing of it survives the test."""

from __future__ import annotations

import importlib.util
import os
import runpy
import secrets
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

import pytest

GUARD_FILE = Path(__file__).with_name("node_guard.py")
GUARD: Any = runpy.run_path(str(GUARD_FILE))
READY_SECONDS = 120.0

# Ray reads these when it is imported. A token of its own: a cluster that anybody may use runs anybody's code. Not nicer
# than the test itself: on a busy machine, Ray's workers would wait for every other process.
os.environ.update(RAY_AUTH_MODE="token", RAY_AUTH_TOKEN=secrets.token_hex(32), RAY_worker_niceness="0")


@dataclass
class Node:
    """One raylet, with everything that `ray start` starts around it: a session of processes of its own."""

    process: subprocess.Popen[bytes]
    temporary: Path

    def kill(self) -> None:
        """Kill -9, everything."""
        GUARD["kill_session"](self.process.pid)
        self.process.wait()


@dataclass
class Cluster:
    """Nodes with one CPU each; the first is the head."""

    folder: Path
    port: int
    log: IO[bytes]
    guard: subprocess.Popen[bytes]
    nodes: list[Node] = field(default_factory=list)

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.port}"

    def add_node(self) -> Node:
        place = ["--head", f"--port={self.port}", "--include-dashboard=false", f"--temp-dir={self.folder}"]
        if self.nodes:
            place = [f"--address={self.address}"]
        temporary = self.folder / f"node-{len(self.nodes)}"
        temporary.mkdir()
        ray = Path(sys.executable).with_name("ray")
        command = [str(ray), "start", *place, "--num-cpus=1", "--object-store-memory=80000000", "--block"]
        process = subprocess.Popen(
            [*command, "--disable-usage-stats"],
            env=os.environ | {"TMPDIR": str(temporary), "OMP_NUM_THREADS": "1"},
            stdout=self.log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        self.nodes.append(Node(process, temporary))
        assert self.guard.stdin is not None
        self.guard.stdin.write(f"{process.pid}\n".encode())
        self.guard.stdin.flush()
        wait_until(lambda: self.alive() >= len(self.nodes), READY_SECONDS, f"node {len(self.nodes)} does not start")
        return self.nodes[-1]

    def alive(self) -> int:
        """How many nodes say that they are up."""
        self.log.flush()
        return (self.folder / "start.log").read_text(errors="replace").count("Ray runtime started.")


def wait_until(condition: object, seconds: float, problem: str) -> None:
    deadline = time.monotonic() + seconds
    while not condition():  # type: ignore[operator]
        assert time.monotonic() < deadline, f"{problem} within {seconds:g} s"
        time.sleep(0.05)


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


@pytest.fixture(scope="session")
def ray_installed() -> None:
    """Skip without Ray, which is not imported here: the engine says first how."""
    if importlib.util.find_spec("ray") is None:
        pytest.skip("needs ray: pip install 'hpcmbal[cluster]'")


@pytest.fixture
def cluster(ray_installed: None, monkeypatch: pytest.MonkeyPatch) -> Iterator[Cluster]:
    """Two nodes. Not stopped by `ray stop`, which would stop other people's clusters as well."""
    if not Path("/proc/self/stat").exists():
        pytest.skip("needs /proc to find the processes of a node")
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    # Ray's sockets must have short paths: pytest's own temporary folders are too deep.
    folder = Path(tempfile.mkdtemp(prefix="ray-", dir="/tmp"))
    guard = subprocess.Popen([sys.executable, str(GUARD_FILE)], stdin=subprocess.PIPE, start_new_session=True)
    with (folder / "start.log").open("wb") as log:
        found = Cluster(folder, free_port(), log, guard)
        try:
            found.add_node()
            found.add_node()
            yield found
        finally:
            for node in found.nodes:
                node.kill()
            guard.communicate()
            shutil.rmtree(folder, ignore_errors=True)
