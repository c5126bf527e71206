"""Balanced training steps: gradients, updates, schedules and state."""

from __future__ import annotations

import io
import warnings
from itertools import pairwise

import pytest
import torch

from hpcmbal.core.balance import BALANCERS, FamoBalancer, LostLambdaWarning, TaskLayout, build_balancer
from hpcmbal.core.balance.gamma import ScaleGammaManager
from hpcmbal.core.loss import FIVE_TASKS, TOTAL_TASK, TWO_TASKS
from hpcmbal.errors import NumericalError, SettingsError
from hpcmbal.settings import BalancingSettings, choices

FIVE = TaskLayout.from_names(FIVE_TASKS)
GAMMAS = (0.008, 0.006, 0.004)


def make(layout=FIVE, strategy="fixed", **options):
    return FamoBalancer(layout, ScaleGammaManager(GAMMAS, strategy), **options)


def train(balancer, parameter, losses, steps, *, first=0, lr=0.02):
    """Gradient descent with balancing; returns the course of the weights."""
    course = []
    for step in range(first, first + steps):
        parameter.grad = None
        before = losses()
        balancer.backward(before, [parameter])
        with torch.no_grad():
            parameter -= lr * parameter.grad
            balancer.set_progress(step / 1000)
            balancer.update(step, before.detach(), losses)
        course.append(balancer.logits.weights.clone())
    return course


def test_the_registry_has_what_the_settings_offer():
    assert tuple(BALANCERS) == choices.BALANCERS


def test_without_a_learning_rate_weights_stay_and_losses_are_not_measured_again(quadratic_tasks):
    parameter, losses = quadratic_tasks(5)
    balancer = make(w_lr=0, update_every=1, scale_weights=(0.3, 0.4, 0.3))

    def refuse():
        raise AssertionError("a second pass")

    for step in range(3):
        balancer.backward(losses(), [parameter])
        balancer.update(step, losses().detach(), refuse)
    assert balancer.logits.weights.tolist() == pytest.approx([0.2] * 5, abs=0)


def test_what_is_emphasised_comes_from_the_settings_and_must_be_known():
    settings = BalancingSettings(name="linear", emphasised="rate")
    assert build_balancer(settings, FIVE_TASKS).emphasised == "rate"
    with pytest.raises(SettingsError, match="Unknown emphasised 'bits'.*all, distortion, rate"):
        make(emphasised="bits")


@pytest.mark.parametrize("scale", [1e-10, 1.0, 1e10])
@pytest.mark.parametrize("scale_weights", [(1, 1, 1), (0.7, 0.7, 0.7)])
def test_neutral_balancing_has_the_gradient_of_j(quadratic_tasks, scale, scale_weights):
    parameter, losses = quadratic_tasks(5)
    expected = torch.autograd.grad(scale * losses().sum(), parameter)[0]
    make(scale_weights=scale_weights).backward(scale * losses(), [parameter])
    torch.testing.assert_close(parameter.grad, expected, rtol=1e-6, atol=0)


def test_gradients_are_added_and_scaled(quadratic_tasks):
    parameter, losses = quadratic_tasks(5)
    balancer = make()
    balancer.backward(losses(), [parameter])
    once = parameter.grad.clone()
    balancer.backward(losses(), [parameter], scale=0.5)
    torch.testing.assert_close(parameter.grad, 1.5 * once)


@pytest.mark.parametrize("mode", ["linear", "log1p", "log"])
def test_the_gradient_is_the_sum_of_the_tasks_gradients_by_effective_weight(quadratic_tasks, mode):
    parameter, losses = quadratic_tasks(5)
    balancer = make(mode=mode, scale_weights=(0.3, 0.4, 0.3))
    train(balancer, parameter, losses, 24)
    weights = balancer.weigh(losses())
    expected = sum(w * torch.autograd.grad(losses()[i], parameter)[0] for i, w in enumerate(weights))
    parameter.grad = None
    balancer.backward(losses(), [parameter])
    torch.testing.assert_close(parameter.grad, expected)


def test_the_weights_move_and_sum_to_one(quadratic_tasks):
    balancer = make(update_every=1)
    course = train(balancer, *quadratic_tasks(5), 100)
    assert (torch.stack(course) - 0.2).abs().max() > 0.01
    assert sum(balancer.task_weights.values()) == pytest.approx(1)


@pytest.mark.parametrize("factor", [1e-6, 1e3, 1e8])
def test_scaling_j_does_not_change_the_course_of_the_weights_in_linear_mode(quadratic_tasks, factor):
    courses = []
    for scale in (1.0, factor):
        parameter, losses = quadratic_tasks(5)
        # The step is divided by the scale, as Adam would: the parameters take the same course.
        courses.append(train(make(update_every=1), parameter, lambda f=losses, s=scale: s * f(), 60, lr=0.02 / scale))
    torch.testing.assert_close(courses[0], courses[1], rtol=1e-6, atol=0)


@pytest.mark.parametrize("count", [2, 3, 7])
def test_any_number_of_tasks_can_be_balanced(quadratic_tasks, count):
    layout = TaskLayout.from_names(["distortion", *["bpp"] * (count - 1)])
    balancer = make(layout, update_every=1, preserve_lambda=False)
    train(balancer, *quadratic_tasks(count), 20)
    assert balancer.logits.weights.shape == (count,)
    assert balancer.logits.weights.sum().item() == pytest.approx(1)


def test_preserving_lambda_reports_a_ratio_of_one_and_otherwise_what_balancing_did(quadratic_tasks):
    ratios = {}
    for preserve in (True, False):
        balancer = make(update_every=1, preserve_lambda=preserve, scale_weights=(0.3, 0.4, 0.3))
        train(balancer, *quadratic_tasks(5), 30)
        ratios[preserve] = balancer.metrics()["lmbda_eff_ratio"]
    assert ratios[True] == pytest.approx(1)
    assert ratios[False] != pytest.approx(1, abs=1e-3)


def test_same_batch_asks_for_a_second_pass_every_n_steps_and_next_batch_never():
    asked = {"same_batch": [], "next_batch": []}
    for mode, steps in asked.items():
        balancer = make(update_mode=mode, update_every=3)
        for step in range(9):

            def measure_after(step=step, steps=steps):
                steps.append(step)
                return torch.rand(5) + 0.5

            balancer.update(step, torch.rand(5) + 0.5, measure_after)
        assert bool(balancer.logits.values.abs().sum() > 0)
    assert asked == {"same_batch": [2, 5, 8], "next_batch": []}


def test_next_batch_takes_the_following_losses_for_those_after_the_step():
    generator = torch.Generator().manual_seed(0)
    batches = torch.rand(30, 5, generator=generator) + 0.5
    following, same = make(update_mode="next_batch"), make(update_every=1)
    for step, losses in enumerate(batches):
        following.update(step, losses, pytest.fail)
    for before, after in pairwise(batches):
        same.update(0, before, lambda after=after: after)
    assert torch.equal(following.logits.values, same.logits.values)


@pytest.mark.parametrize("bad", [float("nan"), float("inf"), -1.0])
def test_bad_losses_are_named_and_nothing_is_touched(quadratic_tasks, bad):
    parameter, losses = quadratic_tasks(5)
    balancer = make(update_every=1)
    factor = torch.tensor([1, 1, bad, 1, 1], dtype=torch.float64)
    with pytest.raises(NumericalError, match="s2_distortion = "):
        balancer.backward(losses() * factor, [parameter])
    assert parameter.grad is None
    with pytest.raises(NumericalError, match=r"after the step.*s2_distortion = "):
        balancer.update(0, losses(), lambda: losses() * factor)
    with pytest.raises(NumericalError, match=r"before the step.*s2_distortion = "):
        balancer.update(0, losses() * factor, losses)
    assert torch.equal(balancer.logits.values, torch.zeros(5, dtype=torch.float64))


def test_gammas_follow_their_schedule_into_the_update_and_the_metrics():
    balancer = make(strategy="hierarchical")
    balancer.set_progress(1.0)
    metrics = balancer.metrics()
    assert [metrics[f"gamma/{s}"] for s in ("s1", "s2", "s3")] == pytest.approx([0.004, 0.003, 0.0052])
    pulled = make(strategy="hierarchical", update_every=1)
    free = FamoBalancer(FIVE, ScaleGammaManager((0, 0, 0)), update_every=1)
    for one in (pulled, free):
        one.logits.values = torch.ones(5, dtype=torch.float64)
        one.update(0, torch.ones(5), lambda: torch.tensor([0.9, 0.91, 0.92, 0.93, 0.94]))
    assert not torch.equal(pulled.logits.values, free.logits.values)


def test_metrics_name_raw_and_effective_weights_contributions_and_gammas(quadratic_tasks):
    balancer = make()
    train(balancer, *quadratic_tasks(5), 1)
    expected = {f"weights/{n}" for n in FIVE_TASKS} | {f"effective_weights/{n}" for n in FIVE_TASKS}
    expected |= {f"{kind}/{s}" for kind in ("scale_contrib", "gamma") for s in ("s1", "s2", "s3")} | {"lmbda_eff_ratio"}
    metrics = balancer.metrics()
    assert set(metrics) == expected
    assert sum(metrics[f"scale_contrib/{s}"] for s in ("s1", "s2", "s3")) == pytest.approx(1)


@pytest.mark.parametrize("options", [{"update_every": 2}, {"update_mode": "next_batch"}])
@pytest.mark.parametrize("strategy", ["hierarchical", "adaptive"])
def test_its_state_round_trips_through_a_file_and_continues_exactly(quadratic_tasks, options, strategy):
    parameter, losses = quadratic_tasks(5)
    options |= {"strategy": strategy, "scale_weights": (0.2, 0.3, 0.5), "anneal_from": 0.01}
    whole = make(**options)
    train(whole, parameter, losses, 40)
    again, losses = quadratic_tasks(5)
    first = make(**options)
    train(first, again, losses, 17)
    file = io.BytesIO()
    torch.save(first.state_dict(), file)
    file.seek(0)
    second = make(**options)
    second.load_state_dict(torch.load(file, weights_only=True))
    train(second, again, losses, 23, first=17)
    assert torch.equal(again, parameter)
    assert torch.equal(second.logits.values, whole.logits.values)


def test_its_state_is_what_it_learnt_and_not_how_it_was_configured():
    old, new = make(scale_weights=(1, 2, 3), w_lr=0.5), FamoBalancer(FIVE, ScaleGammaManager((0.1, 0.2, 0.3)))
    old.update(7, torch.ones(5), lambda: torch.tensor([0.9, 0.91, 0.92, 0.93, 0.94]))
    new.load_state_dict(old.state_dict())
    assert torch.equal(new.logits.values, old.logits.values)
    assert new.gammas.gammas == (0.1, 0.2, 0.3)
    assert new.scale_weights == (1, 1, 1)
    new.update(7, torch.ones(5), lambda: torch.ones(5))
    assert (new.logits.values - old.logits.values).abs().max() < 0.05, "w_lr is the new one"


@pytest.mark.parametrize("mode", ["linear", "log1p", "log"])
@pytest.mark.parametrize("preserve", [True, False])
@pytest.mark.filterwarnings("ignore::hpcmbal.core.balance.LostLambdaWarning")
def test_annealing_leads_the_weights_back_to_those_of_j_in_a_straight_line(quadratic_tasks, mode, preserve):
    _, losses = quadratic_tasks(5)
    options = {"mode": mode, "preserve_lambda": preserve, "scale_weights": (0.2, 0.5, 0.3)}
    plain, annealed = make(**options), make(**options, anneal_from=0.6)
    for one in (plain, annealed):
        one.logits.values = torch.tensor([0.5, -0.5, 0.2, 0.1, -0.3], dtype=torch.float64)
    full = plain.weigh(losses())
    for fraction, strength in ((0.0, 1.0), (0.6, 1.0), (0.7, 0.75), (0.8, 0.5), (1.0, 0.0)):
        annealed.set_progress(fraction)
        torch.testing.assert_close(annealed.weigh(losses()), strength * full + (1 - strength))
        assert annealed.metrics()["balancing_strength"] == pytest.approx(strength)
    assert "balancing_strength" not in plain.metrics()


@pytest.mark.parametrize("fraction", [-0.1, 1.1, float("nan")])
def test_annealing_begins_within_the_training(fraction):
    with pytest.raises(SettingsError, match="between 0 and 1"):
        make(anneal_from=fraction)


def test_epoch_losses_of_tasks_without_scales_count_for_all_that_share_a_gamma():
    layout = TaskLayout.from_names(TWO_TASKS)
    balancer = FamoBalancer(layout, ScaleGammaManager(GAMMAS, "adaptive", window=2), preserve_lambda=False)
    for epoch in range(2):
        balancer.set_progress(0.1, torch.tensor([1.0 + epoch, 2.0]))
    assert balancer.gammas.multipliers == pytest.approx((1.02,) * 3), "the losses jump"


def test_two_tasks_with_lambda_preserved_leave_nothing_to_balance():
    with pytest.raises(SettingsError, match=r"leaves nothing to balance.*preserve_lambda to false"):
        build_balancer(BalancingSettings(name="linear"), TWO_TASKS)


@pytest.mark.parametrize("name", ["linear", "qp", "torchjd"])
def test_one_task_cannot_be_balanced(name):
    with pytest.raises(SettingsError, match=r"at least two tasks.*'two' or 'five'"):
        build_balancer(BalancingSettings(name=name, preserve_lambda=False), TOTAL_TASK)


@pytest.mark.parametrize("name", ["log", "qp"])
def test_losing_lambda_warns(name):
    with pytest.warns(LostLambdaWarning, match="does not contain lmbda"):
        build_balancer(BalancingSettings(name=name, preserve_lambda=False), TWO_TASKS)


def test_keeping_lambda_does_not_warn():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        build_balancer(BalancingSettings(name="log"), FIVE_TASKS)
        build_balancer(BalancingSettings(name="log1p", preserve_lambda=False), TWO_TASKS)


@pytest.mark.parametrize(
    ("options", "message"), [({"mode": "exp"}, "mode 'exp'"), ({"update_mode": "x"}, "update_mode 'x'")]
)
def test_unknown_choices_are_refused(options, message):
    with pytest.raises(SettingsError, match=message):
        make(**options)


def test_unknown_balancings_are_refused_with_the_list():
    with pytest.raises(SettingsError, match=r"'famo'.*linear, log1p, log, qp, torchjd"):
        build_balancer(BalancingSettings.model_construct(name="famo"), FIVE_TASKS)


def test_no_balancing_is_j_and_lets_the_trainer_see_what_is_not_finite(quadratic_tasks):
    parameter, losses = quadratic_tasks(5)
    balancer = build_balancer(BalancingSettings(), FIVE_TASKS)
    balancer.backward(losses(), [parameter], scale=0.5)
    torch.testing.assert_close(parameter.grad, torch.autograd.grad(0.5 * losses().sum(), parameter)[0])
    balancer.backward(losses() * float("nan"), [parameter])
    assert bool(parameter.grad.isnan().all())
    balancer.update(7, losses(), pytest.fail)
    assert (balancer.metrics(), balancer.state_dict()) == ({}, {})


@pytest.mark.parametrize(("name", "compares"), [("none", False), ("log1p", False), ("qp", True), ("torchjd", True)])
def test_every_balancer_states_its_tasks_and_whether_it_compares_gradients(name, compares):
    if name == "torchjd":
        pytest.importorskip("torchjd", reason="the extra hpcmbal[torchjd] is not installed")
    balancer = build_balancer(BalancingSettings(name=name), FIVE_TASKS)
    assert (balancer.task_names, balancer.compares_gradients) == (FIVE_TASKS, compares)
