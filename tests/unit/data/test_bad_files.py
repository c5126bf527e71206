"""How many unreadable files a run endures."""

from __future__ import annotations

import pytest

from hpcmbal.data.bad_files import BadFile, BadFileTally
from hpcmbal.errors import DataError


def bad(*indices: int) -> list[BadFile]:
    return [BadFile(index, f"{index}.png: broken.") for index in indices]


@pytest.mark.parametrize("size", [100, 199, 250, 1000, 2900, 10_000])
def test_one_percent_is_endured_and_one_more_is_not(size: int) -> None:
    tally = BadFileTally(size)
    assert len(tally.add(bad(*range(size // 100)))) == size // 100
    with pytest.raises(DataError, match=rf"found {size // 100 + 1} among {size}, allowed are {size // 100} \(1 %"):
        tally.add(bad(size - 1))


@pytest.mark.parametrize("size", [1, 10, 99])
def test_below_a_hundred_files_the_first_is_too_many(size: int) -> None:
    with pytest.raises(DataError, match=rf"found 1 among {size}, allowed are 0 .*0\.png: broken"):
        BadFileTally(size).add(bad(0))


def test_a_file_counts_and_is_reported_once() -> None:
    tally = BadFileTally(300)
    assert [file.index for file in tally.add(bad(7, 7, 8))] == [7, 8]
    assert [file.index for file in tally.add(bad(8, 9, 7))] == [9]
    assert tally.add(bad(7, 8, 9)) == ()
    assert len(tally) == 3


def test_the_error_names_some_and_counts_the_rest() -> None:
    with pytest.raises(DataError, match=r"3\.png: broken\. 4\.png: broken\. 5\.png: broken\. and 2 more\."):
        BadFileTally(50).add(bad(3, 4, 5, 6, 7))
