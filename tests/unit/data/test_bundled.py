"""Training without a data set."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from hpcmbal.data import bundled
from hpcmbal.data.bundled import BUNDLED_PHOTOGRAPHS, BundledPhotographs
from hpcmbal.data.datasets import open_images
from hpcmbal.errors import DataError

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize("split", ["train", "held-back"])
def test_every_photograph_is_there_and_large_enough_for_a_crop(split: bundled.Split) -> None:
    photographs = BundledPhotographs(split)
    assert len(photographs) == len(BUNDLED_PHOTOGRAPHS[split])
    for index in range(len(photographs)):
        image = photographs.read(index)
        assert min(image.shape[:2]) >= 256
        assert image.std() > 10, photographs.name(index)


def test_nothing_held_back_is_trained_on() -> None:
    assert not set(BUNDLED_PHOTOGRAPHS["train"]) & set(BUNDLED_PHOTOGRAPHS["held-back"])


def test_photographs_have_their_names() -> None:
    assert BundledPhotographs("held-back").name(0) == "chelsea"


def test_a_wheel_without_them_is_reported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bundled, "_photograph_folder", lambda: tmp_path)
    with pytest.raises(DataError, match=r"lacks chelsea\.png in .*Install it from its wheel"):
        BundledPhotographs("held-back")


def test_a_missing_scikit_image_is_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bundled, "find_spec", lambda _name: None)
    with pytest.raises(DataError, match=r"not installed.*pip install scikit-image"):
        BundledPhotographs("train")


def test_they_stand_in_where_no_folder_is_named(tmp_path: Path) -> None:
    assert open_images(None, "held-back").name(0) == "chelsea"
    with pytest.raises(DataError, match="no images found"):
        open_images(tmp_path, "held-back")
    with pytest.raises(DataError, match="no images found"):
        open_images([tmp_path], "train")
