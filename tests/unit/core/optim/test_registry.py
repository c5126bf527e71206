"""Every optimiser: reachable by name, works on every kind of parameter, resumes exactly."""

from __future__ import annotations

import io

import pytest
import torch
from torch import nn

from hpcmbal.core.optim import OPTIMIZERS, build_optimizer
from hpcmbal.core.optim.parameters import sort_parameters
from hpcmbal.errors import SettingsError
from hpcmbal.settings import OptimizerSettings, choices


def make(name, network, **values):
    return build_optimizer(OptimizerSettings(name=name, learning_rate=3e-3, **values), network)


def train(network, optimizer, steps, *, first=0):
    losses = []
    for step in range(first, first + steps):
        x = torch.rand(4, 3, 16, 16, generator=torch.Generator().manual_seed(step))
        optimizer.zero_grad()
        loss = (network(x) - x).square().mean()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return losses


def test_the_registry_has_what_the_settings_offer():
    assert tuple(OPTIMIZERS) == choices.OPTIMIZERS


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_it_learns_and_moves_every_trainable_parameter(network, name):
    model = network()
    before = {key: value.clone() for key, value in model.state_dict().items()}
    losses = train(model, make(name, model), 60)
    assert sum(losses[-5:]) < 0.6 * sum(losses[:5])
    still = {key for key, value in model.state_dict().items() if torch.equal(value, before[key])}
    assert still == {"frozen"}


@pytest.mark.slow
@pytest.mark.parametrize("name", OPTIMIZERS)
@pytest.mark.parametrize("interrupted_at", [1, 13])
def test_resuming_from_a_file_is_exact(network, name, interrupted_at):
    whole = network()
    train(whole, make(name, whole), 25)
    first = network()
    optimizer = make(name, first)
    train(first, optimizer, interrupted_at)
    file = io.BytesIO()
    torch.save((first.state_dict(), optimizer.state_dict()), file)
    file.seek(0)
    weights, state = torch.load(file, weights_only=True)
    second = network(1)
    second.load_state_dict(weights)
    optimizer = make(name, second)
    optimizer.load_state_dict(state)
    train(second, optimizer, 25 - interrupted_at, first=interrupted_at)
    for key, value in whole.state_dict().items():
        assert torch.equal(value, second.state_dict()[key]), key


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_the_memory_layout_of_weights_does_not_matter(network, name):
    plain, channels_last = network(), network().to(memory_format=torch.channels_last)
    losses = train(plain, make(name, plain), 12)
    # Rounding alone differs; muon orthogonalises in bfloat16, where that is visible.
    assert train(channels_last, make(name, channels_last), 12) == pytest.approx(losses, rel=1e-2)


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_groups_with_their_own_rate_keep_it_and_are_not_decayed(network, name):
    shares = nn.Parameter(torch.tensor([1.0, 2.0, 3.0]))
    optimizer = build_optimizer(
        OptimizerSettings(name=name, learning_rate=0.1, weight_decay=0.1),
        network(),
        [{"params": [shares], "lr": 1e-3, "weight_decay": 0.0}],
    )
    for _ in range(2):
        shares.grad = torch.tensor([1.0, -1.0, 1.0])
        optimizer.step()
    # SOAP's first step only measures.
    length = 1e-3 if name == "soap" else 2e-3
    torch.testing.assert_close(shares.detach(), torch.tensor([1.0 - length, 2.0 + length, 3.0 - length]))


def test_muon_orthogonalises_matrices_at_their_own_rate_and_nothing_else(network):
    model = network()
    optimizer = make("muon", model, matrix_lr_factor=20.0, weight_decay=0.5)
    matrices, others = optimizer.param_groups
    assert matrices["use_muon"]
    assert matrices["lr"] == pytest.approx(20 * 3e-3)
    assert others["lr"] == 3e-3
    # Decay is a rate times a learning rate: the same shrinking per step for all.
    assert matrices["lr"] * matrices["weight_decay"] == pytest.approx(others["lr"] * others["weight_decay"])
    assert {id(p) for p in matrices["params"]} == {id(m.weight) for m in (model.stem, model.pointwise, model.up)}


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_every_trainable_parameter_is_in_exactly_one_group(network, name):
    model = network()
    grouped = [id(p) for group in make(name, model).param_groups for p in group["params"]]
    assert sorted(grouped) == sorted(id(p) for p in model.parameters() if p.requires_grad)


def test_parameters_are_sorted_by_what_they_are(network):
    model = network()
    kinds = sort_parameters(model)
    assert [id(p) for p in kinds.depthwise] == [id(model.depthwise.weight)]
    assert any(p is model.gains for p in kinds.vectors)
    assert any(p is model.modulation for p in kinds.vectors)


def test_shared_parameters_appear_once():
    layer = nn.Conv2d(4, 4, 1)
    assert len(sort_parameters(nn.Sequential(layer, layer)).all()) == 2


@pytest.mark.parametrize("shape", [(3, 24, 4), (96, 1, 3), (2, 2, 1), (1, 9, 3), (9, 1, 1), (300, 2, 2)])
@pytest.mark.parametrize("name", ["soap", "muon"])
def test_odd_shapes_of_convolutions_work(name, shape):
    out, inside, kernel = shape
    torch.manual_seed(0)
    model = nn.Conv2d(inside, out, kernel)
    optimizer = make(name, model)
    for _ in range(12):
        optimizer.zero_grad()
        model(torch.randn(2, inside, 6, 6)).square().mean().backward()
        optimizer.step()
    assert all(bool(p.isfinite().all()) for p in model.parameters())


def test_unknown_names_are_refused_with_the_list(network):
    settings = OptimizerSettings.model_construct(name="adma")
    with pytest.raises(SettingsError, match=r"'adma'.*adam, cautious, soap, muon"):
        build_optimizer(settings, network())
