"""What the settings of a run come to: where it goes on from, on which images and crops, for how many steps."""

from __future__ import annotations

from hpcmbal.data import Augmentation, CachedImages, DrawnPictures, open_images
from hpcmbal.errors import CheckpointError, SettingsError, setting
from hpcmbal.settings import DataSettings, TrainSettings
from hpcmbal.settings.resume import check_resumable
from hpcmbal.training.checkpoint import Checkpoint, open_checkpoint


def checkpoint_to_resume(settings: TrainSettings) -> Checkpoint | None:
    """The checkpoint that a run continues from, or None if it starts anew.

    Raises:
        CheckpointError: There is none where the settings say, or it is of another variant.
        SettingsError: The settings change what a resumed run cannot change.
    """
    if settings.output.checkpoint is None:
        return None
    checkpoint = open_checkpoint(settings.output.checkpoint)
    saved, wanted = checkpoint.settings.model.name, settings.model.name
    if saved != wanted:
        use = setting("model.name", saved)
        raise CheckpointError(f"{checkpoint.folder} holds {saved}, not {wanted}. Use {use}.")
    check_resumable(checkpoint.settings, settings)
    return checkpoint


def with_begun_decay(settings: TrainSettings, checkpoint: Checkpoint) -> TrainSettings:
    """`settings` with the decay that a time limit had begun before `checkpoint`, unless they state one themselves.

    A preset given anew does not know of it, and the rate would jump up again.
    """
    saved, step = checkpoint.settings, checkpoint.step
    begun = saved.training.max_hours is not None and (saved.schedule.decay_start or step) < step
    if settings.schedule.name != "wsd" or settings.schedule.decay_start is not None or not begun:
        return settings
    schedule = settings.schedule.model_copy(
        update={"decay_start": saved.schedule.decay_start, "decay_from": saved.schedule.decay_from}
    )
    training = settings.training.model_copy(update={"max_steps": saved.training.max_steps, "epochs": None})
    return settings.model_copy(update={"schedule": schedule, "training": training})


def open_data(settings: DataSettings) -> tuple[CachedImages, CachedImages]:
    """Training and validation images.

    Raises:
        DataError: A folder is missing or has no images.
    """
    limit, cache = settings.pixel_limit, settings.cache_mebibytes
    train = open_images(settings.train, "train", pixel_limit=limit, cache_mebibytes=cache)
    return train, open_images(settings.val, "held-back", pixel_limit=limit, cache_mebibytes=cache)


def total_steps(settings: TrainSettings, images: int) -> int:
    """Optimiser steps of a run over `images` training images.

    Raises:
        SettingsError: Only `training.max_hours` ends it.
    """
    steps = planned_steps(settings, images)
    if steps is None:
        steps_or_epochs = f"{setting('training.max_steps')} or {setting('training.epochs')}"
        raise SettingsError(
            f"The number of steps is not known: give {steps_or_epochs} beside {setting('training.max_hours')}."
        )
    return steps


def planned_steps(settings: TrainSettings, images: int) -> int | None:
    """Optimiser steps of a run over `images` training images; None if only `training.max_hours` ends it."""
    training = settings.training
    lengths = [] if training.max_steps is None else [training.max_steps]
    if training.epochs is not None:
        per_step = settings.data.batch_size * training.accumulate
        lengths.append(-(-training.epochs * images // per_step))
    return min(lengths, default=None)


def augmentation(settings: TrainSettings) -> Augmentation:
    """The crops that the settings ask for."""
    data = settings.data
    return Augmentation(data.patch_size, settings.training.seed, data.flips, data.min_downscale)


def drawn_pictures(settings: TrainSettings) -> DrawnPictures | None:
    """What draws a part of the crops, if the settings ask for it."""
    data = settings.data
    if not data.drawn_fraction:
        return None
    return DrawnPictures(data.patch_size, data.drawn_fraction, settings.training.seed)
