"""Distillation: what separates student and teacher is trained, and nothing of the teacher."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from tiny import TINY_NANO

from hpcmbal.core.loss import RateDistortionLoss, TaskLosses
from hpcmbal.core.loss.hierarchical import HierarchicalLoss
from hpcmbal.core.model import HPCM, variants
from hpcmbal.core.model.rates import OneRate
from hpcmbal.errors import SettingsError
from hpcmbal.model_files.store import read_weights
from hpcmbal.settings import TrainSettings
from hpcmbal.settings.finetune import DistillSettings
from hpcmbal.training.teacher import Teacher
from hpcmbal.training.trackers import read_log
from hpcmbal.training.trainer import train

Run = Callable[..., TrainSettings]
LMBDA = torch.tensor([0.005, 0.03])
ALL = DistillSettings(x_hat=1.0, y_hat=1.0, likelihood=1.0)


@pytest.fixture(autouse=True)
def _tiny(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(variants.VARIANTS, "hpcm-nano", TINY_NANO)


def network(seed: int, **options: Any) -> HPCM:
    torch.manual_seed(seed)
    made = HPCM("hpcm-nano", **options)
    assert made.rate_gains is not None
    made.rate_gains.log_gain.data += 1.0
    return made


def taught(
    student: HPCM, teacher: HPCM, weights: DistillSettings, loss: RateDistortionLoss
) -> tuple[TaskLosses, TaskLosses]:
    """The losses without and with the teacher."""
    torch.manual_seed(0)
    x = torch.rand(2, 3, 72, 64)
    distil = Teacher(teacher, weights, student)
    output = student(x, LMBDA, [1, 2])
    plain = loss(output, x, LMBDA)
    return plain, distil(plain, output, x, LMBDA)


@pytest.mark.parametrize("loss", [RateDistortionLoss(), RateDistortionLoss(tasks="two"), HierarchicalLoss()])
def test_the_teachers_part_is_trained_and_j_stays_the_students(loss: RateDistortionLoss) -> None:
    plain, with_teacher = taught(network(1), network(2), ALL, loss)
    assert with_teacher.added is not None
    assert with_teacher.added.shape == plain.per_image.shape
    assert (with_teacher.added >= 0).all()
    assert with_teacher.added.sum() > 0
    assert with_teacher.scalars() == plain.scalars()
    torch.testing.assert_close(with_teacher.total, plain.total + with_teacher.added.sum(1).mean())


def test_the_parts_are_what_they_say() -> None:
    student, teacher = network(1).eval(), network(2).eval()
    x = torch.rand(2, 3, 72, 64)
    with torch.no_grad():
        one, other = student(x, LMBDA), teacher(x, LMBDA)
        plain = RateDistortionLoss(tasks="two")(one, x, LMBDA)
        only = [DistillSettings(x_hat=2.0, likelihood=0.0), DistillSettings(x_hat=0.0, likelihood=3.0)]
        added = [Teacher(teacher, weights, student)(plain, one, x, LMBDA).added for weights in only]
    error = (one["x_hat"] - other["x_hat"]).square().mean((1, 2, 3))
    beyond = [
        (one["scale_bits"].s1 - other["scale_bits"].s1).relu(),
        (one["scale_bits"].s2 - other["scale_bits"].s2).relu(),
        (one["scale_bits"].s3 + one["scale_bits"].z - other["scale_bits"].s3 - other["scale_bits"].z).relu(),
    ]
    assert added[0] is not None
    assert added[1] is not None
    torch.testing.assert_close(added[0][:, 0], 2.0 * LMBDA * 255**2 * error)
    torch.testing.assert_close(added[1][:, 1], 3.0 * sum(beyond) / (72 * 64))
    assert added[0][:, 1].sum() == added[1][:, 0].sum() == 0


def test_a_student_that_is_its_teacher_has_nothing_to_learn() -> None:
    student, teacher = network(1).eval(), network(1)
    with torch.no_grad():
        _, losses = taught(student, teacher, ALL, HierarchicalLoss())
    assert losses.added is not None
    assert losses.added.abs().max() < 1e-6


def test_gradients_reach_the_student_alone() -> None:
    student, teacher = network(1), network(2)
    _, losses = taught(student, teacher, ALL, HierarchicalLoss())
    assert losses.added is not None
    losses.added.sum().backward()
    assert student.g_a.branch[0].weight.grad is not None
    assert all(parameter.grad is None and not parameter.requires_grad for parameter in teacher.parameters())


def test_the_teachers_rate_is_the_students_or_the_nearest() -> None:
    student = network(1)
    span = network(2).rates
    teacher = Teacher(network(2), ALL, student)
    lmbda = torch.tensor([0.0001, 0.01, 9.0])
    assert teacher.lmbda(lmbda).tolist() == pytest.approx([span.low, 0.01, span.high])  # type: ignore[union-attr]
    fixed = Teacher(network(2, rates=OneRate(0.013)), ALL, student)
    assert torch.equal(fixed.lmbda(lmbda), lmbda), "a model of one rate codes at its own, whatever it is given"


def test_a_teacher_of_another_variant_teaches_what_can_be_compared() -> None:
    student, teacher = network(1), HPCM("hpcm-nano-2")
    _, losses = taught(student, teacher, DistillSettings(), RateDistortionLoss())
    assert losses.added is not None
    assert losses.added.sum() > 0
    with pytest.raises(SettingsError, match=r"y_hat compares latents.*has 192 channels, hpcm-nano 8"):
        Teacher(teacher, ALL, student)


def test_nothing_to_learn_is_refused() -> None:
    with pytest.raises(SettingsError, match="nothing of the teacher counts"):
        Teacher(network(2), DistillSettings(x_hat=0, likelihood=0), network(1))


def test_a_run_learns_from_its_teacher_and_leaves_it_alone(tiny_run: Run, tiny_start: Path) -> None:
    before = tiny_start.read_bytes()
    settings = tiny_run(finetune={"teacher": str(tiny_start)})
    train(settings)
    log = read_log(settings.output.save_path / "logs" / "metrics.jsonl")
    assert all(line["train/distillation"] > 0 for line in log if "train/j" in line)
    assert tiny_start.read_bytes() == before
    assert read_weights(tiny_start).keys() == HPCM("hpcm-nano").state_dict().keys()
