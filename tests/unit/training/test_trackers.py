"""The log of a training goes into its own folder and nowhere else."""

from __future__ import annotations

import json
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from reader_fuzz import reader_fuzz

from hpcmbal.errors import DataError
from hpcmbal.training.trackers import LOG_FILE, JsonlTracker, read_log


@pytest.mark.parametrize("step", [0, 5])
def test_a_planted_link_is_neither_emptied_nor_written(tmp_path: Path, step: int) -> None:
    victim = tmp_path / "victim"
    victim.write_text('{"step": 9}\n', encoding="utf-8")
    (tmp_path / LOG_FILE).symlink_to(victim)
    with pytest.raises(DataError, match=r"metrics\.jsonl is no regular file but a link"):
        JsonlTracker(tmp_path, step)
    assert victim.read_text(encoding="utf-8") == '{"step": 9}\n'


FOREIGN = [
    "notes",
    "5",
    "[]",
    '{"x": 1}',
    '{"step": "1"}',
    '{"step": 1, "train/j": "x"}',
    '{"step": 1, "a": 1%s}' % (400 * "0"),
]


@pytest.mark.parametrize("text", [*FOREIGN, "[" * 100_000])
@pytest.mark.parametrize("step", [0, 5])
def test_what_is_no_log_is_neither_emptied_nor_continued(tmp_path: Path, text: str, step: int) -> None:
    (tmp_path / LOG_FILE).write_text(text, encoding="utf-8")
    with pytest.raises(DataError, match=r"line 1: (not|an object) .*it is no log of a training"):
        JsonlTracker(tmp_path, step)
    assert (tmp_path / LOG_FILE).read_text(encoding="utf-8") == text


@pytest.mark.parametrize("cut", range(1, 20))
def test_a_line_that_a_kill_cut_is_left_out(tmp_path: Path, cut: int) -> None:
    line = json.dumps({"step": 1, "train/j": 2.5})
    (tmp_path / LOG_FILE).write_text(f"{line}\n{line[:cut]}", encoding="utf-8")
    assert read_log(tmp_path / LOG_FILE) == [{"step": 1, "train/j": 2.5}]


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda x: st.lists(x, max_size=3) | st.dictionaries(st.text(max_size=5), x, max_size=3),
    max_leaves=6,
)


@reader_fuzz(60)
@given(lines=st.lists(JSON | st.fixed_dictionaries({"step": JSON}), max_size=3))
def test_any_lines_are_a_log_or_one_clear_error(tmp_path: Path, lines: list[object]) -> None:
    (tmp_path / LOG_FILE).write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")
    with suppress(DataError):
        assert all(isinstance(record["step"], int) for record in read_log(tmp_path / LOG_FILE))
