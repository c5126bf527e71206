"""Settings of every command: typed, checked all at once, with where each value came from. Imports no torch."""

from hpcmbal.settings.check import Condition, Contradiction, setting_paths
from hpcmbal.settings.evaluation import EvalSettings, load_eval_settings
from hpcmbal.settings.finetune import FineTuneSettings
from hpcmbal.settings.load import (
    ResolvedSettings,
    load_train_settings,
    parse_assignments,
    resolve_train_settings,
)
from hpcmbal.settings.objective import BalancingSettings, LossSettings, ModelSettings
from hpcmbal.settings.optimisation import OptimizerSettings, ScheduleSettings, TrainingSettings
from hpcmbal.settings.presets import Preset, cpu_twin, preset_directory, preset_names, read_preset
from hpcmbal.settings.problems import InvalidSettingsError, Problem, Source
from hpcmbal.settings.section import CommandSettings
from hpcmbal.settings.storage import DataSettings, OutputSettings, TrackingSettings
from hpcmbal.settings.train import TrainSettings

__all__ = [
    "BalancingSettings",
    "CommandSettings",
    "Condition",
    "Contradiction",
    "DataSettings",
    "EvalSettings",
    "FineTuneSettings",
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
    "cpu_twin",
    "load_eval_settings",
    "load_train_settings",
    "parse_assignments",
    "preset_directory",
    "preset_names",
    "read_preset",
    "resolve_train_settings",
    "setting_paths",
]
