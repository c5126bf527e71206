"""Model files: the network that was saved comes back, ids say what decodes alike, what cannot be weights is refused."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from reader_fuzz import reader_fuzz
from safetensors.torch import save_file
from torch import Tensor

from hpcmbal.core.model import HPCM, LmbdaRange, OneRate, get_variant
from hpcmbal.errors import CheckpointError
from hpcmbal.model_files.find import PACKAGED_MODELS
from hpcmbal.model_files.header import MODEL_FORMAT
from hpcmbal.model_files.identity import id_of, model_id
from hpcmbal.model_files.store import export_state_dict, load_network, read_header, save_model

NANO = "hpcm-nano"


@pytest.fixture(scope="module")
def weights() -> dict[str, Tensor]:
    with torch.random.fork_rng():
        torch.manual_seed(3)
        return HPCM(NANO).state_dict()


def raw_file(path: Path, tensors: dict[str, Tensor]) -> Path:
    """A file with our header and any tensors."""
    save_file(tensors, path, metadata={"format": MODEL_FORMAT, "variant": NANO, "metadata": "{}"})
    return path


@pytest.mark.parametrize("rates", [None, OneRate(0.0483), LmbdaRange(0.004, 0.02)])
def test_a_model_comes_back_with_its_weights_its_rates_and_its_id(
    tmp_path: Path, weights: dict[str, Tensor], rates: OneRate | LmbdaRange | None
) -> None:
    path = tmp_path / "model.safetensors"
    identity = save_model(path, NANO, weights, {"step": 7}, rates=rates)
    network = load_network(path)
    assert all(torch.equal(value, weights[name]) for name, value in network.state_dict().items())
    assert network.rates == (rates or get_variant(NANO).lmbda_range)
    header = read_header(path)
    assert (header.rates, header.model_id, header.metadata) == (network.rates, identity, {"step": 7})
    assert model_id(network) == identity


def test_ids_of_models_that_decode_differently_differ(weights: dict[str, Tensor]) -> None:
    variant = get_variant(NANO)
    rates = [variant.lmbda_range, OneRate(0.0483), OneRate(0.013), LmbdaRange(0.004, 0.02), LmbdaRange(0.004, 0.0483)]
    assert len({id_of(variant, rate, weights) for rate in rates}) == len(rates)


def test_the_id_of_a_variant_without_gains_does_not_depend_on_its_lmbda() -> None:
    some = {"means_hyper": torch.ones(3)}
    base = get_variant("hpcm-base")
    assert id_of(base, OneRate(), some) == id_of(base, OneRate(0.013), some)


def test_the_packaged_model_has_the_id_that_its_files_name() -> None:
    path = PACKAGED_MODELS / "hpcm-nano.safetensors"
    network = load_network(path)
    assert model_id(network).hex() == "4d03ec001a31c982"
    assert read_header(path).model_id == model_id(network)
    assert network.rates == LmbdaRange(0.0018, 0.0483)


def test_a_file_of_half_precision_is_read_in_float32(tmp_path: Path, weights: dict[str, Tensor]) -> None:
    halves = {name: value.to(torch.bfloat16) for name, value in weights.items()}
    network = load_network(raw_file(tmp_path / "half.safetensors", halves))
    assert {value.dtype for value in network.state_dict().values()} == {torch.float32}


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (torch.tensor(float("nan")), r"values that are not finite in float32: g_s\.branch"),
        (torch.tensor(float("-inf")), "values that are not finite in float32"),
        (torch.tensor(1e300, dtype=torch.float64), "values that are not finite in float32"),
        (torch.tensor(1, dtype=torch.int32), r"what cannot be weights: g_s\.branch.* \(int32\)"),
        (torch.tensor(True), r"\(bool\)"),
        (torch.tensor(1j), r"\(complex64\)"),
    ],
)
def test_what_cannot_be_weights_is_refused(
    tmp_path: Path, weights: dict[str, Tensor], value: Tensor, message: str
) -> None:
    name = next(name for name in weights if name.startswith("g_s") and name.endswith("bias"))
    broken = {**weights, name: value.expand(weights[name].shape).contiguous()}
    with pytest.raises(CheckpointError, match=message):
        load_network(raw_file(tmp_path / "broken.safetensors", broken))


def test_weights_that_do_not_fit_are_listed(tmp_path: Path, weights: dict[str, Tensor]) -> None:
    with pytest.raises(CheckpointError, match=r"does not fit hpcm-nano: missing .* and \d+ more"):
        load_network(raw_file(tmp_path / "other.safetensors", {"lora.up": torch.zeros(2)}))


def test_a_foreign_safetensors_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "lora.safetensors"
    save_file({"lora.up": torch.zeros(2)}, path)
    with pytest.raises(CheckpointError, match=r"lora.safetensors is no model file of this package: it has format None"):
        load_network(path)


@pytest.mark.parametrize("rates", [OneRate(0.0483), None])
def test_an_exported_state_dict_says_its_rates_where_it_must(
    tmp_path: Path, weights: dict[str, Tensor], rates: OneRate | None
) -> None:
    model, exported = tmp_path / "model.safetensors", tmp_path / "model.pth"
    save_model(model, NANO, weights, rates=rates)
    export_state_dict(model, exported)
    content = torch.load(exported, weights_only=True)
    assert set(content) - set(weights) == ({"lmbda_range"} if rates else set())
    network = HPCM(NANO)
    network.load_state_dict(content)
    assert network.rates == (rates or get_variant(NANO).lmbda_range)


@reader_fuzz(100)
@given(data=st.data())
def test_any_damage_to_a_model_file_is_refused_in_words_or_changes_only_weights(
    tmp_path: Path, data: st.DataObject
) -> None:
    small = raw_file(tmp_path / "small.safetensors", {"means_hyper": torch.arange(6.0), "scales_hyper": torch.ones(6)})
    content = bytearray(small.read_bytes())
    for _ in range(data.draw(st.integers(1, 4))):
        position = data.draw(st.integers(0, len(content) - 1))
        content[position] = data.draw(st.integers(0, 255))
    content = content[: data.draw(st.integers(0, len(content)))]
    damaged = tmp_path / "damaged.safetensors"
    damaged.write_bytes(bytes(content))
    with pytest.raises(CheckpointError, match=r"damaged\.safetensors"):
        load_network(damaged)


def test_headers_of_model_files_are_json_for_others(tmp_path: Path, weights: dict[str, Tensor]) -> None:
    path = tmp_path / "model.safetensors"
    save_model(path, NANO, weights, rates=OneRate(0.02))
    content = path.read_bytes()
    length = int.from_bytes(content[:8], "little")
    stored = json.loads(content[8 : 8 + length])["__metadata__"]
    assert json.loads(stored["rates"]) == {"lmbda": 0.02}
