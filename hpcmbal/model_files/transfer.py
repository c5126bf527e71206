"""Weights in and out of our model files: what `hpcmbal import-checkpoint` and `export-checkpoint` do."""

from __future__ import annotations

from pathlib import Path

from hpcmbal.model_files.find import find_model
from hpcmbal.model_files.header import ModelHeader
from hpcmbal.model_files.official import OfficialWeights, import_official
from hpcmbal.model_files.store import MODEL_FILE, export_state_dict, save_model
from hpcmbal.output_checks import check_outputs
from hpcmbal.settings.weights import ExportSettings, ImportSettings


def import_checkpoint(settings: ImportSettings) -> tuple[Path, OfficialWeights]:
    """Turn released HPCM weights into a model file. The file is read as data; code inside it is never run.

    Returns:
        The model file, and what was found.

    Raises:
        CheckpointError: The weights do not fit a variant entry by entry, or a file cannot be read or written.
        DataError: The output exists, or is the input.
    """
    output = settings.output
    target = output if output.suffix == Path(MODEL_FILE).suffix else output / MODEL_FILE
    check_outputs([target], [settings.file], force=settings.force)
    weights = import_official(settings.file, settings.model_name)
    about = {"imported_from": settings.file.name}
    save_model(target, weights.model_name, weights.state_dict, about, rates=weights.rates)
    return target, weights


def export_checkpoint(settings: ExportSettings) -> ModelHeader:
    """Write a model's weights as a PyTorch state dict, which CompressAI's eval_model and torch.load read.

    Returns:
        What the model file says about itself.

    Raises:
        CheckpointError: The model cannot be read, or the file cannot be written.
        DataError: The output exists, or is the model.
    """
    model = find_model(settings.model)
    check_outputs([settings.output], [model], force=settings.force)
    return export_state_dict(model, settings.output)
