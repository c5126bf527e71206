"""Parts from other packages: found by name, loaded when chosen, and never in the way."""

from __future__ import annotations

import sys
from collections.abc import Callable
from importlib.metadata import EntryPoint
from types import SimpleNamespace

import pytest
import torch

from hpcmbal.core.balance import build_balancer
from hpcmbal.core.loss import FIVE_TASKS, ImageWeighting, RateDistortionLoss, build_loss
from hpcmbal.core.model import HPCM
from hpcmbal.core.optim import build_optimizer
from hpcmbal.errors import SettingsError
from hpcmbal.settings import (
    BalancingSettings,
    LossSettings,
    OptimizerSettings,
    TrainSettings,
    load_train_settings,
    plugins,
)

Install = Callable[..., None]


@pytest.fixture
def install(monkeypatch: pytest.MonkeyPatch) -> Install:
    """Makes entry points appear as if packages had been installed."""

    def add(kind: str, *offers: tuple[str, str, str]) -> None:
        points = []
        for name, target, package in offers:
            point = EntryPoint(name, target, f"hpcmbal.{kind}")
            vars(point)["dist"] = SimpleNamespace(name=package, version="1.0")
            points.append(point)
        known = plugins._points
        monkeypatch.setattr(plugins, "_points", lambda asked: tuple(points) if asked == kind else known(asked))

    return add


def test_a_plugin_optimiser_is_chosen_by_name_with_its_own_options(install: Install, tmp_path, monkeypatch) -> None:
    (tmp_path / "outside.py").write_text(
        "import torch\n"
        "def build(settings, parameters):\n"
        "    return torch.optim.SGD(parameters.groups(), settings.learning_rate, settings.options['momentum'])\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    install("optimizers", ("sgd", "outside:build", "outside"))
    settings = OptimizerSettings(name="sgd", learning_rate=0.5, options={"momentum": 0.25})
    optimizer = build_optimizer(settings, torch.nn.Linear(3, 4))
    assert isinstance(optimizer, torch.optim.SGD)
    assert optimizer.param_groups[0]["momentum"] == 0.25


def test_a_plugin_balancer_is_told_when_to_anneal(install: Install) -> None:
    install("balancers", ("mine", "outside:build", "outside"))
    settings = load_train_settings("balanced", {"balancing.name": "mine", "balancing.anneal_from": 0.5})
    assert (settings.balancing.name, settings.balancing.anneal_from) == ("mine", 0.5)


def test_a_plugin_loss_and_a_plugin_balancer_are_given_their_settings(install: Install) -> None:
    install("losses", ("mine", "hpcmbal.core.loss:RateDistortionLoss", "outside"))
    with pytest.raises(TypeError, match="positional argument"):  # it was called, with settings and weighting
        build_loss(LossSettings(tasks="mine"))
    install("balancers", ("mine", "builtins:dict", "outside"))
    with pytest.raises(TypeError, match="dict expected at most 1 argument, got 2"):
        build_balancer(BalancingSettings(name="mine"), FIVE_TASKS)


def test_listing_loads_nothing(install: Install) -> None:
    install("schedules", ("late", "a_module_that_does_not_exist:run", "outside"))
    (found,) = [plugin for plugin in plugins.installed_plugins() if plugin.name == "late"]
    assert found == plugins.Plugin("schedules", "late", "outside 1.0", "a_module_that_does_not_exist:run", "")
    assert "a_module_that_does_not_exist" not in sys.modules


@pytest.mark.parametrize(
    ("target", "message"),
    [
        ("a_module_that_does_not_exist:run", r"comes from outside 1.0 and cannot be imported \(ModuleNotFoundError: "),
        ("math:no_such_name", r"cannot be imported \(AttributeError: "),
        ("math:pi", r"should be callable. math:pi is float"),
    ],
)
def test_a_broken_plugin_is_one_line_that_names_its_package(install: Install, target: str, message: str) -> None:
    install("optimizers", ("broken", target, "outside"))
    with pytest.raises(SettingsError, match=message) as caught:
        build_optimizer(OptimizerSettings(name="broken"), torch.nn.Linear(2, 2))
    assert "\n" not in str(caught.value)


def test_a_plugin_that_raises_on_import_is_one_line_too(install: Install, tmp_path, monkeypatch) -> None:
    (tmp_path / "angry.py").write_text("raise RuntimeError('first line\\nsecond line')\n")
    monkeypatch.syspath_prepend(tmp_path)
    install("optimizers", ("angry", "angry:build", "outside"))
    with pytest.raises(SettingsError, match=r"\(RuntimeError: first line\)"):
        plugins.load_plugin("optimizers", "angry")


def test_two_packages_with_one_name_are_told_apart_by_neither(install: Install) -> None:
    install("balancers", ("same", "math:sin", "one"), ("same", "math:cos", "two"))
    assert {plugin.problem for plugin in plugins.installed_plugins() if plugin.name == "same"} == {
        "several packages offer it: one 1.0, two 1.0"
    }
    with pytest.raises(SettingsError, match="several packages offer it: one 1.0, two 1.0"):
        plugins.load_plugin("balancers", "same")


def test_our_own_names_cannot_be_taken(install: Install) -> None:
    install("optimizers", ("adam", "math:sin", "outside"))
    assert isinstance(build_optimizer(OptimizerSettings(name="adam"), torch.nn.Linear(2, 2)), torch.optim.AdamW)
    (found,) = [plugin for plugin in plugins.installed_plugins() if plugin.name == "adam"]
    assert found.problem == "the name is hpcmbal's own"


def test_an_unknown_name_lists_plugins_beside_our_own(install: Install) -> None:
    install("schedules", ("line", "math:sin", "outside"))
    with pytest.raises(SettingsError, match="must be one of cosine, step, constant, wsd, line"):
        TrainSettings(schedule={"name": "lime"}, training={"max_steps": 1})


def test_options_of_a_part_of_our_own_are_refused() -> None:
    with pytest.raises(SettingsError, match=r"optimizer.options.*is for plug-ins, and 'adam' is hpcmbal's own"):
        TrainSettings(optimizer={"options": {"momentum": 0.5}}, training={"max_steps": 1})


def test_options_may_be_typed_as_yaml(install: Install) -> None:
    install("optimizers", ("mine", "math:sin", "outside"))
    assert OptimizerSettings(name="mine", options="{beta: 0.9, name: x}").options == {"beta": 0.9, "name": "x"}


def test_the_losses_of_a_plugin_are_weighed_like_ours() -> None:
    loss = RateDistortionLoss(weighting=ImageWeighting(0.5, 4.0))
    lmbda = torch.tensor([1.0, 16.0])
    with torch.no_grad():
        x = torch.rand(2, 3, 64, 64)
        output = HPCM("hpcm-nano").eval()(x, torch.tensor([0.01, 0.01]))
        torch.testing.assert_close(loss(output, x, lmbda).image_weights, torch.tensor([2.0, 0.5]))
