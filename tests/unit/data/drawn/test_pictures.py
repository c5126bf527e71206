"""Drawn crops: functions of seed, epoch and index, as many as asked for, of every kind."""

from __future__ import annotations

import random as global_random
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from hpcmbal.data import Augmentation, Batch, BatchPlan, DrawnPictures, open_images, training_batches
from hpcmbal.data.drawn import fonts
from hpcmbal.data.drawn.pictures import KINDS
from hpcmbal.errors import DataError, SettingsError


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("size", [64, 128, 272])
def test_a_crop_of_every_kind_is_a_function_of_its_place(kind: str, size: int) -> None:
    one, other = DrawnPictures(size, 1.0, seed=5), DrawnPictures(size, 1.0, seed=5)
    for index in range(12):
        crop = one.draw(2, index, kind)
        assert crop.shape == (size, size, 3)
        assert crop.dtype == np.uint8
        assert np.array_equal(crop, other.draw(2, index, kind))
    assert not np.array_equal(one.draw(2, 0, kind), one.draw(3, 0, kind))
    assert not np.array_equal(one.draw(2, 0, kind), DrawnPictures(size, 1.0, seed=6).draw(2, 0, kind))


def test_crops_differ_and_show_something() -> None:
    drawn = DrawnPictures(128, 1.0)
    crops = [drawn.draw(0, index) for index in range(150)]
    assert len({crop.tobytes() for crop in crops}) == 150
    assert sum(bool(crop.std() < 1) for crop in crops) <= 15


@pytest.mark.parametrize("fraction", [0.0, 0.1, 0.7, 1.0])
def test_the_fraction_is_respected(fraction: float) -> None:
    drawn = DrawnPictures(64, fraction, seed=1)
    count = sum(drawn.replaces(epoch, index) for epoch in range(20) for index in range(200))
    assert count / 4000 == pytest.approx(fraction, abs=0.02)


def test_a_larger_fraction_draws_the_same_samples_and_more() -> None:
    small, large = DrawnPictures(64, 0.2), DrawnPictures(64, 0.6)
    assert all(large.replaces(0, index) for index in range(300) if small.replaces(0, index))


def test_every_font_sets_letters() -> None:
    opened = fonts.Fonts()
    for family in fonts.FAMILIES.values():
        for name in family:
            assert opened.get(name, 12).getmask("Rate 0.5").getbbox() is not None, name


def batches(source_folder: Path, drawn: DrawnPictures | None, workers: int = 0, start: int = 0) -> list[Batch]:
    source = open_images(source_folder, "train")
    plan = BatchPlan(len(source), 4, seed=3)
    return list(
        training_batches(
            source, plan, Augmentation(32, seed=3), drawn=drawn, start_step=start, end_step=12, num_workers=workers
        )
    )


def test_drawn_crops_take_the_places_of_some_and_leave_the_others_alone(make_folder: Callable[..., Path]) -> None:
    folder, drawn = make_folder(7), DrawnPictures(32, 0.4, seed=3)
    mixed, plain = batches(folder, drawn), batches(folder, None)
    plan = BatchPlan(7, 4, seed=3)
    for step, (one, other) in enumerate(zip(mixed, plain, strict=True)):
        for place, (epoch, index) in enumerate(plan.batch_at(step)):
            if drawn.replaces(epoch, index):
                crop = torch.from_numpy(drawn.draw(epoch, index).copy()).permute(2, 0, 1).float() / 255
                assert torch.equal(one.images[place], crop)
            else:
                assert torch.equal(one.images[place], other.images[place])


def test_workers_and_resuming_change_nothing(make_folder: Callable[..., Path]) -> None:
    folder, drawn = make_folder(7), DrawnPictures(32, 0.5, seed=3)
    whole = batches(folder, drawn)
    for again in (batches(folder, drawn, workers=2), batches(folder, DrawnPictures(32, 0.5, seed=3), start=5)):
        pairs = zip(whole[-len(again) :], again, strict=True)
        assert all(torch.equal(one.images, other.images) for one, other in pairs)


def test_global_random_state_is_left_alone() -> None:
    python, numpy_state = global_random.getstate(), np.random.get_state()[1].copy()  # noqa: NPY002 (the global one)
    drawn = DrawnPictures(64, 1.0)
    for kind in KINDS:
        drawn.draw(0, 0, kind)
    assert global_random.getstate() == python
    assert np.array_equal(np.random.get_state()[1], numpy_state)  # noqa: NPY002


def test_what_is_out_of_range_is_told() -> None:
    with pytest.raises(SettingsError, match=r"fraction from 0 to 1 \(found 1.5\)"):
        DrawnPictures(64, 1.5)


def test_missing_fonts_are_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fonts, "find_spec", lambda _name: None)
    with pytest.raises(DataError, match=r"matplotlib's wheel, which lacks DejaVuSans.*data.drawn_fraction at 0"):
        DrawnPictures(64, 0.1)
