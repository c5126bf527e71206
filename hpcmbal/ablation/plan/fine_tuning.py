"""What of an arm's fine-tuning cannot be done, found before anything is trained."""

from __future__ import annotations

from hpcmbal.ablation.plan.study import Study
from hpcmbal.errors import CheckpointError
from hpcmbal.settings import TrainSettings
from hpcmbal.settings.problems import InvalidSettingsError, Problem


def fine_tuning_problems(settings: TrainSettings, study: Study) -> list[Problem]:
    """Starts that are not there, patterns that match nothing, and early stopping that cannot stop.

    Args:
        settings: Of a run, with its validations.
        study: The run's study.
    """
    found: list[Problem] = []
    tuning = settings.finetune
    if tuning.init_from is not None:
        from hpcmbal.model_files.find import find_model  # brings torch, as below

        try:
            find_model(tuning.init_from)
        except CheckpointError as error:
            found.append(Problem("finetune.init_from", tuning.init_from, str(error)))
    if tuning.partial:
        from hpcmbal.training.trained_parts import trained_parts

        try:
            trained_parts(settings)
        except InvalidSettingsError as error:
            found += error.problems
    return found + _early_stopping_problems(settings, study)


def _early_stopping_problems(settings: TrainSettings, study: Study) -> list[Problem]:
    stopping, path = settings.finetune.early_stopping, "finetune.early_stopping"
    if stopping is None:
        return []
    if study.horizons:
        return [Problem(path, None, "would end a training before its horizons; give max_steps in their place")]
    steps = settings.training.max_steps
    if steps is None:
        return []
    validations = -(-steps // settings.output.validate_every)
    if validations >= stopping.patience:
        return []
    rule = (
        f"cannot stop anything: its patience is {stopping.patience} validations, and a run has {validations} after its "
        "start. Lower patience, or state output.validate_every under 'settings'"
    )
    return [Problem(path, None, rule)]
