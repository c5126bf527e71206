"""Which images make up which batch: a pure function of the step, so that there is no sampler state to save."""

from __future__ import annotations

import functools
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from hpcmbal.errors import DataError, SettingsError

# Keeps the permutations' random numbers apart from those of the crops, which are seeded by [seed, epoch, index].
_PERMUTATION_STREAM = 0x5045524D


@dataclass(frozen=True)
class BatchPlan:
    """The endless sequence of batches over a data set.

    The images of epoch 0, 1, 2, ... follow each other without a gap, each epoch in its own permutation, and step `t`
    takes positions `t * batch_size` to `(t + 1) * batch_size` of that sequence:

        permutation of (seed, 0)          permutation of (seed, 1)
        3 0 4 1 2                         1 4 2 0 3                    ...
        [step 0] [step 1] [step    2 ] [step 3] [step 4]

    No image is left out, a batch may span two epochs, and a data set smaller than the batch needs no special case.
    Under data parallelism every rank takes its slice of the same global batch.

    Attributes:
        dataset_size: The number of images.
        batch_size: Images per step, of all ranks together.
        seed: Chooses the permutations; not negative.
        rank: This process's number, from 0.
        world_size: The number of processes that share a batch.

    Raises:
        DataError: The data set has no images.
        SettingsError: The batch cannot be shared equally, or a number is out of its range.
    """

    dataset_size: int
    batch_size: int
    seed: int = 0
    rank: int = 0
    world_size: int = 1

    def __post_init__(self) -> None:
        if self.dataset_size < 1:
            raise DataError(f"A data set needs at least 1 image, found {self.dataset_size}.")
        if self.seed < 0:
            raise SettingsError(f"The seed must not be negative, found {self.seed}.")
        if not 0 <= self.rank < self.world_size:
            raise SettingsError(f"The rank must be from 0 to {self.world_size - 1}, found {self.rank}.")
        if self.batch_size < 1 or self.batch_size % self.world_size:
            raise SettingsError(
                f"A batch of {self.batch_size} cannot be shared equally by {self.world_size} process(es). "
                f"Choose a positive multiple of {self.world_size}."
            )

    def positions_at(self, step: int) -> range:
        """This rank's positions in the endless sequence at `step`: unique over the run, and so fit to seed noise."""
        share = self.batch_size // self.world_size
        start = step * self.batch_size + self.rank * share
        return range(start, start + share)

    def batch_at(self, step: int) -> list[tuple[int, int]]:
        """This rank's samples at `step` (from 0), each an epoch and the index of an image."""
        samples = []
        for position in self.positions_at(step):
            epoch, place = divmod(position, self.dataset_size)
            samples.append((epoch, int(_permutation(self.seed, epoch, self.dataset_size)[place])))
        return samples

    def epoch_at(self, step: int) -> int:
        """The epoch to which the first sample of the global batch at `step` belongs."""
        return step * self.batch_size // self.dataset_size


@functools.lru_cache(maxsize=4)
def _permutation(seed: int, epoch: int, size: int) -> npt.NDArray[np.int64]:
    sequence = np.random.SeedSequence([seed, epoch, _PERMUTATION_STREAM, size])
    # Sorting random numbers, because numpy does not promise that its `permutation` stays as it is between versions.
    draws = np.random.Philox(sequence).random_raw(size)
    return np.argsort(draws, kind="stable")
