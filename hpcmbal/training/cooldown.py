"""Cool-downs: a short decay of the learning rate, branched off a checkpoint into a run of its own."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hpcmbal.errors import SettingsError
from hpcmbal.training.early_stopping import ended_early
from hpcmbal.training.run_plan import open_data, planned_steps
from hpcmbal.training.schedule import learning_rate_factor

if TYPE_CHECKING:
    from hpcmbal.settings import TrainSettings
    from hpcmbal.training.checkpoint import Checkpoint


def cooldown_settings(checkpoint: Checkpoint, steps: int) -> TrainSettings:
    """Settings of a run that goes on from `checkpoint` for `steps` steps, in which the rate falls to its end.

    The rate begins where the checkpoint's own schedule has it, be that a stable phase, a cosine or a warm-up. The
    cool-down goes to a folder beside the run's, which is left as it is and can be continued.

    Args:
        checkpoint: Where it branches off.
        steps: Length of the decay, at least 1.

    Raises:
        SettingsError: The rate has already fallen to its end there, or early stopping ended the run.
        DataError: The images, whose number may decide the length of the source, are missing.
    """
    if (ended := ended_early(checkpoint)) is not None:
        raise SettingsError(f"There is nothing to cool down: {ended}.")
    source = checkpoint.settings
    length = planned_steps(source, len(open_data(source.data)[0]))
    factor = learning_rate_factor(source.schedule, checkpoint.step, length)
    if factor <= source.schedule.final_factor:
        raise SettingsError(
            f"{checkpoint.folder} is cooled down already: its learning rate is {factor:g} of the peak, and would fall "
            f"to {source.schedule.final_factor:g}. Take an earlier checkpoint in {checkpoint.folder.parent}."
        )
    schedule = {"name": "wsd", "warmup_steps": 0, "decay_start": checkpoint.step, "decay_from": factor}
    training = {"max_steps": checkpoint.step + steps, "epochs": None, "max_hours": None}
    run = checkpoint.run if checkpoint.run.name else checkpoint.run.resolve()  # it may be "."
    output = {
        "checkpoint": checkpoint.folder,
        "save_path": run.with_name(f"{run.name}-cooldown-{checkpoint.step}"),
        "log_dir": None,
    }
    return source.model_copy(
        update={
            "schedule": source.schedule.model_copy(update=schedule),
            "training": source.training.model_copy(update=training),
            "output": source.output.model_copy(update=output),
        }
    )
