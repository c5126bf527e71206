"""An evaluation from its settings to its results: what `hpcmbal eval` does, for Python programs too."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import cast

from hpcmbal.atomic_file import write_text
from hpcmbal.core.device import choose_device
from hpcmbal.engines.ray_engine import RayEngine
from hpcmbal.engines.threads import available_cpus
from hpcmbal.errors import SettingsError, setting
from hpcmbal.evaluation.codecs.image_codec import ImageCodec
from hpcmbal.evaluation.codecs.selection import build_anchor, build_models
from hpcmbal.evaluation.cost import cost_of
from hpcmbal.evaluation.curves.bd_rate import Interpolation
from hpcmbal.evaluation.curves.bd_table import BdTable, bd_table, choose_anchor
from hpcmbal.evaluation.curves.curve import Curve
from hpcmbal.evaluation.curves.curve_file import read_curves
from hpcmbal.evaluation.curves.published import published_on
from hpcmbal.evaluation.curves.same_images import LeftOut, same_images
from hpcmbal.evaluation.evaluation_images import EvaluationImages
from hpcmbal.evaluation.extra_metrics import ExtraMetrics
from hpcmbal.evaluation.image_set import image_set_note
from hpcmbal.evaluation.output import OUTPUT_FILES, SAMPLES_FILE, check_folder, keep_only, write_output
from hpcmbal.evaluation.report.tables import EXTENSIONS, bd_rate_csv, bd_rate_table, cost_table, formatted
from hpcmbal.evaluation.report.viewer import ViewerImage, viewer_images
from hpcmbal.evaluation.runner import Progress, Runner, silent
from hpcmbal.evaluation.sample_store import SampleStore
from hpcmbal.output_checks import check_no_input
from hpcmbal.settings.evaluation import EvalSettings
from hpcmbal.settings.section import expanded
from hpcmbal.visible_text import visible

_PICTURES = "pictures of the report"
BD_TABLE, COST_TABLE = "bd_rate", "cost"
"""Names of the tables' files, without extension."""


@dataclass(frozen=True)
class SetResults:
    """What came out about one image set.

    Attributes:
        folder: Where its files are.
        curves: All of them, as stored in `results.json`.
        left_out: Those among them that are about other images, and are neither drawn nor compared.
        table: BD-rates against the anchor; None if there was nothing to compare with.
        written: The files' paths, the report's last.
    """

    folder: Path
    curves: tuple[Curve, ...]
    left_out: tuple[LeftOut, ...]
    table: BdTable | None
    written: tuple[Path, ...]

    @property
    def report(self) -> Path:
        """The report's path."""
        return self.written[-1]

    @property
    def shown(self) -> list[Curve]:
        """The curves without those left out."""
        names = {item.name for item in self.left_out}
        return [curve for curve in self.curves if curve.name not in names]

    @property
    def notes(self) -> list[str]:
        """What a reader should know about the images."""
        notes = [image_set_note(curve.meta) for curve in self.shown]
        return [f"Images: {note}." for note in dict.fromkeys(notes) if note]


@dataclass(frozen=True)
class Evaluation:
    """The results of `evaluate`.

    Attributes:
        sets: One for each image set, in the order of the settings.
        tables: Files of the tables that were asked for.
    """

    sets: tuple[SetResults, ...]
    tables: tuple[Path, ...] = ()


def evaluate(settings: EvalSettings, progress: Progress | None = None) -> Evaluation:
    """Measure models and other codecs on images, or compare stored results; write files and a report.

    The same settings go on where an interrupted evaluation was.

    Args:
        settings: What to do.
        progress: Told about every sample.

    Raises:
        SettingsError: A name is unknown, a program or an extra is missing, or the folder holds other things.
        DataError: Images or results files cannot be read.
        CheckpointError: A model cannot be read.
        HpcmbalError: A codec failed; what was measured is kept.
    """
    check_folder(settings.folder, _table_files(settings.tables), force=settings.force)
    check_no_input([settings.folder / name for name in OUTPUT_FILES], settings.compare)
    if settings.compare:
        return _with_tables(settings, [_finish(settings, settings.folder, _stored_curves(settings), [])])
    extra = ExtraMetrics(settings.metrics, settings.weights_dir)  # what is missing is told before hours of coding
    device = settings.task_device if settings.engine == "ray" else str(choose_device(settings.device))
    models = build_models(settings.model, settings.quality, device=device, estimated=settings.estimate)
    codecs: list[ImageCodec] = [*models, *(build_anchor(name) for name in settings.anchor)]
    names = [codec.name for codec in codecs]
    if len(set(names)) < len(names):
        raise SettingsError(
            f"Two curves have one name: {', '.join(names)}. Name the models: {setting('model', 'NAME=MODEL')}."
        )
    image_sets = [EvaluationImages.from_folder(expanded(path).absolute(), settings.limit) for path in settings.data]
    for images in image_sets:
        extra.check_sizes(images.names, images.sizes)
    folders = _folders(settings.folder, image_sets)
    published = [_published(settings, images, names) for images in image_sets]
    with _cluster(settings) as cluster:
        measure = partial(_measure, settings, codecs, progress=progress or silent, cluster=cluster)
        found = [measure(images, folder) for images, folder in zip(image_sets, folders, strict=True)]
    return _with_tables(
        settings,
        [
            _finish(settings, folder, [*curves, *others], pictures)
            for folder, (curves, pictures), others in zip(folders, found, published, strict=True)
        ],
    )


def _folders(output: Path, image_sets: Sequence[EvaluationImages]) -> list[Path]:
    """One folder for one image set; of several, each has its own below it."""
    if len(image_sets) == 1:
        return [output]
    names = [images.name.replace("/", "-") for images in image_sets]
    if len(set(names)) < len(names):
        raise SettingsError(f"Two image sets have one name: {', '.join(names)}. Give each a folder of another name.")
    return [output / name for name in names]


def _published(settings: EvalSettings, images: EvaluationImages, names: Sequence[str]) -> list[Curve]:
    """Published points, and whether there will be the anchor that is asked for: known before anything is measured."""
    curves = published_on(settings.published) if settings.published else []
    kept, left = same_images(curves, {"image_set": images.describe()})
    wanted = settings.bd_anchor
    reasons = {item.name: item.reason for item in left}
    if wanted is not None and wanted in reasons:
        raise SettingsError(f"{setting('bd_anchor', wanted)} cannot be compared with: {reasons[wanted]}.")
    there = [*names, *(curve.name for curve in kept)]
    if wanted is not None and wanted not in there:
        raise SettingsError(f"{setting('bd_anchor', wanted)} is no curve. There will be: {', '.join(there)}.")
    return curves


def _measure(
    settings: EvalSettings,
    codecs: Sequence[ImageCodec],
    images: EvaluationImages,
    folder: Path,
    *,
    progress: Progress,
    cluster: RayEngine | None,
) -> tuple[list[Curve], list[ViewerImage]]:
    store = SampleStore(folder / SAMPLES_FILE)
    workers = settings.workers or available_cpus()
    extra = ExtraMetrics(settings.metrics, settings.weights_dir)
    with Runner(images, store, workers=workers, progress=progress, engine=cluster, extra=extra) as runner:
        curves = [_with_cost(codec, runner.evaluate(codec), settings, images) for codec in codecs]
    by_name = {codec.name: codec for codec in codecs}
    progress(_PICTURES, 0, 1)
    pictures = viewer_images(images, by_name, curves, settings.viewer)
    progress(_PICTURES, 1, 1)
    return curves, pictures


def _with_cost(codec: ImageCodec, curve: Curve, settings: EvalSettings, images: EvaluationImages) -> Curve:
    cost = cost_of(codec, curve, images.paths[0] if settings.memory else None)
    return dataclasses.replace(curve, meta={**curve.meta, "cost": cost.known()})


def _with_tables(settings: EvalSettings, sets: Sequence[SetResults]) -> Evaluation:
    compared = [(found.shown, found.table) for found in sets if found.table is not None]
    tables = {BD_TABLE: bd_rate_table(compared)} if compared else {}
    costs = cost_table(sets[0].shown)
    if costs is not None:
        tables[COST_TABLE] = costs
    paths: list[Path] = []
    for kind in settings.tables:
        for name, table in tables.items():
            paths.append(settings.folder / f"{name}.{EXTENSIONS[kind]}")
            is_csv_of_rates = kind == "csv" and name == BD_TABLE
            write_text(paths[-1], bd_rate_csv(compared) if is_csv_of_rates else formatted(table, kind))
    keep_only(settings.folder, [*paths, *(path for found in sets for path in found.written)])
    return Evaluation(tuple(sets), tuple(paths))


def _table_files(kinds: Sequence[str]) -> list[str]:
    return [f"{name}.{EXTENSIONS[kind]}" for kind in kinds for name in (BD_TABLE, COST_TABLE)]


def _finish(
    settings: EvalSettings, folder: Path, curves: Sequence[Curve], pictures: Sequence[ViewerImage]
) -> SetResults:
    shown, left_out = same_images(curves)
    anchor = choose_anchor(shown, settings.bd_anchor)
    interpolation = cast("Interpolation", settings.interpolation)
    table = None if anchor is None else bd_table(shown, anchor, interpolation, draws=settings.bootstrap)
    written = write_output(folder, curves, table, pictures, left_out)
    return SetResults(folder, tuple(curves), tuple(left_out), table, tuple(written))


def _stored_curves(settings: EvalSettings) -> list[Curve]:
    curves: dict[str, Curve] = {}
    for path in settings.compare:
        for curve in read_curves(path):
            name, number = curve.name, 1
            while name in curves and dataclasses.replace(curve, name=name) != curves[name]:
                number += 1
                name = f"{curve.name} ({visible(str(path))}{f', {number - 1}' if number > 2 else ''})"
            curves[name] = dataclasses.replace(curve, name=name)
    for curve in published_on(settings.published) if settings.published else []:
        curves.setdefault(curve.name, curve)
    return list(curves.values())


def _cluster(settings: EvalSettings) -> RayEngine | nullcontext[None]:
    if settings.engine != "ray":
        return nullcontext()
    return RayEngine(settings.address, settings.cpus_per_task, settings.gpus_per_task)
