"""Settings of a training run: typed sections, presets, and where each value came from. Imports no torch."""

from hpcmbal.settings.load import load_run_settings, parse_assignments, setting_paths
from hpcmbal.settings.objective import BalancingSettings, LossSettings, ModelSettings
from hpcmbal.settings.optimisation import OptimizerSettings, ScheduleSettings, TrainingSettings
from hpcmbal.settings.presets import Preset, preset_directory, preset_names, read_preset
from hpcmbal.settings.problems import InvalidSettingsError, Problem
from hpcmbal.settings.run import RunSettings
from hpcmbal.settings.storage import DataSettings, OutputSettings, TrackingSettings

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
    "RunSettings",
    "ScheduleSettings",
    "TrackingSettings",
    "TrainingSettings",
    "load_run_settings",
    "parse_assignments",
    "preset_directory",
    "preset_names",
    "read_preset",
    "setting_paths",
]
