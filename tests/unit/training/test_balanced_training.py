"""Balancing inside the trainer: the losses of a real run move the weights as published."""

from __future__ import annotations

import itertools
from collections.abc import Callable

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from hpcmbal.core.balance.famo import FamoBalancer
from hpcmbal.settings import TrainSettings
from hpcmbal.training.trackers import read_log
from hpcmbal.training.trainer import train

Run = Callable[..., TrainSettings]
Array = NDArray[np.float64]

STEPS = 100
GAMMAS = (0.008, 0.006, 0.004)
SCALES = {"s1_distortion": 0, "s1_bpp": 0, "s2_distortion": 1, "s2_bpp": 1, "s3_bpp": 2}


def published_logits(pairs: list[tuple[Array, Array]], gammas: Array, w_lr: float) -> list[Array]:
    """Logits after each update: Liu et al. 2023, algorithm 1, with Adam, in numpy."""
    w, mean, square = (np.zeros(len(gammas)) for _ in range(3))
    found = []
    for step, (before, after) in enumerate(pairs, start=1):
        z = np.exp(w) / np.exp(w).sum()
        gradient = (np.diag(z) - np.outer(z, z)) @ (np.log(before) - np.log(after)) + gammas * w
        mean, square = 0.9 * mean + 0.1 * gradient, 0.999 * square + 0.001 * gradient**2
        w = w - w_lr * (mean / (1 - 0.9**step)) / (np.sqrt(square / (1 - 0.999**step)) + 1e-8)
        found.append(w)
    return found


@pytest.mark.slow
@pytest.mark.parametrize("update_mode", ["same_batch", "next_batch"])
def test_over_a_hundred_steps_of_training_the_weights_are_those_of_the_published_update(
    tiny_run: Run, monkeypatch: pytest.MonkeyPatch, update_mode: str
) -> None:
    """The losses that the trainer hands over are recorded; what it made of them is computed again by plain numpy."""
    names: tuple[str, ...] = ()
    seen: list[tuple[Array, Array | None]] = []
    logits: list[Array] = []
    original = FamoBalancer.update

    def recording(
        self: FamoBalancer, step: int, before: torch.Tensor, measure_after: Callable[[], torch.Tensor]
    ) -> None:
        nonlocal names
        names = self.task_names
        after: list[Array] = []

        def measure() -> torch.Tensor:
            measured = measure_after()
            after.append(measured.double().numpy())
            return measured

        original(self, step, before, measure)
        seen.append((before.double().numpy(), after[0] if after else None))
        logits.append(self.logits.values.numpy().copy())

    monkeypatch.setattr(FamoBalancer, "update", recording)
    balancing = {"name": "linear", "update_mode": update_mode, "gamma_strategy": "fixed"}
    balancing |= dict(zip(("gamma_s1", "gamma_s2", "gamma_s3"), GAMMAS, strict=True))
    train(
        tiny_run(
            loss={"tasks": "five"},
            balancing=balancing | ({"update_every": 1} if update_mode == "same_batch" else {}),
            training={"max_steps": STEPS},
            output={"validate_every": 1_000, "save_freq": 1_000},
        )
    )
    if update_mode == "same_batch":
        pairs = [(before, after) for before, after in seen if after is not None]
        assert len(pairs) == STEPS
    else:
        pairs = [(earlier, later) for (earlier, _), (later, _) in itertools.pairwise(seen)]
        assert np.array_equal(logits.pop(0), np.zeros(5)), "one batch alone says nothing"
    gammas = np.array([GAMMAS[SCALES.get(name, 2)] for name in names])
    for ours, theirs in zip(logits, published_logits(pairs, gammas, w_lr=0.025), strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-6, atol=1e-9)
    weights = np.exp(logits[-1]) / np.exp(logits[-1]).sum()
    assert np.abs(weights - 0.2).max() > 0.02, "the weights have moved away from equal"


@pytest.mark.slow
@pytest.mark.parametrize("variable", [False, True])
def test_an_effective_lambda_is_logged_where_there_is_one(tiny_run: Run, variable: bool) -> None:
    """At a variable rate every image has its own lambda: the factor means something, a product with one number none."""
    settings = tiny_run(loss={"tasks": "five", "variable_rate": variable}, balancing={"name": "linear"})
    train(settings)
    lines = [line for line in read_log(settings.output.save_path / "logs" / "metrics.jsonl") if "train/j" in line]
    assert all(line["lmbda_eff_ratio"] == pytest.approx(1) for line in lines)
    assert all(("lmbda_eff" in line) == (not variable) for line in lines)


def test_annealing_is_logged_and_ends_with_j(tiny_run: Run) -> None:
    settings = tiny_run(loss={"tasks": "five"}, balancing={"name": "linear", "anneal_from": 0.5})
    train(settings)
    lines = [line for line in read_log(settings.output.save_path / "logs" / "metrics.jsonl") if "train/j" in line]
    strengths = [line["balancing_strength"] for line in lines]
    assert strengths == pytest.approx([1, 1, 1, 2 / 3, 1 / 3, 0])


@pytest.mark.slow
def test_images_weighed_by_lambda_are_weighed_in_what_balancing_sees(tiny_run: Run) -> None:
    """The weights of tasks follow the weighted losses; the log shows the unweighted ones."""
    found = {}
    for power in (0.0, 2.0):
        settings = tiny_run(
            f"power-{power}",
            loss={"tasks": "five", "variable_rate": True, "lmbda_power": power},
            balancing={"name": "linear", "update_every": 1},
            data={"batch_size": 4},
        )
        train(settings)
        lines = read_log(settings.output.save_path / "logs" / "metrics.jsonl")
        found[power] = [line for line in lines if "train/j" in line]
    assert found[0.0][0]["train/j"] == found[2.0][0]["train/j"]
    assert found[0.0][-1]["weights/s1_bpp"] != found[2.0][-1]["weights/s1_bpp"]
