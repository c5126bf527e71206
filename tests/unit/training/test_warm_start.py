"""Starting from another model: all of it, the parts that fit, or not at all."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from hpcmbal.core.model import HPCM
from hpcmbal.errors import CheckpointError
from hpcmbal.model_files.find import model_in as find_weights_file
from hpcmbal.model_files.store import read_weights
from hpcmbal.settings import TrainSettings
from hpcmbal.training.reporting import SilentReporter
from hpcmbal.training.state import build_state
from hpcmbal.training.trackers import read_log
from hpcmbal.training.trainer import train
from hpcmbal.training.warm_start import load_start

Run = Callable[..., TrainSettings]


def test_a_packaged_name_gives_all_its_weights() -> None:
    network = HPCM("hpcm-nano")
    start = load_start(network, "hpcm-nano", strict=True)
    weights = read_weights(start.source)
    assert not start.missing
    assert all(torch.equal(tensor, weights[name]) for name, tensor in network.state_dict().items())
    assert str(start) == f"all {len(start.loaded)} tensors of {start.source}"


def test_another_variant_gives_the_parts_that_fit_and_they_are_listed() -> None:
    network = HPCM("hpcm-nano-2")
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    start = load_start(network, "hpcm-nano")
    after = network.state_dict()
    weights = read_weights(start.source)
    assert all(torch.equal(after[name], weights[name]) for name in start.loaded)
    assert all(torch.equal(after[name], before[name]) for name in start.missing)
    assert "g_a " in str(start)
    assert f"{len(start.loaded)} of {len(after)} tensors of " in str(start)


def test_strict_refuses_what_does_not_fit() -> None:
    with pytest.raises(CheckpointError, match=r"cannot be the start.*Not all of it.*model.name"):
        load_start(HPCM("hpcm-nano-2"), "hpcm-nano", strict=True)


def test_a_model_of_which_nothing_fits_is_refused(tmp_path: Path) -> None:
    weights = {f"other.{name}": tensor for name, tensor in HPCM("hpcm-nano").state_dict().items()}
    path = tmp_path / "other.pth.tar"
    torch.save(weights, path)
    with pytest.raises(CheckpointError, match="does not fit"):
        load_start(HPCM("hpcm-nano"), str(path))


@pytest.mark.slow
def test_released_weights_are_read_as_they_are(tmp_path: Path, tiny_model: None) -> None:
    torch.manual_seed(3)
    source, target = HPCM("hpcm-nano"), HPCM("hpcm-nano")
    path = tmp_path / "released.pth.tar"
    torch.save({"state_dict": {f"module.{name}": tensor for name, tensor in source.state_dict().items()}}, path)
    load_start(target, str(path), strict=True)
    assert torch.equal(target.g_a.branch[0].weight, source.g_a.branch[0].weight)


def test_what_does_not_exist_is_told() -> None:
    with pytest.raises(CheckpointError, match="There is no model 'nowhere'"):
        load_start(HPCM("hpcm-nano"), "nowhere")


class Told(SilentReporter):
    def __init__(self) -> None:
        self.messages: list[str] = []

    def message(self, text: str) -> None:
        self.messages.append(text)


def test_a_run_starts_at_step_0_with_its_own_settings_and_from_a_run(tiny_run: Run, tiny_start: Path) -> None:
    first = tiny_run("first", finetune={"init_from": str(tiny_start)})
    told = Told()
    train(first, told)
    assert told.messages[0].startswith("Started from all ")
    second = tiny_run("second", finetune={"init_from": str(first.output.save_path)}, optimizer={"name": "soap"})
    state = build_state(second, torch.device("cpu"))
    weights = read_weights(find_weights_file(first.output.save_path))
    assert all(torch.equal(tensor, weights[name]) for name, tensor in state.model.state_dict().items())
    assert train(second).step == 6
    assert read_log(second.output.save_path / "logs" / "metrics.jsonl")[0]["step"] == 0


def test_a_resumed_run_needs_its_start_no_longer(tiny_run: Run, tiny_start: Path) -> None:
    settings = tiny_run(finetune={"init_from": str(tiny_start)})
    train(settings)
    tiny_start.unlink()
    output = settings.output.model_copy(update={"checkpoint": settings.output.save_path})
    training = settings.training.model_copy(update={"max_steps": 8})
    assert train(settings.model_copy(update={"output": output, "training": training})).step == 8


def test_the_average_begins_at_the_start(tiny_run: Run, tiny_start: Path) -> None:
    settings = tiny_run(
        finetune={"init_from": str(tiny_start)}, training={"ema_decay": 0.9, "max_steps": 6, "device": "cpu"}
    )
    state = build_state(settings, torch.device("cpu"))
    weights = read_weights(tiny_start)
    assert all(torch.equal(tensor, weights[name]) for name, tensor in state.coding_weights().items())
