"""`hpcmbal eval` and `find-quality` through the real main, on small generated images."""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from skimage.data import chelsea
from tiny import write_variable_model

import hpcmbal
from hpcmbal.cli.app import main
from hpcmbal.evaluation import runner as runner_module
from hpcmbal.evaluation.codecs.model_codec import ModelCodec, operating_points
from hpcmbal.evaluation.codecs.selection import OWN_ANCHORS
from hpcmbal.evaluation.evaluation_images import EvaluationImages
from hpcmbal.evaluation.runner import Runner
from hpcmbal.evaluation.sample_store import SampleStore
from hpcmbal.model_files.find import DEFAULT_MODEL
from hpcmbal.settings import load_eval_settings, preset_names, read_preset


@pytest.fixture(scope="module")
def photographs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("photographs")
    for index in range(5):
        crop = chelsea()[index * 20 : index * 20 + 64, 100 : 100 + 96 + 8 * index]
        Image.fromarray(np.ascontiguousarray(crop)).save(folder / f"photo.{index}.png")
    return folder


@pytest.fixture(scope="module")
def large_photographs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Large enough for MS-SSIM."""
    folder = tmp_path_factory.mktemp("large")
    for index in range(3):
        Image.fromarray(np.ascontiguousarray(chelsea()[20 * index : 20 * index + 176, 40:232])).save(
            folder / f"{index}.png"
        )
    return folder


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_variable_model(tmp_path_factory.mktemp("models"))


def results(folder: Path) -> dict[str, object]:
    return json.loads((folder / "results.json").read_text(encoding="utf-8"))


def test_anchors_from_images_to_report(photographs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["eval", "--data", str(photographs), "--anchor", "jpeg,webp", "-o", str(tmp_path), "-j", "1"]
    assert main([*arguments, "--bootstrap", "50"]) == 0
    shown = capsys.readouterr().out
    assert "BD-rate against 'jpeg' (hash of its points: PSNR (dB) " in shown
    first = results(tmp_path)
    assert [first["name"], *(other["name"] for other in first["others"])] == ["jpeg", "webp"]
    assert len(first["results"]["bpp"]) == len(first["results"]["psnr-rgb"]) == 8
    assert set(first["results_by_sample"]) == {f"photo.{index}.png" for index in range(5)}
    assert first["meta"]["codec"]["settings"]["subsampling"] == 0
    assert {"report.html", "results.csv", "bd_rate.json", "figures"} <= {path.name for path in tmp_path.iterdir()}
    assert {path.suffix for path in (tmp_path / "figures").iterdir()} == {".png", ".svg", ".pdf"}


@pytest.mark.slow
def test_real_files_and_estimates_agree(photographs: Path, model: Path, tmp_path: Path) -> None:
    common = ["eval", "-m", str(model), "-q", "20,80", "-d", str(photographs), "--limit", "2", "-j", "1"]
    assert main([*common, "-o", str(tmp_path / "files")]) == 0
    assert main([*common, "--estimate", "-o", str(tmp_path / "estimate")]) == 0
    files, estimate = (results(tmp_path / name) for name in ("files", "estimate"))
    assert files["name"] == "variable.v1"
    for sample in files["results_by_sample"].values():
        for point in range(2):
            strings = sum(sample[f"bytes_{scale}"][point] for scale in ("z", "s1", "s2", "s3"))
            assert 0 < sample["file_bytes"][point] - strings <= 64
            assert sample["bpp"][point] > sample["bpp-strings"][point]
    # The coder ends each of four segments with a byte or two: 0.01 bpp at this size.
    assert files["results"]["bpp-strings"] == pytest.approx(estimate["results"]["bpp"], rel=0.05, abs=0.01)
    assert files["results"]["psnr-rgb"] == pytest.approx(estimate["results"]["psnr-rgb"], abs=0.05)
    assert estimate["results"]["encoding_time"] == [None, None]


def test_an_interrupted_evaluation_goes_on_where_it_was(
    photographs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    images, anchor = EvaluationImages.from_folder(photographs), replace(OWN_ANCHORS["jpeg"], qualities=(10.0, 50.0))
    measured = 0
    real = runner_module.measure

    def measure(*arguments: object) -> object:
        nonlocal measured
        if measured == 4:
            raise KeyboardInterrupt
        measured += 1
        return real(*arguments)

    monkeypatch.setattr(runner_module, "measure", measure)
    store = tmp_path / "samples.jsonl"
    with Runner(images, SampleStore(store)) as runner, pytest.raises(KeyboardInterrupt):
        runner.evaluate(anchor)
    assert len(SampleStore(store)) == 4
    monkeypatch.setattr(runner_module, "measure", real)
    with Runner(images, SampleStore(store)) as runner:
        resumed = runner.evaluate(anchor)
    with Runner(images, SampleStore(tmp_path / "fresh.jsonl")) as runner:
        fresh = runner.evaluate(anchor)
    for key in ("bpp", "psnr-rgb", "file_bytes"):
        assert resumed.results[key] == fresh.results[key]
    # Other points of the same codec are additions: nothing is measured twice.
    with Runner(images, SampleStore(store)) as runner:
        runner.evaluate(replace(OWN_ANCHORS["jpeg"], qualities=(50.0, 90.0)))
    assert len(SampleStore(store)) == 15


@pytest.mark.slow
def test_metrics_are_added_to_what_was_measured(photographs: Path, tmp_path: Path) -> None:
    """Each with its version and its BD-rate; the samples of an evaluation without them stay as they are."""
    pytest.importorskip("piq", reason="needs the extra 'metrics'")
    arguments = ["eval", "-d", str(photographs), "-a", "jpeg,webp", "--limit", "1", "-j", "1", "-o", str(tmp_path)]
    assert main([*arguments, "--viewer", "0"]) == 0
    before = results(tmp_path)
    lines = (tmp_path / "samples.jsonl").read_text(encoding="utf-8").splitlines()
    assert main([*arguments, "--viewer", "0", "--metrics", "fsim,vif"]) == 0
    after = results(tmp_path)
    assert after["results"]["bpp"] == before["results"]["bpp"]
    assert len(after["results"]["fsim"]) == len(after["results"]["fsim-db"]) == len(after["results"]["vif"]) == 8
    assert after["meta"]["metrics"]["vif"].startswith("piq 0")
    assert (tmp_path / "figures" / "rd-fsim.pdf").is_file()
    rows = json.loads((tmp_path / "bd_rate.json").read_text(encoding="utf-8"))["rows"]
    assert [row["metric"] for row in rows] == ["psnr-rgb", "fsim-db", "vif"]
    assert all(row["comparison"] for row in rows)
    assert (tmp_path / "samples.jsonl").read_text(encoding="utf-8").splitlines()[: len(lines)] == lines


@pytest.mark.slow
def test_numbers_do_not_depend_on_workers_or_order(large_photographs: Path, model: Path, tmp_path: Path) -> None:
    """To the last digit, models included: everything runs on one thread, in this process as in workers."""
    backwards = EvaluationImages.from_folder(large_photographs)
    for field in ("paths", "names", "hashes"):
        object.__setattr__(backwards, field, getattr(backwards, field)[::-1])
    found = []
    for workers, images in ((1, EvaluationImages.from_folder(large_photographs)), (2, backwards)):
        codecs = [
            replace(OWN_ANCHORS["webp"], qualities=(10.0, 60.0)),
            ModelCodec("ours", operating_points(model, [20.0, 80.0])),
        ]
        with Runner(images, SampleStore(tmp_path / f"{workers}.jsonl"), workers=workers) as runner:
            curves = [runner.evaluate(codec) for codec in codecs]
        found.append([(curve.name, name, curve.samples[name]) for curve in curves for name in sorted(curve.samples)])
    for (name, image, first), (other_name, other_image, second) in zip(*found, strict=True):
        assert (name, image) == (other_name, other_image)
        for key in ("bpp", "psnr-rgb", "ms-ssim-rgb", "file_bytes"):
            assert first[key] == second[key]
            assert None not in first[key]


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="finds worker processes in /proc")
def test_a_killed_evaluation_leaves_no_workers_and_goes_on(large_photographs: Path, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "hpcmbal", "eval", "-d", str(large_photographs), "-a", "webp,jpeg2000", "-j", "2"]
    store = tmp_path / "samples.jsonl"
    process = subprocess.Popen([*command, "-o", str(tmp_path)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    wait_until(lambda: store.exists() and len(store.read_text(encoding="utf-8").splitlines()) >= 3)
    workers = children(process.pid)
    process.kill()
    process.wait()
    assert len(workers) >= 2
    wait_until(lambda: not any(Path(f"/proc/{worker}").exists() for worker in workers))
    kept = store.read_text(encoding="utf-8").splitlines()[:3]
    assert main([*command[3:-2], "-j", "1", "-o", str(tmp_path)]) == 0
    lines = store.read_text(encoding="utf-8").splitlines()
    assert lines[:3] == kept
    assert sum('"sample"' in line for line in lines) == 2 * 8 * 3


def wait_until(reached: Callable[[], bool]) -> None:
    for _ in range(1200):
        if reached():
            return
        time.sleep(0.1)
    pytest.fail("not reached in two minutes")


def children(process: int) -> list[int]:
    found = []
    for path in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            if int(path.read_text(encoding="utf-8").rpartition(")")[2].split()[1]) == process:
                found.append(int(path.parent.name))
    return found


@pytest.mark.slow
def test_names_of_any_bytes(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """They do not end the evaluation when everything is measured."""
    folder = tmp_path / "bytes-\udcff"
    folder.mkdir()
    names = ["a\udcfe.png", r"a\xfe.png", "[red]b.png", "c\n.png", "=d().png"]
    for index, name in enumerate(names):
        Image.fromarray(np.ascontiguousarray(chelsea()[index : index + 32, :32])).save(folder / name)
    (folder / "a.hpcm").write_bytes(b"HPCM, and damaged: our own files are never test images")
    assert main(["eval", "-d", str(folder), "-a", "jpeg,webp", "-j", "1", "-o", str(tmp_path / "out")]) == 0
    assert "BD-rate against 'jpeg'" in capsys.readouterr().out
    first = results(tmp_path / "out")
    assert first["meta"]["image_set"]["name"] == r"bytes-\xff"
    assert set(first["results_by_sample"]) == {r"a\xfe.png", r"a\xfe.png (2)", "[red]b.png", r"c\n.png", "=d().png"}
    assert "\n'=d().png" not in (tmp_path / "out" / "results.csv").read_text(encoding="utf-8")
    assert ",'=d().png," in (tmp_path / "out" / "results.csv").read_text(encoding="utf-8")


@pytest.mark.slow
def test_published_points_on_other_images_are_neither_drawn_nor_compared(
    photographs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["eval", "-d", str(photographs), "-a", "jpeg", "--published", "kodak", "-j", "1", "-o", str(tmp_path)]
    assert main([*arguments, "--limit", "2"]) == 0
    assert "curves left out of figures and comparisons (VTM" in capsys.readouterr().out
    page = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert "curves left out of figures" in page
    assert "cheng2020-anchor" not in page
    assert "cheng2020-anchor" not in (tmp_path / "figures" / "rd-psnr.svg").read_text(encoding="utf-8")


def test_compare_uses_stored_results_alone(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    ours, compressai = tmp_path / "ours.json", tmp_path / "compressai.json"
    bpp = [0.1, 0.2, 0.4, 0.8]
    ours.write_text(json.dumps({"name": "a", "results": {"bpp": [b * 0.9 for b in bpp], "psnr-rgb": [30, 33, 36, 39]}}))
    compressai.write_text(
        json.dumps(
            {"name": "b", "description": "Inference (ans)", "results": {"bpp": bpp, "psnr-rgb": [30, 33, 36, 39]}}
        )
    )
    arguments = [
        "eval",
        "--compare",
        str(ours),
        str(compressai),
        "--bd-anchor",
        "b",
        "-o",
        str(tmp_path / "out"),
        "--json",
    ]
    assert main(arguments) == 0
    document = json.loads(capsys.readouterr().out)
    (row,) = document["bd_rate"]["rows"]
    assert row["comparison"]["bd_rate_percent"] == pytest.approx(-10.0, abs=1e-9)
    assert "does not say which images" in row["comparison"]["notes"][0]
    assert (tmp_path / "out" / "report.html").is_file()


@pytest.fixture
def desk(photographs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder: with photographs in `photos` and something else in `other`."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "photos").symlink_to(photographs)
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "notes.txt").touch()
    return tmp_path


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        ([], "--data: is missing: give --data with --model or --anchor, or --compare with results files"),
        (["--data", "photos"], "--anchor: is missing"),
        (["--compare"], "--compare needs results files"),
        (["--compare", "a.json", "--anchor", "jpeg"], "uses stored results alone; leave out --anchor"),
        (["a.json"], "results files are for --compare"),
        (["--data", "photos", "--anchor", "gif"], "No anchor 'gif'"),
        (["--interpolation", "linear"], "--interpolation linear: must be one of pchip, akima, cubic"),
        (["-d", "photos", "-a", "jpeg", "--estimate"], "--estimate: has no effect"),
        (["-d", "photos", "-a", "jpeg", "-q", "5"], "--quality 5: has no effect"),
        (["-d", "photos", "-m", "hpcm-nano", "-q", "5,101"], "must be from 1 to 100; found 101"),
        (["-d", "photos", "-a", "jpeg", "--metrics", "fsimm"], "'fsimm' is none; perhaps you mean 'fsim'; choose from"),
        (["-d", "photos", "-a", "jpeg", "--metrics", "lpips"], "'lpips' needs weights, which are never downloaded"),
        (["-d", "photos", "-a", "jpeg", "--address", "auto"], "--address auto: has no effect while --engine is local"),
        (["-d", "photos", "-a", "jpeg", "--bootstrap", "many", "--viewer", "-1"], "2 problems with the settings"),
        (["--preset", "kodak-quik"], "perhaps you mean 'kodak-quick'"),
        (["--preset", "kodak-quick", "--set", "modl=x"], "--set modl=x: is no setting; perhaps you mean 'model'"),
        (["-d", "photos", "-a", "jpeg", "-o", "photos/out"], "lies in the test images' folder"),
        (["--compare", "out/a.json", "-o", "out"], "holds a.json, which is compared; choose"),
        (["-d", "photos", "-a", "jpeg", "-o", "other"], "holds other things than an evaluation (notes.txt)"),
        (["-d", "photos", "-a", "jpeg", "--bd-anchor", "web"], "--bd-anchor web is no curve. There will be: jpeg"),
        (
            ["-d", "photos", "-a", "jpeg", "--published", "kodak", "--bd-anchor", "HM"],
            "--bd-anchor HM cannot be compared with: different images",
        ),
    ],
)
def test_wrong_options_end_with_code_2_before_anything_is_measured(
    arguments: list[str],
    problem: str,
    desk: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(["eval", *arguments]) == 2
    assert problem in capsys.readouterr().err
    assert not (desk / "eval").exists()


def test_an_unreadable_image_is_an_error_not_an_omission(photographs: Path, tmp_path: Path) -> None:
    (tmp_path / "images").mkdir()
    (tmp_path / "images" / "a.png").write_bytes((photographs / "photo.0.png").read_bytes()[:300])
    assert main(["eval", "--data", str(tmp_path / "images"), "--anchor", "jpeg", "-o", str(tmp_path / "out")]) == 3


@pytest.mark.slow
def test_python_does_what_the_command_does(photographs: Path, tmp_path: Path) -> None:
    """A preset, `--set` and an option, each beating the one before; and the same evaluation from Python."""
    preset = tmp_path / "mine.yaml"
    preset.write_text(
        f"description: Mine.\ndata: {photographs}\nanchor: jpeg\nbootstrap: 7\nviewer: 2\n", encoding="utf-8"
    )
    arguments = ["--preset", str(preset), "--set", "anchor=jpeg,webp", "--set", "bootstrap=9", "--bootstrap", "11"]
    assert main(["eval", *arguments, "--limit", "2", "-j", "1", "-o", str(tmp_path / "command")]) == 0
    told: list[tuple[str, int, int]] = []
    settings = hpcmbal.EvalSettings(
        data=photographs,
        anchor=("jpeg", "webp"),
        limit=2,
        bootstrap=11,
        viewer=2,
        workers=1,
        output=tmp_path / "python",
    )
    evaluation = hpcmbal.evaluate(settings, lambda *progress: told.append(progress))
    (found,) = evaluation.sets
    assert found.report == tmp_path / "python" / "report.html"
    assert told[0] == ("jpeg", 0, 16)
    assert ("webp", 16, 16) in told
    first, second = (results(tmp_path / name) for name in ("command", "python"))
    assert first["results"]["psnr-rgb"] == second["results"]["psnr-rgb"] == list(found.curves[0].results["psnr-rgb"])
    assert first["others"][0]["results"]["bpp"] == second["others"][0]["results"]["bpp"]


@pytest.mark.slow
def test_two_folders_are_two_image_sets(photographs: Path, large_photographs: Path, tmp_path: Path) -> None:
    arguments = ["-d", str(photographs), "-d", str(large_photographs), "-a", "jpeg", "-j", "1", "--viewer", "0"]
    assert main(["eval", *arguments, "--limit", "1", "-o", str(tmp_path)]) == 0
    names = {path.parent.name for path in tmp_path.rglob("results.json")}
    assert names == {f"{folder.name} (first 1)" for folder in (photographs, large_photographs)}
    assert main(["eval", *arguments, "--limit", "1", "-o", str(tmp_path)]) == 0


@pytest.mark.parametrize("name", preset_names("evaluations"))
def test_every_preset_of_an_evaluation_is_valid_and_described(name: str) -> None:
    assert load_eval_settings(name).data
    assert read_preset(name, "evaluations").description.endswith(".")


@pytest.mark.slow
def test_files_of_an_earlier_evaluation_do_not_stay(photographs: Path, tmp_path: Path) -> None:
    pytest.importorskip("piq", reason="needs the extra 'metrics'")
    common = ["eval", "--data", str(photographs), "--limit", "1", "-j", "1", "--viewer", "0", "-o", str(tmp_path)]
    assert main([*common, "-a", "jpeg,webp", "--tables", "csv", "--metrics", "fsim"]) == 0
    (tmp_path / "figures" / "mine.png").write_bytes(b"mine")
    before = {path.name for path in tmp_path.rglob("*")}
    assert main([*common, "-a", "jpeg"]) == 0
    gone = before - {path.name for path in tmp_path.rglob("*")}
    assert gone >= {"bd_rate.json", "bd_rate.csv", "rd-fsim.png"}
    assert "mine.png" not in gone


@pytest.mark.slow
def test_find_quality(photographs: Path, model: Path, capsys: pytest.CaptureFixture[str]) -> None:
    image = str(photographs / "photo.0.png")
    assert main(["find-quality", image, "--target-psnr", "33", "--anchor", "jpeg", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["psnr-rgb"] >= 33
    coded = OWN_ANCHORS["jpeg"].code_at(np.asarray(Image.open(image)), found["quality"])
    assert coded.file_bytes == found["file_bytes"]
    assert main(["find-quality", image, "--target-bpp", "1.0", "--model", str(model), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["bpp"] <= 1.0
    assert main(["find-quality", image, "--target-bpp", "2", "--json"]) == 0
    default = json.loads(capsys.readouterr().out)
    assert main(["find-quality", image, "--target-bpp", "2", "--model", DEFAULT_MODEL, "--json"]) == 0
    named = json.loads(capsys.readouterr().out)
    assert [named[key] for key in ("quality", "file_bytes")] == [default[key] for key in ("quality", "file_bytes")]
    assert main(["find-quality", image, "--model", str(model)]) == 2
