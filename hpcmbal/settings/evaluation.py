"""`EvalSettings`: everything that determines an evaluation, and where its values come from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, ClassVar

from pydantic import AfterValidator, BeforeValidator, Field

from hpcmbal.errors import setting
from hpcmbal.settings import choices
from hpcmbal.settings.check import Condition, Contradiction, build
from hpcmbal.settings.engine import EngineSettings
from hpcmbal.settings.layers import merge, option_layer, set_layer
from hpcmbal.settings.load import parse_assignments
from hpcmbal.settings.presets import read_preset
from hpcmbal.settings.problems import suggestion
from hpcmbal.settings.section import Device, FloatTuple, Names, Paths, expanded, one_of

PRESETS = "evaluations"
"""Folder of the presets of evaluations, below that of the presets."""


def _texts(value: object) -> object:
    """One is a list of one; twice the same counts once; a path is as good as its text."""
    values = (value,) if isinstance(value, str | Path) else value
    if isinstance(values, list | tuple) and all(isinstance(part, str | Path) for part in values):
        return tuple(dict.fromkeys(map(str, values)))
    return values


def _once(values: tuple[float, ...]) -> tuple[float, ...]:
    """Twice the same point counts once."""
    return tuple(dict.fromkeys(values))


Texts = Annotated[tuple[str, ...], BeforeValidator(_texts)]

_CODING = Condition("data")
_LOCAL = Condition("engine", ("local",))


class EvalSettings(EngineSettings):
    """All settings of `hpcmbal eval` and of `hpcmbal.evaluate`."""

    model: Texts = Field((), description=f"{choices.MODEL_HELP}; NAME=MODEL to name its curve; may be repeated.")
    data: Paths = Field((), description="Folder of test images; may be repeated, each is an image set of its own.")
    anchor: Names = Field((), description=f"Codecs to compare with, separated by commas: {', '.join(choices.ANCHORS)}.")
    published: str | None = Field(
        None, min_length=1, description="Published points on an image set: kodak, clic2020-valid or tecnick."
    )
    quality: Annotated[FloatTuple, AfterValidator(_once)] = Field(
        (), description="Points of variable-rate models, 1 to 100."
    )
    estimate: bool = Field(False, description="Rates from likelihoods; without it real files are written and read.")
    metrics: Names = Field(
        (), description=f"Metrics beside PSNR and MS-SSIM, separated by commas: {', '.join(choices.EXTRA_METRICS)}."
    )
    weights_dir: Path | None = Field(
        None, description="Weights for lpips and dists, in a folder laid out as torch.hub's."
    )
    bd_anchor: str | None = Field(
        None, min_length=1, description="Curve to compare with; by default the first that is not a model's."
    )
    interpolation: Annotated[str, one_of(choices.INTERPOLATIONS)] = Field(
        "pchip", description="Interpolation of BD-rates: pchip, akima or cubic."
    )
    bootstrap: int = Field(1000, ge=0, description="Resamples of the interval; 0: none.")
    limit: int | None = Field(None, ge=1, description="Only the first N images of each folder.")
    viewer: int = Field(3, ge=0, description="Images in the report's comparison viewer.")
    tables: Names = Field((), description="Tables of BD-rates and costs, to publish: latex, markdown, csv.")
    memory: bool = Field(False, description="Measure peak memory too, in a process of its own for each codec.")
    workers: int = Field(0, ge=0, description="Processes that code; 0: all CPUs.")
    device: Device = Field("cpu", description="Where models run: auto, cpu, cuda, cuda:N.")
    compare: Paths = Field((), description="Stored results (.json) to compare; nothing is coded.")
    output: Path | None = Field(None, description="Folder for the results; eval, with stored results eval-compare.")
    force: bool = Field(False, description="Write into a folder that holds other things than an evaluation.")

    takes_effect_if: ClassVar[Mapping[str, tuple[Condition, ...]]] = {
        **EngineSettings.takes_effect_if,
        "quality": (Condition("model"),),
        "estimate": (Condition("model"),),
        "metrics": (_CODING,),
        "limit": (_CODING,),
        "viewer": (_CODING,),
        "memory": (_CODING,),
        "workers": (_CODING, _LOCAL),
        "device": (Condition("model"),),
        "engine": (_CODING,),
    }

    @property
    def folder(self) -> Path:
        """Where the results go."""
        return self.output or Path("eval-compare" if self.compare else "eval")

    def contradictions(self) -> list[Contradiction]:
        """What is asked for must be possible together."""
        found = super().contradictions()
        coding = ("model", "data", "anchor")
        if self.compare:
            given = [name for name in coding if getattr(self, name)]
            rule = "uses stored results alone; leave out " + ", ".join(map(setting, given))
            found += [Contradiction("compare", rule, coding)] if given else []
        elif not self.data or not (self.model or self.anchor):
            rule = (
                f"is missing: give {setting('data')} with {setting('model')} or {setting('anchor')}, or "
                f"{setting('compare')} with results files"
            )
            missing = "anchor" if self.data else "data"
            found.append(Contradiction(missing, rule, (*coding, "compare")))
        outside = [quality for quality in self.quality if not choices.QUALITY_MIN <= quality <= choices.QUALITY_MAX]
        if outside:
            found.append(Contradiction("quality", f"must be from 1 to 100; found {outside[0]:g}"))
        unknown = [name for name in self.metrics if name not in choices.EXTRA_METRICS]
        if unknown:
            rule = f"'{unknown[0]}' is none{suggestion(unknown[0], choices.EXTRA_METRICS)}; choose from "
            found.append(Contradiction("metrics", rule + ", ".join(choices.EXTRA_METRICS)))
        formats = [name for name in self.tables if name not in choices.TABLES]
        if formats:
            found.append(Contradiction("tables", f"'{formats[0]}' is none; choose from {', '.join(choices.TABLES)}"))
        if self.weights_dir is not None and not {"lpips", "dists"} & set(self.metrics):
            rule = f"is for the metrics lpips and dists; add {setting('metrics', 'lpips')}, or leave it out"
            found.append(Contradiction("weights_dir", rule, ("metrics",)))
        return [*found, *self._places()]

    def _places(self) -> list[Contradiction]:
        folder = expanded(self.folder).resolve()
        for data in self.data:
            if folder.is_relative_to(expanded(data).resolve()):
                rule = (
                    f"lies in the test images' folder {data}, whose next evaluation would count its figures as images"
                )
                return [Contradiction("output", f"{self.folder} {rule}; choose a folder outside", ("data",))]
        for path in self.compare:
            if expanded(path).resolve().parent == folder:
                rule = f"{self.folder} holds {path.name}, which is compared; choose another folder"
                return [Contradiction("output", rule, ("compare",))]
        return []


def load_eval_settings(
    preset: str | None = None,
    assignments: Sequence[str] = (),
    options: Mapping[str, object] | None = None,
) -> EvalSettings:
    """The settings of an evaluation; each source beats those before it.

    Args:
        preset: Name of one of `presets/evaluations`, or path of a `.yaml` file.
        assignments: As typed after `--set`: `field=value`; `null` clears a setting.
        options: Values by setting, as options gave them; None and () mean not given.

    Raises:
        SettingsError: Something is wrong; the message lists every problem.
    """
    layer = {} if preset is None else read_preset(preset, PRESETS).layer
    overrides = parse_assignments(assignments, sections=False)
    given = {path: value for path, value in (options or {}).items() if value not in (None, (), False)}
    layer = merge(merge(layer, set_layer(overrides, typed=True)), option_layer(given))
    return build(EvalSettings, {path: entry for path, entry in layer.items() if entry.value is not None})
