"""Parts of the network: every parameter belongs to one, and patterns find what they mean."""

from __future__ import annotations

import pytest
import torch

from hpcmbal.core.model import HPCM
from hpcmbal.core.model.parts import ENCODER, PARTS, depths, matching, part_of
from hpcmbal.core.model.variants import VARIANTS
from hpcmbal.model_files.identity import DECODING_PREFIXES


def network(name: str) -> HPCM:
    with torch.device("meta"):
        return HPCM(name)


@pytest.mark.parametrize("variant", VARIANTS)
def test_every_parameter_belongs_to_a_part(variant: str) -> None:
    model = network(variant)
    parts = {part_of(name) for name, _ in model.named_parameters()}
    assert parts == set(PARTS) - (set() if model.rate_gains is not None else {"gains"})
    assert set(depths(model)) == {name for name, _ in model.named_parameters()}


def test_modulations_and_entering_layers_belong_to_their_scales() -> None:
    scales = [part_of(f"adaptive_params_list.{i}").removeprefix("context.") for i in range(10)]
    assert scales == ["s1"] + 3 * ["s2"] + 6 * ["s3"]
    assert [part_of(f"context_net.{i}.weight") for i in range(2)] == ["context.s2", "context.s3"]
    assert part_of("attn_s3.conv_q.weight") == "context.s3"
    assert part_of("y_spatial_prior_adaptor_list_s2.0.weight") == "context.s2"
    assert (
        part_of("y_spatial_prior_s1_s2.branch_1.0.x") == part_of("y_spatial_prior_s3.branch_1.0.x") == "context.prior"
    )


@pytest.mark.parametrize("variant", ["hpcm-nano", "hpcm-small", "hpcm-base"])
def test_the_encoder_is_what_decoding_does_not_need(variant: str) -> None:
    names = [name for name, _ in network(variant).named_parameters()]
    patterns = [pattern for pattern in ENCODER if any(name.startswith(pattern) for name in names)]
    encoder = {name for pattern in patterns for name in matching(pattern, names)}
    assert encoder == {name for name in names if not name.startswith(DECODING_PREFIXES)}


def test_depth_counts_layers_from_the_output_of_a_part() -> None:
    model = network("hpcm-nano")
    found = depths(model)
    layers = len(model.g_a.branch)
    assert found["g_a.branch.0.weight"] == layers - 1
    assert found[f"g_a.branch.{layers - 1}.weight"] == 0
    assert found["adaptive_params_list.0"] == 2
    assert found["adaptive_params_list.9"] == 0


def test_patterns_are_parts_groups_of_parts_and_globs() -> None:
    names = [name for name, _ in network("hpcm-nano").named_parameters()]
    context = matching("context", names)
    assert context == [name for name in names if part_of(name).startswith("context.")]
    assert set(matching("context.s2", names)) < set(context)
    assert matching("rate_gains.*", names) == ["rate_gains.log_gain", "rate_gains.log_inverse_gain"]


def test_a_pattern_may_match_nothing() -> None:
    names = [name for name, _ in network("hpcm-base").named_parameters()]
    assert matching("g_x", names) == matching("gains", names) == []
