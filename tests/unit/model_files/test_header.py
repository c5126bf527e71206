"""What a model file says about itself, in this version's words and in earlier ones, and what is refused."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from reader_fuzz import reader_fuzz

from hpcmbal.core.model import PAPER_RANGE, LmbdaRange, OneRate
from hpcmbal.errors import CheckpointError
from hpcmbal.model_files.header import MODEL_FORMAT, ModelHeader, parse_header, write_header


def entries(**changes: str) -> dict[str, str]:
    return {"format": MODEL_FORMAT, "variant": "hpcm-nano", "metadata": "{}", **changes}


def trained(**loss: Any) -> str:
    return json.dumps({"settings": {"loss": loss}})


@pytest.mark.parametrize(
    "header",
    [
        ModelHeader("hpcm-nano", OneRate(0.0483), {"step": 3}, b"12345678"),
        ModelHeader("hpcm-nano", LmbdaRange(0.002, 0.03)),
        ModelHeader("hpcm-base", OneRate()),
        ModelHeader("hpcm-base", OneRate(0.013)),
    ],
)
def test_what_is_written_is_read(header: ModelHeader) -> None:
    assert parse_header(write_header(header), "file") == header


@pytest.mark.parametrize(
    ("variant", "metadata", "rates"),
    [
        ("hpcm-nano", "{}", PAPER_RANGE),
        ("hpcm-nano", trained(variable_rate=False, lmbda=0.0483), OneRate(0.0483)),
        ("hpcm-nano", trained(variable_rate=True, lmbda=0.013), PAPER_RANGE),
        ("hpcm-nano", trained(variable_rate=True, lmbda_min=0.0018, lmbda_max=0.0483), PAPER_RANGE),
        ("hpcm-nano", trained(variable_rate=True, lmbda_min=0.004, lmbda_max=None), LmbdaRange(0.004, 0.0483)),
        ("hpcm-nano", json.dumps({"settings": [1]}), PAPER_RANGE),
        ("hpcm-base", "{}", OneRate()),
        ("hpcm-base", trained(variable_rate=False, lmbda=0.0067), OneRate(0.0067)),
    ],
)
def test_rates_of_earlier_files_are_those_of_their_training(variant: str, metadata: str, rates: object) -> None:
    assert parse_header(entries(variant=variant, metadata=metadata), "file").rates == rates


def test_the_id_of_the_packaged_model_is_read_from_where_it_was() -> None:
    assert parse_header(entries(metadata='{"model_id": "4d03ec001a31c982"}'), "file").model_id == bytes.fromhex(
        "4d03ec001a31c982"
    )
    assert parse_header(entries(metadata='{"model_id": "4d03"}'), "file").model_id is None


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"format": "pt"}, "file is no model file of this package: it has format 'pt'"),
        ({"variant": "lora"}, "unknown variant 'lora'"),
        ({"metadata": "{"}, "'metadata' in its header is no JSON"),
        ({"metadata": "[" * 100_000}, "'metadata' in its header is no JSON"),
        ({"metadata": "[1]"}, "'metadata' in its header should be a JSON object"),
        ({"rates": '{"low": 0.1, "high": 0.01}'}, "says of its rates what cannot be"),
        ({"rates": '{"low": 1e-9, "high": 0.01}'}, "hpcm-nano covers lambda 0.0018 to 0.0483"),
        ({"rates": '{"lmbda": true}'}, "'lmbda' should be a number. Found 'True'"),
        ({"rates": '{"lmbda": 1' + "0" * 400 + "}"}, "'lmbda' should be a number that floating point holds"),
        ({"rates": "{}"}, "hpcm-nano with one rate needs that rate's lambda"),
        ({"metadata": trained(variable_rate=False)}, "'lmbda' should be a number. Found 'None'"),
    ],
)
def test_a_header_that_means_nothing_is_refused(changes: dict[str, str], message: str) -> None:
    with pytest.raises(CheckpointError, match=message):
        parse_header(entries(**changes), "file")


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)
LOSS = st.fixed_dictionaries({}, optional=dict.fromkeys(("variable_rate", "lmbda", "lmbda_min", "lmbda_max"), JSON))
METADATA = JSON | st.fixed_dictionaries({"settings": JSON | st.fixed_dictionaries({"loss": JSON | LOSS})})
RATES = JSON | st.fixed_dictionaries({}, optional=dict.fromkeys(("low", "high", "lmbda"), JSON))


@pytest.mark.slow
@reader_fuzz(100)
@given(
    st.dictionaries(st.sampled_from(["format", "variant", "metadata", "rates", "model_id"]), st.text(max_size=20)),
    METADATA.map(json.dumps) | st.none(),
    RATES.map(json.dumps) | st.none(),
    st.sampled_from(["hpcm-nano", "hpcm-base"]),
)
def test_any_header_is_read_or_refused_in_words(
    found: dict[str, str], metadata: str | None, rates: str | None, variant: str
) -> None:
    given_entries = {**entries(variant=variant), **found}
    given_entries |= {key: text for key, text in (("metadata", metadata), ("rates", rates)) if text is not None}
    try:
        header = parse_header(given_entries, "file")
    except CheckpointError:
        return
    assert header.rates.lmbda_at() is None or header.rates.lmbda_at() > 0
