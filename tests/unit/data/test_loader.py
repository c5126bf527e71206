"""Batches are a pure function of the step: whatever the workers, the interruptions, the ranks, or the bad files."""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING

import pytest
import torch

from hpcmbal.data.augmentation import Augmentation
from hpcmbal.data.datasets import open_images
from hpcmbal.data.loader import Batch, StepBatches, training_batches, validation_images
from hpcmbal.data.sampler import BatchPlan
from hpcmbal.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

AUGMENTATION = Augmentation(16, seed=4, min_downscale=0.5)


def batches_of(folder: Path, *, batch_size: int = 4, cache: float = 8, **options: int) -> list[Batch]:
    source = open_images(folder, "train", cache_mebibytes=cache)
    return list(training_batches(source, BatchPlan(len(source), batch_size, seed=4), AUGMENTATION, **options))


def assert_same(first: list[Batch], second: list[Batch]) -> None:
    assert [batch.step for batch in first] == [batch.step for batch in second]
    for one, other in zip(first, second, strict=True):
        assert torch.equal(one.images, other.images)
        assert torch.equal(one.indices, other.indices)
        assert one.sample_ids == other.sample_ids
        assert one.epoch == other.epoch


def test_a_batch_is_what_it_says(make_folder: Callable[..., Path]) -> None:
    source = open_images(make_folder(5), "train")
    plan = BatchPlan(5, 4, seed=4)
    batch = next(training_batches(source, plan, AUGMENTATION, start_step=3))
    assert batch.images.shape == (4, 3, 16, 16)
    assert batch.images.dtype == torch.float32
    assert batch.images.is_contiguous()
    assert batch.indices.dtype == torch.int64
    assert batch.indices.tolist() == [index for _, index in plan.batch_at(3)]
    assert (batch.step, batch.epoch, batch.sample_ids) == (3, 2, [12, 13, 14, 15])
    for image, (epoch, index) in zip(batch.images, plan.batch_at(3), strict=True):
        crop = torch.from_numpy(AUGMENTATION(source.read(index), epoch, index).copy())
        assert torch.equal(image, crop.permute(2, 0, 1).float() / 255)


@pytest.mark.parametrize("cache", [0, 8])
def test_workers_change_nothing(make_folder: Callable[..., Path], cache: float) -> None:
    folder = make_folder(7)
    assert_same(batches_of(folder, end_step=9), batches_of(folder, end_step=9, num_workers=2, cache=cache))


@pytest.mark.parametrize("num_workers", [0, 1])
def test_resuming_continues_exactly(make_folder: Callable[..., Path], num_workers: int) -> None:
    folder = make_folder(7)
    whole = batches_of(folder, end_step=9)
    assert_same(whole[4:], batches_of(folder, start_step=4, end_step=9, num_workers=num_workers))


@pytest.mark.parametrize("num_workers", [0, 1])
def test_global_random_state_is_left_alone(make_folder: Callable[..., Path], num_workers: int) -> None:
    folder = make_folder(3)
    before = torch.get_rng_state()
    batches_of(folder, end_step=3, num_workers=num_workers)
    assert torch.equal(torch.get_rng_state(), before)


def test_ranks_share_the_batches_of_a_single_process(make_folder: Callable[..., Path]) -> None:
    source = open_images(make_folder(7), "train")
    whole, *ranks = (
        list(training_batches(source, BatchPlan(7, 6, 4, rank, world_size), AUGMENTATION, end_step=5))
        for rank, world_size in ((0, 1), (0, 3), (1, 3), (2, 3))
    )
    for step, batch in enumerate(whole):
        parts = [rank[step] for rank in ranks]
        assert torch.equal(torch.cat([part.images for part in parts]), batch.images)
        assert [sample for part in parts for sample in part.sample_ids] == batch.sample_ids


def test_without_an_end_the_batches_go_on(make_folder: Callable[..., Path]) -> None:
    source = open_images(make_folder(1), "train")
    batches = training_batches(source, BatchPlan(1, 2), AUGMENTATION, num_workers=1)
    assert [batch.step for batch in islice(batches, 20)] == list(range(20))
    batches.close()  # type: ignore[attr-defined]


class TestBadFiles:
    """One bad file among 100 is the most that is endured."""

    @pytest.mark.parametrize("num_workers", [0, 2])
    def test_it_is_reported_once_and_replaced_by_the_next_image(
        self, make_folder: Callable[..., Path], num_workers: int
    ) -> None:
        folder = make_folder(99, bad=1)
        batches = batches_of(folder, batch_size=20, end_step=11, num_workers=num_workers)
        assert {batch.images.shape[0] for batch in batches} == {20}
        reported = [bad for batch in batches for bad in batch.bad_files]
        assert [bad.index for bad in reported] == [99]
        assert "099-bad.png: not an image" in reported[0].reason
        assert (batches[0].bad_file_count + batches[-1].bad_file_count) in (1, 2)
        source, plan = open_images(folder, "train"), BatchPlan(100, 20, seed=4)
        for batch in batches:
            for image, (epoch, index) in zip(batch.images, plan.batch_at(batch.step), strict=True):
                shown = 0 if index == 99 else index
                crop = torch.from_numpy(AUGMENTATION(source.read(shown), epoch, index).copy())
                assert torch.equal(image, crop.permute(2, 0, 1).float() / 255)

    @pytest.mark.parametrize("num_workers", [0, 2])
    def test_more_than_one_percent_stops(self, make_folder: Callable[..., Path], num_workers: int) -> None:
        folder = make_folder(98, bad=2)
        with pytest.raises(
            DataError, match=r"^Too many unreadable training files: found 2 among 100, allowed are 1 .*"
        ):
            batches_of(folder, batch_size=20, end_step=10, num_workers=num_workers)

    @pytest.mark.parametrize("num_workers", [0, 1])
    def test_a_folder_of_nothing_else_stops(self, make_folder: Callable[..., Path], num_workers: int) -> None:
        with pytest.raises(DataError, match="found 3 among 3, allowed are 0"):
            batches_of(make_folder(0, bad=3), end_step=2, num_workers=num_workers)

    def test_no_blank_crop_is_ever_yielded(self, make_folder: Callable[..., Path]) -> None:
        source = open_images(make_folder(98, bad=2), "train")
        seen: list[Batch] = []
        batches = training_batches(source, BatchPlan(100, 5, seed=4), AUGMENTATION, end_step=20)
        with pytest.raises(DataError, match="Too many unreadable"):
            collect(batches, seen)
        assert seen
        assert all(image.std() > 0 for batch in seen for image in batch.images)

    def test_a_step_lists_its_bad_files_every_time(self, make_folder: Callable[..., Path]) -> None:
        source = open_images(make_folder(1, bad=1), "train")
        batches = StepBatches(source, BatchPlan(2, 2), AUGMENTATION)
        assert batches[0].bad_files == batches[0].bad_files != ()


def collect(batches: Iterator[Batch], into: list[Batch]) -> None:
    """Keeps what came before an error."""
    for batch in batches:
        into.append(batch)  # noqa: PERF402


class TestValidation:
    def test_images_are_whole_and_in_order(self, make_folder: Callable[..., Path]) -> None:
        source = open_images(make_folder(4), "held-back")
        for index, image in enumerate(validation_images(source)):
            assert image.index == index
            assert image.name == source.name(index)
            expected = torch.from_numpy(source.read(index).copy()).permute(2, 0, 1)[None].float() / 255
            assert torch.equal(image.image, expected)
        assert index == 3

    def test_an_unreadable_image_stops(self, make_folder: Callable[..., Path]) -> None:
        images = validation_images(open_images(make_folder(1, bad=1), "held-back"))
        next(images)
        with pytest.raises(DataError, match=r"001-bad\.png: not an image"):
            next(images)
