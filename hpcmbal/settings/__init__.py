"""Settings of a training run: typed sections, presets, and where each value came from. Imports no torch."""

from hpcmbal.settings.load import (
    ResolvedSettings,
    load_train_settings,
    parse_assignments,
    resolve_train_settings,
    setting_paths,
)
from hpcmbal.settings.objective import BalancingSettings, LossSettings, ModelSettings
from hpcmbal.settings.optimisation import OptimizerSettings, ScheduleSettings, TrainingSettings
from hpcmbal.settings.presets import Preset, preset_directory, preset_names, read_preset
from hpcmbal.settings.problems import InvalidSettingsError, Problem, Source
from hpcmbal.settings.storage import DataSettings, OutputSettings, TrackingSettings
from hpcmbal.settings.train import TrainSettings

__all__ = [
    "BalancingSettings",
    "DataSettings",
    "InvalidSettingsError",
    "LossSettings",
    "ModelSettings",
    "OptimizerSettings",
    "OutputSettings",
    "Preset",
    "Problem",
    "ResolvedSettings",
    "ScheduleSettings",
    "Source",
    "TrackingSettings",
    "TrainSettings",
    "TrainingSettings",
    "load_train_settings",
    "parse_assignments",
    "preset_directory",
    "preset_names",
    "read_preset",
    "resolve_train_settings",
    "setting_paths",
]
