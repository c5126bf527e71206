"""What the Ray engine says before any cluster is involved."""

from __future__ import annotations

import pickle
import socket
import sys
from types import SimpleNamespace

import pytest

from hpcmbal.engines.ray_connection import Demand, check_fits, join
from hpcmbal.engines.ray_engine import RayEngine
from hpcmbal.errors import HpcmbalError, MissingExtraError, SettingsError


def cluster_of(*nodes: dict[str, float]) -> SimpleNamespace:
    """A stand-in for the ray module that knows these nodes."""
    return SimpleNamespace(nodes=lambda: [{"Alive": True, "Resources": resources} for resources in nodes])


def test_without_ray_the_message_says_how_to_install_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'hpcmbal\[cluster\]'"):
        RayEngine(None).run(len, ["task"], lambda index, result: None)


def test_an_extra_that_a_worker_lacks_is_told_by_name() -> None:
    error = MissingExtraError("The anchor 'jxl'", "jxl")
    copy = pickle.loads(pickle.dumps(error))
    assert (type(copy), str(copy)) == (MissingExtraError, str(error))


@pytest.mark.parametrize(("cpus", "gpus"), [(0, 0), (-1, 0), (1.5, 0), (1, -1), (1, 1.5)])
def test_a_demand_that_ray_cannot_reserve_is_refused(cpus: float, gpus: float) -> None:
    with pytest.raises(SettingsError, match="per task should be"):
        RayEngine(None, cpus, gpus)


@pytest.mark.parametrize(("cpus", "gpus"), [(0.5, 0), (1, 0.25), (8, 2)])
def test_fractions_and_whole_numbers_are_fine(cpus: float, gpus: float) -> None:
    assert RayEngine(None, cpus, gpus).demand == Demand(cpus, gpus)


def test_a_task_that_fits_no_node_is_refused_instead_of_waiting_for_ever() -> None:
    with pytest.raises(SettingsError, match=r"Found nodes with: 4 CPUs and 0 GPUs, 2 CPUs and 1 GPUs"):
        check_fits(cluster_of({"CPU": 4.0}, {"CPU": 2.0, "GPU": 1.0}), Demand(4, 1))


def test_one_node_that_is_large_enough_suffices() -> None:
    check_fits(cluster_of({"CPU": 1.0}, {"CPU": 8.0, "GPU": 1.0}), Demand(8, 1))


@pytest.mark.parametrize("address", ["nonsense", "host:", ":6379", "host:port"])
def test_an_address_that_is_none(address: str) -> None:
    with pytest.raises(SettingsError, match="give auto, or HOST:PORT"):
        join(SimpleNamespace(), address)


def test_an_address_where_nobody_listens_is_refused_at_once() -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        with pytest.raises(HpcmbalError, match="nothing answers there"):
            join(SimpleNamespace(), f"127.0.0.1:{unused.getsockname()[1]}")


def test_no_cluster_on_this_machine_names_the_commands_that_make_one() -> None:
    def init(**_options: object) -> None:
        raise ConnectionError("Could not find any running Ray instance.")

    with pytest.raises(HpcmbalError, match="`ray start --head` on the first machine"):
        join(SimpleNamespace(init=init), "auto")
