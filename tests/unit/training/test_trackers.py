"""The log of a training goes into its own folder and nowhere else."""

from __future__ import annotations

from pathlib import Path

import pytest

from hpcmbal.errors import DataError
from hpcmbal.training.trackers import LOG_FILE, JsonlTracker


@pytest.mark.parametrize("step", [0, 5])
def test_a_planted_link_is_neither_emptied_nor_written(tmp_path: Path, step: int) -> None:
    victim = tmp_path / "victim"
    victim.write_text('{"step": 9}\n', encoding="utf-8")
    (tmp_path / LOG_FILE).symlink_to(victim)
    with pytest.raises(DataError, match=r"metrics\.jsonl is no regular file but a link"):
        JsonlTracker(tmp_path, step)
    assert victim.read_text(encoding="utf-8") == '{"step": 9}\n'
