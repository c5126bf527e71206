"""Batches of crops for training, and whole images for validation."""

from __future__ import annotations

import signal
from dataclasses import dataclass, replace
from itertools import count
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, get_worker_info

from hpcmbal.data.bad_files import BadFile, BadFileTally, allowed_bad_files
from hpcmbal.data.image_cache import CachedImages
from hpcmbal.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from hpcmbal.data.augmentation import Augmentation
    from hpcmbal.data.drawn import DrawnPictures
    from hpcmbal.data.image_source import ImageSource
    from hpcmbal.data.sampler import BatchPlan
    from hpcmbal.images.rgb_image import RgbImage


@dataclass(frozen=True)
class Batch:
    """One rank's part of one step.

    Attributes:
        images: `[B, 3, height, width]` float32 in [0, 1], contiguous.
        indices: `[B]` int64, the planned image of each sample (of a skipped file: its own index, not the substitute's).
        epoch: The epoch to which the first sample of the global batch belongs.
        step: The step, from 0.
        sample_ids: B integers, unique over the run and the same at any world size; seeds for per-sample noise.
        bad_files: Unreadable files that this run met here for the first time, to be reported.
        bad_file_count: Distinct unreadable files that this run has met so far.
    """

    images: Tensor
    indices: Tensor
    epoch: int
    step: int
    sample_ids: list[int]
    bad_files: tuple[BadFile, ...] = ()
    bad_file_count: int = 0

    def pin_memory(self) -> Batch:
        """The same batch in page-locked memory, from which copies to a CUDA device can overlap with work."""
        return replace(self, images=self.images.pin_memory(), indices=self.indices.pin_memory())


@dataclass(frozen=True)
class ValidationImage:
    """One whole image.

    Attributes:
        name: Its path or name.
        index: Its index in the source.
        image: `[1, 3, height, width]` float32 in [0, 1]; sizes differ from image to image.
    """

    name: str
    index: int
    image: Tensor


class StepBatches(Dataset[Batch]):
    """The batch of every step, as a pure function of the step.

    An unreadable image is replaced by the next readable one in the source's order, cropped with the randomness of the
    sample that it stands in for: batches keep their size, and a resumed run sees the same substitute.

    Args:
        source: The images.
        plan: Which image is which sample.
        augmentation: What is done to it.
        drawn: Draws some of the crops instead; every crop is of an image if None.
    """

    def __init__(
        self, source: ImageSource, plan: BatchPlan, augmentation: Augmentation, drawn: DrawnPictures | None = None
    ) -> None:
        self.source = source
        self.plan = plan
        self.augmentation = augmentation
        self.drawn = drawn

    def __getitem__(self, step: int) -> Batch:
        """The batch of `step`, with every unreadable file that was met in making it."""
        samples = self.plan.batch_at(step)
        bad_files: dict[int, BadFile] = {}
        crops = [self._crop(epoch, index, bad_files) for epoch, index in samples]
        return Batch(
            images=_as_tensor(np.stack(crops)),
            indices=torch.tensor([index for _, index in samples], dtype=torch.int64),
            epoch=self.plan.epoch_at(step),
            step=step,
            sample_ids=list(self.plan.positions_at(step)),
            bad_files=tuple(bad_files.values()),
        )

    def _crop(self, epoch: int, index: int, bad_files: dict[int, BadFile]) -> RgbImage:
        if self.drawn is not None and self.drawn.replaces(epoch, index):
            return self.drawn.draw(epoch, index)
        size = len(self.source)
        # One more bad file than is allowed makes the tally stop the run, in the main process, where an error keeps its
        # type and its one-line message. Until then a blank crop takes the place that nobody will look at.
        for candidate in range(index, index + allowed_bad_files(size) + 1):
            try:
                return self.augmentation(self.source.read(candidate % size), epoch, index)
            except DataError as error:
                bad_files[candidate % size] = BadFile(candidate % size, str(error))
        return np.zeros((self.augmentation.patch_size, self.augmentation.patch_size, 3), dtype=np.uint8)


def training_batches(
    source: ImageSource,
    plan: BatchPlan,
    augmentation: Augmentation,
    *,
    drawn: DrawnPictures | None = None,
    start_step: int = 0,
    end_step: int | None = None,
    num_workers: int = 0,
    pin_memory: bool = False,
) -> Iterator[Batch]:
    """The batches of steps `start_step`, `start_step + 1`, ..., the same at any number of workers.

    Close the iterator (or exhaust it) to end its worker processes. No global random state is read or changed.

    Args:
        source: The images.
        plan: Which image is which sample.
        augmentation: What is done to it.
        drawn: Draws some of the crops instead.
        start_step: The first step; a resumed run passes the number of steps done.
        end_step: The step before which to stop; endless if None.
        num_workers: Processes that prepare batches ahead; 0 prepares them here, when they are asked for.
        pin_memory: Whether batches are put into page-locked memory; for CUDA devices.

    Yields:
        Batches whose `bad_files` holds only files that this iterator had not met before.

    Raises:
        DataError: More than 1 % of the source's files are unreadable.
    """
    batches = StepBatches(source, plan, augmentation, drawn)
    steps = count(start_step) if end_step is None else range(start_step, end_step)
    tally = BadFileTally(len(source))
    made = (
        _in_workers(batches, steps, num_workers, pin_memory=pin_memory)
        if num_workers
        else map(batches.__getitem__, steps)
    )
    for batch in made:
        new = tally.add(batch.bad_files)
        counted = replace(batch, bad_files=new, bad_file_count=len(tally))
        yield counted.pin_memory() if pin_memory and not num_workers else counted


def validation_images(source: ImageSource) -> Iterator[ValidationImage]:
    """Every image of `source`, whole and unchanged, in its order.

    Raises:
        DataError: An image cannot be read. Nothing is skipped here: a mean over other images is another number.
    """
    for index in range(len(source)):
        yield ValidationImage(source.name(index), index, _as_tensor(source.read(index)[None]))


def _in_workers(batches: StepBatches, steps: Iterable[int], num_workers: int, *, pin_memory: bool) -> Iterator[Batch]:
    loader = DataLoader(
        batches,
        batch_size=None,
        sampler=steps,
        num_workers=num_workers,
        collate_fn=_unchanged,
        pin_memory=pin_memory,
        worker_init_fn=_start_worker,
        # Without one of its own, the loader draws from the global generator, and a run with workers would differ.
        generator=torch.Generator(),
    )
    return iter(loader)


def _unchanged(batch: Any) -> Any:
    return batch


def _start_worker(_worker_id: int) -> None:
    # Ctrl-C and a cluster's SIGTERM reach the whole process group; the trainer finishes its step and saves, and still
    # needs batches for that. It ends the workers itself, and they notice when it is gone.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    worker = get_worker_info()
    if worker is not None and isinstance(worker.dataset, StepBatches):
        source = worker.dataset.source
        if isinstance(source, CachedImages):
            source.share_budget(worker.num_workers)


def _as_tensor(images: RgbImage) -> Tensor:
    """`[B, height, width, 3]` uint8 to `[B, 3, height, width]` float32 in [0, 1]."""
    # A copy in any case: torch warns about arrays that it may not write into, and cached images are such.
    planes = np.ascontiguousarray(images.transpose(0, 3, 1, 2), dtype=np.float32)
    return torch.from_numpy(planes).div_(255.0)
