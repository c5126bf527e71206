"""Many files at once: which become which, what is left out, what is never destroyed, and how Ctrl-C ends it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import hpcmbal
from hpcmbal.cli.app import main
from hpcmbal.errors import SettingsError

SETTINGS, DATA, BITSTREAM = 2, 3, 4


def picture(path: Path, size: tuple[int, int] = (24, 16), seed: int = 3) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.random.default_rng(seed).integers(0, 256, (size[1], size[0], 3), dtype=np.uint8)
    Image.fromarray(pixels).save(path)
    return path


def names(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Pictures, a pair of one name, hidden files, a file of another kind, and a subfolder."""
    root = tmp_path / "set"
    for name in ("a.jpg", "a.png", "b.webp", "._b.png", "deeper/c.png", "deeper/still/d.png", ".hidden/e.png"):
        picture(root / name)
    (root / "notes.txt").write_text("no picture")
    (root / "f.heic").write_bytes(b"no format that is read")
    return root


def test_a_folder_tells_what_it_leaves_out_and_names_a_pair_apart(
    run: Any, folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("compress", folder, "-o", tmp_path / "out") == 0
    assert names(tmp_path / "out") == {"a.jpg.hpcm", "a.png.hpcm", "b.hpcm"}
    err = capsys.readouterr().err
    (line,) = [line for line in err.splitlines() if "Left out" in line]
    for part in ("2 hidden", "1 .txt", "1 .heic", "1 subfolder (see --recursive)"):
        assert part in line


def test_recursive_keeps_the_tree_and_comes_back_the_same(run: Any, folder: Path, tmp_path: Path) -> None:
    assert run("compress", folder, "-o", tmp_path / "out", "--recursive") == 0
    assert names(tmp_path / "out") == {
        "a.jpg.hpcm", "a.png.hpcm", "b.hpcm", "deeper/c.hpcm", "deeper/still/d.hpcm",
    }  # fmt: skip
    assert run("decompress", tmp_path / "out", "-o", tmp_path / "back", "--recursive") == 0
    assert names(tmp_path / "back") == {"a.jpg", "a.png", "b.webp", "deeper/c.png", "deeper/still/d.png"}


def test_a_link_to_a_folder_above_is_not_walked_for_ever(run: Any, tmp_path: Path) -> None:
    picture(tmp_path / "set" / "a.png")
    (tmp_path / "set" / "loop").symlink_to(tmp_path / "set")
    assert run("compress", tmp_path / "set", "-o", tmp_path / "out", "--recursive") == 0
    assert names(tmp_path / "out") == {"a.hpcm"}


def test_a_second_run_is_quiet_and_loads_no_model(
    run: Any, folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from hpcmbal.codec.files.compress import Compression

    assert run("compress", folder, "-o", tmp_path / "out") == 0
    picture(folder / "new.png")
    capsys.readouterr()
    assert run("compress", folder, "-o", tmp_path / "out") == DATA
    err = capsys.readouterr().err
    assert "3 files not written, as the output exists" in err
    assert "--skip-existing leaves them out" in err
    assert (tmp_path / "out" / "new.hpcm").exists(), "the others are done"
    monkeypatch.setattr(Compression, "check", lambda _: pytest.fail("loaded a model for nothing"))
    assert run("compress", folder, "-o", tmp_path / "out", "--skip-existing") == 0
    assert capsys.readouterr().err == "hpcmbal: 4 files left out, as the output exists.\n"


NAMES = [
    "[bold]x.png", "]x[.png", "a\nb.png", "tab\t.png", "\x1b[31m.png", "-q.png", "a b.png", "ü.png",
    os.fsdecode(b"latin-\xe9.png"), "x" * 251 + ".png", "é" * 125 + ".png", "percent%s.png", "{braces}.png",
]  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_every_name_that_the_system_allows_works(
    run: Any, tmp_path: Path, name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    source = picture(tmp_path / "set" / name)
    picture(tmp_path / "set" / "other.png")
    assert run("compress", source) == 0
    (made,) = (tmp_path / "set").glob("*.hpcm")
    assert main(["info", str(made)]) == 0
    assert run("compress", tmp_path / "set", "-o", tmp_path / "out") == 0
    assert run("decompress", tmp_path / "out", "-o", tmp_path / "back") == 0
    assert len(names(tmp_path / "back")) == 2
    (tmp_path / "set" / name).write_bytes(b"damaged")
    made.unlink()
    capsys.readouterr()
    assert run("compress", tmp_path / "set", "-o", tmp_path / "again") == DATA
    err = capsys.readouterr().err
    if name.isprintable():
        assert f"{source}: not an image" in err
    assert "\x1b" not in err
    assert "1 of 2 files failed; the others are done." in err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["{s}/a.jpg", "-o", "{t}/out.jpg"], "--output {t}/out.jpg: a file should end in .hpcm. Give {t}/out.hpcm, or"),
        (["{s}/a.jpg", "-o", "{t}/out"], "a file should end in .hpcm. Give {t}/out.hpcm, or {t}/out/ for a folder."),
        (["{s}/a.jpg", "{s}/b.webp", "-o", "-"], "--output -: standard output takes one file; give a folder"),
        (["{s}", "-o", "-"], "--output -: standard output takes one file, not a folder of them."),
        (["{s}/a.jpg", "{s}/b.webp", "-o", "{t}/out.hpcm"], "is the name of a file, but a folder is needed"),
        (["-", "-o", "{t}/new/"], "standard input has no name: give a file."),
        (["{s}/a.jpg", "--force", "--skip-existing"], "--force: contradicts --skip-existing"),
        (["-", "{s}/a.jpg"], "'-' (standard input) stands alone"),
        (["-", "--json"], "--json and the file itself would both go to standard output"),
        (["{s}/a.jpg", "-o", "-", "--json"], "--json and the file itself would both go to standard output"),
    ],
)
def test_an_output_that_does_not_suit_is_refused(  # noqa: PLR0917 (pytest fills them by name)
    run: Any, folder: Path, tmp_path: Path, arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    before = names(tmp_path)
    assert run("compress", *(word.format(s=folder, t=tmp_path) for word in arguments)) == SETTINGS
    err = capsys.readouterr().err
    assert message.format(t=tmp_path) in err
    assert err.count("\n") == 1
    assert names(tmp_path) == before


def test_a_slash_at_the_end_is_a_folder(run: Any, folder: Path, tmp_path: Path) -> None:
    assert run("compress", folder / "a.jpg", "-o", f"{tmp_path}/new/") == 0
    assert names(tmp_path / "new") == {"a.hpcm"}


def test_a_pipe_or_a_device_is_written_into(run: Any, folder: Path) -> None:
    assert run("compress", folder / "a.jpg", "-o", "/dev/null") == 0
    assert run("compress", folder / "a.jpg", "-o", "/dev/null", "--force") == 0
    assert not Path("/dev/null").is_file()


@pytest.mark.parametrize("link", ["symbolic", "hard", "none"])
def test_an_output_that_is_an_input_is_refused_even_by_force(
    run: Any, folder: Path, tmp_path: Path, link: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("compress", folder / "a.jpg", "-o", tmp_path / "a.hpcm") == 0
    place = tmp_path / "back.png"
    if link == "symbolic":
        place.symlink_to(tmp_path / "a.hpcm")
    elif link == "hard":
        place.hardlink_to(tmp_path / "a.hpcm")
    else:
        place = tmp_path / "copy.png"
        place.write_bytes((tmp_path / "a.hpcm").read_bytes())
    source = tmp_path / "a.hpcm" if link != "none" else place
    before = source.read_bytes()
    assert run("decompress", source, "-o", place, "--force") == DATA
    assert f"{place} is an input too, and would be destroyed" in capsys.readouterr().err
    assert source.read_bytes() == before


@pytest.mark.parametrize("options", [[], ["--force"], ["--skip-existing"], ["-o", "a.png", "--force"]])
@pytest.mark.parametrize("name", ["a.png", "a.jpg"])
def test_a_picture_is_called_one_although_its_output_is_in_the_way(  # noqa: PLR0917 (pytest fills them by name)
    run: Any,
    folder: Path,
    name: str,
    options: list[str],
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(folder)
    before = (folder / name).read_bytes(), (folder / "a.png").read_bytes()
    assert run("decompress", name, *options) == BITSTREAM
    kind = "PNG" if name == "a.png" else "JPEG"
    assert capsys.readouterr().err.startswith(f"hpcmbal: {name}: not an .hpcm file: it is a {kind} image.")
    assert ((folder / name).read_bytes(), (folder / "a.png").read_bytes()) == before


@pytest.mark.parametrize("options", [[], ["--force"], ["--skip-existing"]])
def test_a_file_of_ours_is_called_one_although_it_is_its_own_output(
    run: Any, folder: Path, options: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("compress", folder / "b.webp") == 0
    capsys.readouterr()
    before = (folder / "b.hpcm").read_bytes()
    assert run("compress", folder / "b.hpcm", *options) == DATA
    assert f"{folder / 'b.hpcm'}: is an .hpcm file already" in capsys.readouterr().err
    assert (folder / "b.hpcm").read_bytes() == before


def test_two_inputs_that_cannot_be_told_apart_are_refused(
    run: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    first, second = picture(tmp_path / "1" / "a.png"), picture(tmp_path / "2" / "a.png")
    assert run("compress", first, second, "-o", tmp_path / "out") == DATA
    assert f"{first} and {second} would both become" in capsys.readouterr().err


def test_a_file_that_is_named_twice_is_done_once(
    run: Any, photos: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    again = photos / ".." / photos.name / "a.png"
    assert run("compress", photos, photos / "a.png", again, "-o", tmp_path / "out", "--json") == 0
    assert [Path(entry["source"]).name for entry in json.loads(capsys.readouterr().out)] == ["a.png", "b.jpg", "c.webp"]


def test_a_folder_in_the_place_of_one_output_fails_that_file_alone(
    run: Any, photos: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (photos / "a.hpcm").mkdir()
    assert run("compress", photos) == 3
    assert "a.hpcm is a folder, and a file is to be written" in capsys.readouterr().err
    assert (photos / "c.hpcm").is_file()


def test_the_model_is_an_input_too(run: Any, models: Path, photos: Path, capsys: pytest.CaptureFixture[str]) -> None:
    model, before = models / "mine.safetensors", (models / "mine.safetensors").read_bytes()
    for name in ("x.hpcm", "x.png"):
        (photos / name).symlink_to(model)
    assert run("compress", photos / "a.png", "-o", photos / "x.hpcm", "--force") == 3
    assert "is an input too, and would be destroyed" in capsys.readouterr().err
    assert run("reconstruct", photos / "a.png", "--model", model, "-o", photos / "x.png", "--force") == 3
    assert "is an input too, and would be destroyed" in capsys.readouterr().err
    assert model.read_bytes() == before


def test_one_file_is_one_line_with_size_and_ratio(
    run: Any, folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    source, target = picture(tmp_path / "p.png", (64, 64)), tmp_path / "p.hpcm"
    assert run("compress", source) == 0
    captured = capsys.readouterr()
    size, before = target.stat().st_size, source.stat().st_size
    assert captured.out == ""
    assert captured.err.startswith(f"{target}: {size:,} bytes, {before / size:.1f} times smaller than {before:,}, ")
    assert captured.err.count("\n") == 1


def test_json_holds_one_object_for_each_file(
    run: Any, folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "b.webp").write_bytes(b"damaged")
    assert run("compress", folder, "-o", tmp_path / "out", "--verify", "--json") == DATA
    rows = {Path(row["source"]).name: row for row in json.loads(capsys.readouterr().out)}
    assert rows.keys() == {"a.jpg", "a.png", "b.webp"}
    assert rows["a.png"]["bytes_after"] == (tmp_path / "out" / "a.png.hpcm").stat().st_size
    assert rows["a.png"]["error"] is None
    assert "b.webp: not an image" in rows["b.webp"]["error"]
    assert rows["b.webp"]["bytes_after"] is rows["b.webp"]["bpp"] is None


@pytest.mark.parametrize(("kind", "form"), [("jpg", "JPEG"), ("webp", "WEBP"), ("avif", "AVIF"), ("png", "PNG")])
def test_a_folder_of_files_becomes_images_of_the_wanted_type(run: Any, tmp_path: Path, kind: str, form: str) -> None:
    pixels = np.zeros((20, 30, 4), dtype=np.uint8)
    (tmp_path / "set").mkdir()
    Image.fromarray(pixels).save(tmp_path / "set" / "clear.png")
    assert run("compress", tmp_path / "set", "-o", tmp_path / "out") == 0
    quality = [] if kind == "png" else ["--output-quality", 90]
    wanted = ["-t", kind, *quality, "--background", "#ffffff"]
    assert run("decompress", tmp_path / "out", "-o", tmp_path / "back", *wanted) == 0
    with Image.open(tmp_path / "back" / f"clear.{kind}") as image:
        assert (image.format, image.mode) == (form, "RGB")
        assert min(image.convert("L").tobytes()) > 250, "white shows through"


def test_a_colour_that_is_none_and_a_quality_in_vain_are_refused(
    run: Any, folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run("compress", folder / "a.jpg", "-o", tmp_path / "a.hpcm")
    capsys.readouterr()
    assert run("decompress", tmp_path / "a.hpcm", "--background", "whyte") == SETTINGS
    assert "--background whyte is no colour" in capsys.readouterr().err
    assert run("decompress", tmp_path / "a.hpcm", "-t", "png", "--output-quality", 3) == SETTINGS
    assert "--output-quality 3: has no effect on png" in capsys.readouterr().err
    assert run("decompress", tmp_path / "a.hpcm", "-o", tmp_path / "x.tif", "--output-quality", 3) == SETTINGS
    assert "--output-quality 3 has no effect: every output is lossless" in capsys.readouterr().err
    run("compress", folder / "a.png", "-o", tmp_path / "png.hpcm")
    assert run("decompress", tmp_path / "png.hpcm", "-o", "-", "--output-quality", 3) == SETTINGS


def test_python_does_what_the_command_does(models: Path, folder: Path, tmp_path: Path) -> None:
    model = str(models / "mine.safetensors")
    settings = hpcmbal.CompressSettings(inputs=folder, output=str(tmp_path / "out"), model=model, verify=True)
    batch = hpcmbal.compress_files(settings)
    assert {outcome.job.target.name for outcome in batch.outcomes} == {"a.jpg.hpcm", "a.png.hpcm", "b.hpcm"}
    assert all(outcome.psnr_db is not None for outcome in batch.outcomes)
    back = hpcmbal.DecompressSettings(inputs=(tmp_path / "out",), output=tmp_path / "back", model_dirs=(models,))
    assert not hpcmbal.decompress_files(back).failed
    assert hpcmbal.info(hpcmbal.InfoSettings(file=tmp_path / "out" / "b.hpcm"))["width"] == 24
    with pytest.raises(SettingsError, match="output=.*out.jpg: a file should end in .hpcm"):
        hpcmbal.compress_files(hpcmbal.CompressSettings(inputs=(folder / "a.jpg",), output="out.jpg"))


INTERRUPTED = """
import signal, sys, threading, time
from hpcmbal.cli.app import main
from hpcmbal.codec.files.compress import Compression
signal.signal(signal.SIGINT, signal.default_int_handler)
work = Compression.__call__
def slow(self, job):
    print("begun", flush=True)
    time.sleep(SECONDS)
    return work(self, job)
Compression.__call__ = slow
sys.exit(main(sys.argv[1:]))
"""


def interrupted(seconds: float, times: int, folder: Path, out: Path, models: Path) -> tuple[int, str]:
    """Exit code and standard error of a batch that is interrupted so often."""
    program = INTERRUPTED.replace("SECONDS", str(seconds))
    line = [sys.executable, "-c", program, "compress", str(folder), "-o", str(out), "--model", str(models)]
    wide = os.environ | {"COLUMNS": "400"}
    with subprocess.Popen(line, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=wide) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "begun\n"
        for _ in range(times):
            time.sleep(0.5)
            process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=60)
    return process.returncode, err


@pytest.mark.slow
def test_ctrl_c_finishes_the_files_in_work_and_tells_what_was_done(folder: Path, tmp_path: Path, models: Path) -> None:
    code, err = interrupted(1.0, 1, folder, tmp_path / "out", models / "mine.safetensors")
    assert code == 130
    assert "interrupted: 1 file in work will be finished" in err
    assert "interrupted with 1 of 3 files done." in err
    assert names(tmp_path / "out") == {"a.jpg.hpcm"}
    assert f"{folder / 'a.jpg'}" in err, "the table"
    assert "Traceback" not in err


@pytest.mark.slow
def test_a_second_ctrl_c_ends_at_once(folder: Path, tmp_path: Path, models: Path) -> None:
    code, err = interrupted(300.0, 2, folder, tmp_path / "out", models / "mine.safetensors")
    assert code == 130
    assert err.endswith("hpcmbal: interrupted.\n")
    assert "Traceback" not in err
    assert not (tmp_path / "out").exists() or not names(tmp_path / "out")
