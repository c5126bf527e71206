"""Released weights: found out, checked entry by entry, never executed."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from reader_fuzz import reader_fuzz
from torch import Tensor

from hpcmbal.core.model import HPCM, LmbdaRange, OneRate, get_variant
from hpcmbal.core.model.hpcm import CODER_TABLES, rates_entry
from hpcmbal.errors import CheckpointError, SettingsError
from hpcmbal.model_files.official import closest_variant, import_official

NANO = "hpcm-nano"


@pytest.fixture(scope="module")
def weights() -> dict[str, Tensor]:
    torch.manual_seed(5)
    return {key: torch.randn(value.shape) for key, value in HPCM(get_variant(NANO)).state_dict().items()}


def saved(folder: Path, content: object) -> Path:
    path = folder / "weights.pth.tar"
    torch.save(content, path)
    return path


@pytest.mark.parametrize("wrap", [lambda w: w, lambda w: {"state_dict": w, "epoch": 3}], ids=["bare", "nested"])
@pytest.mark.parametrize("prefix", [pytest.param("", marks=pytest.mark.slow), "module."])
def test_wrappers_and_prefixes_come_off(tmp_path: Path, weights: dict[str, Tensor], wrap: object, prefix: str) -> None:
    content = {f"{prefix}{key}": value for key, value in weights.items()}
    content |= {f"{prefix}{name}": torch.arange(7) for name in CODER_TABLES}
    path = saved(tmp_path, wrap(content))  # type: ignore[operator]
    imported = import_official(path)
    assert imported.model_name == NANO
    assert imported.parameters == sum(parameter.numel() for parameter in HPCM(get_variant(NANO)).parameters())
    assert imported.state_dict.keys() == weights.keys()
    assert all(torch.equal(imported.state_dict[key], value) for key, value in weights.items())


@pytest.mark.slow
@pytest.mark.parametrize(
    ("file", "name"),
    [
        ("hpcm_base_256x256_seed7", "hpcm-base"),
        ("hpcm_base_phi", "hpcm-base-phi"),
        ("hpcm_large", "hpcm-large"),
        ("hpcm_1b", "hpcm-1b"),
    ],
)
def test_the_released_variant_is_found_out_from_its_entries(shared_dir: Path, file: str, name: str) -> None:
    listed = json.loads((shared_dir / "golden" / f"{file}.keys.json").read_text(encoding="utf-8"))["state_dict"]
    entries = {key: torch.empty(shape, device="meta") for key, shape in listed if key not in CODER_TABLES}
    assert closest_variant(entries) == name


@pytest.mark.slow
def test_released_tables_are_emptied_and_the_result_loads(tmp_path: Path) -> None:
    with torch.device("meta"):
        shapes = HPCM(get_variant("hpcm-base-phi")).state_dict()
    content = {key: torch.tensor(0.5).expand(value.shape) for key, value in shapes.items()}
    content |= {name: torch.arange(9) for name in CODER_TABLES}
    imported = import_official(saved(tmp_path, content))
    assert (imported.model_name, imported.parameters) == ("hpcm-base-phi", 63_582_419)
    with torch.device("meta"):
        model = HPCM(get_variant("hpcm-base-phi"))
    model.load_state_dict(imported.state_dict, assign=True)
    assert all(imported.state_dict[name].numel() == 0 for name in CODER_TABLES)


def test_every_kind_of_misfit_is_listed(tmp_path: Path, weights: dict[str, Tensor]) -> None:
    first, second, *_ = sorted(key for key in weights if key.startswith("g_a"))
    content = {**weights, "g_x.weight": torch.zeros(2), second: torch.zeros(1, 2)}
    del content[first]
    expected = rf"does not fit hpcm-nano.*1 missing: {first}; 1 unexpected: g_x.weight; 1 misshapen: {second} \[1, 2\]"
    with pytest.raises(CheckpointError, match=expected):
        import_official(saved(tmp_path, content))


def test_a_named_variant_is_not_second_guessed(tmp_path: Path, weights: dict[str, Tensor]) -> None:
    with pytest.raises(CheckpointError, match=r"does not fit hpcm-base: \d+ missing: .* and \d+ more; \d+ unexpected"):
        import_official(saved(tmp_path, weights), "hpcm-base")
    with pytest.raises(SettingsError, match="Unknown model 'hpcm-tiny'"):
        import_official(saved(tmp_path, weights), "hpcm-tiny")


def test_values_that_are_not_finite_are_refused(tmp_path: Path, weights: dict[str, Tensor]) -> None:
    key = next(key for key in weights if key.startswith("g_s"))
    broken = weights[key].clone()
    broken.view(-1)[0] = torch.nan
    with pytest.raises(CheckpointError, match=f"not finite in float32: {key}"):
        import_official(saved(tmp_path, {**weights, key: broken}))


STRANGE = {
    "int64": lambda like: torch.ones(like.shape, dtype=torch.int64),
    "bool": lambda like: torch.ones(like.shape, dtype=torch.bool),
    "complex64": lambda like: torch.ones(like.shape, dtype=torch.complex64),
    "sparse_coo": lambda like: torch.ones(like.shape).to_sparse(),
    "quantised": lambda like: torch.quantize_per_tensor(torch.ones(like.shape), 0.1, 0, torch.qint8),
    "nested": lambda like: torch.nested.nested_tensor([torch.ones(like.shape)]),
    "repeated": lambda _: torch.zeros(1).expand(10**12),  # four terabytes in a file of a kilobyte
    "without values": lambda like: torch.empty(like.shape, device="meta"),
}


@pytest.mark.filterwarnings("ignore:.*quantize|.*nested:UserWarning")  # torch's plans for them; files of both exist
@pytest.mark.parametrize("kind", STRANGE)
def test_what_cannot_be_weights_is_refused(tmp_path: Path, weights: dict[str, Tensor], kind: str) -> None:
    key = next(key for key in weights if key.startswith("g_s"))
    path = saved(tmp_path, {**weights, key: STRANGE[kind](weights[key])})
    with pytest.raises(CheckpointError, match=rf"holds what cannot be weights: {key} \({kind}\)"):
        import_official(path)


def test_float64_that_float32_does_not_hold_is_refused(tmp_path: Path, weights: dict[str, Tensor]) -> None:
    key = next(key for key in weights if key.startswith("g_s"))
    doubles = {name: value.double() for name, value in weights.items()}
    assert import_official(saved(tmp_path, doubles)).state_dict[key].dtype == torch.float32
    doubles[key] = doubles[key].fill_(1e39)
    with pytest.raises(CheckpointError, match=f"not finite in float32: {key}"):
        import_official(saved(tmp_path, doubles))


@pytest.mark.slow
@pytest.mark.parametrize("rates", [OneRate(0.0483), LmbdaRange(0.004, 0.02)])
def test_exported_rates_are_imported(tmp_path: Path, weights: dict[str, Tensor], rates: OneRate | LmbdaRange) -> None:
    entry = rates_entry(HPCM(NANO, rates))
    assert import_official(saved(tmp_path, {**weights, **entry})).rates == rates
    assert import_official(saved(tmp_path, weights)).rates == get_variant(NANO).lmbda_range
    with pytest.raises(CheckpointError, match="of its rates what cannot be: 'lmbda_range' holds two float64 numbers"):
        import_official(saved(tmp_path, {**weights, "lmbda_range": torch.ones(3)}))


@reader_fuzz(100)
@given(data=st.data())
def test_any_damage_is_refused_in_words(tmp_path: Path, data: st.DataObject) -> None:
    content = bytearray(saved(tmp_path, {"means_hyper": torch.arange(4.0), "scales_hyper": torch.ones(4)}).read_bytes())
    for _ in range(data.draw(st.integers(1, 4))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    path = tmp_path / "damaged.pth"
    path.write_bytes(bytes(content[: data.draw(st.integers(0, len(content)))]))
    with pytest.raises(CheckpointError, match=r"damaged\.pth"):
        import_official(path)


class Bomb:
    def __reduce__(self) -> tuple[object, tuple[str]]:
        return (print, ("executed",))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({"state_dict": {}}, "holds no state dict"),
        ([1, 2], "holds no state dict"),
        ({"epoch": 3}, "holds 'epoch' of type int"),
        ({"a": torch.zeros(1), "module.a": torch.zeros(1)}, "holds 'a' twice"),
    ],
)
def test_other_content_is_refused(tmp_path: Path, content: object, message: str) -> None:
    with pytest.raises(CheckpointError, match=message):
        import_official(saved(tmp_path, content))


def test_code_in_a_file_is_never_run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = saved(tmp_path, {"state_dict": Bomb()})
    with pytest.raises(CheckpointError, match="holds Python objects, which are never loaded"):
        import_official(path)
    assert "executed" not in capsys.readouterr().out


@pytest.mark.parametrize("cut", [0, 10, 1000])
def test_a_damaged_file_is_refused(tmp_path: Path, weights: dict[str, Tensor], cut: int) -> None:
    path = saved(tmp_path, weights)
    path.write_bytes(path.read_bytes()[:cut])
    with pytest.raises(CheckpointError, match=r"weights.pth.tar is no PyTorch checkpoint"):
        import_official(path)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match=r"nowhere.pth cannot be read: No such file"):
        import_official(tmp_path / "nowhere.pth")


def test_constants_of_the_network_may_be_missing(tmp_path: Path, weights: dict[str, Tensor]) -> None:
    without = {name: tensor for name, tensor in weights.items() if not name.startswith("entropy_estimation.")}
    path = saved(tmp_path, without)
    imported = import_official(path).state_dict
    assert float(imported["entropy_estimation.beta"]) == pytest.approx(1.5)
    assert float(imported["entropy_estimation.scale_lower_bound.bound"]) == pytest.approx(0.12)
