"""What a user can get wrong: one line on standard error, a non-zero exit code, and nothing saved before is lost."""

from __future__ import annotations

import hashlib
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO

import numpy as np
import pytest
import torch
from PIL import Image

from hpcmbal.cli.app import main
from hpcmbal.training.checkpoint import list_checkpoints, open_checkpoint

SETTINGS, DATA, CHECKPOINT = 2, 3, 5
Refused = Callable[..., str]


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("photos")
    generator = np.random.default_rng(0)
    for number in range(2):
        Image.fromarray(generator.integers(0, 256, (80, 72, 3), dtype=np.uint8)).save(folder / f"{number}.png")
    return folder


@pytest.fixture
def words(photos: Path, tmp_path: Path) -> Callable[..., list[str]]:
    """The words of a two-step training; given flags take the place of those here."""

    def build(*more: str) -> list[str]:
        flags = {"--preset": "standard-nano", "--train-data": str(photos), "--val-data": str(photos)}
        flags |= {"--batch-size": "1", "--patch-size": "64", "--max-steps": "2", "--save-freq": "1", "--device": "cpu"}
        flags |= {"--save-path": str(tmp_path / "run"), **dict(zip(more[::2], more[1::2], strict=True))}
        words = [word for flag_and_value in flags.items() for word in flag_and_value]
        return ["train", *words, "--set", "training.num_threads=1"]

    return build


@pytest.fixture
def refused(words: Callable[..., list[str]], capfd: pytest.CaptureFixture[str]) -> Refused:
    """Run, check the exit code and that standard error has one line, and return that line."""

    def run(code: int, *more: str, line: list[str] | None = None) -> str:
        capfd.readouterr()
        assert main(line or words(*more)) == code
        errors = capfd.readouterr().err
        assert errors.startswith("hpcmbal: ")
        assert errors.count("\n") == 1, errors
        return errors

    return run


@pytest.fixture(scope="module")
def trained(photos: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished run of one step."""
    folder = tmp_path_factory.mktemp("trained") / "run"
    line = ["train", "--preset", "standard-nano", "--train-data", str(photos), "--val-data", str(photos)]
    line += ["--batch-size", "1", "--patch-size", "64", "--max-steps", "1", "--device", "cpu"]
    assert main([*line, "--set", "training.num_threads=1", "--save-path", str(folder)]) == 0
    return folder


def fingerprint(run: Path) -> dict[str, str]:
    """Hashes of a run's checkpoint files."""
    files = sorted(path for path in (run / "checkpoints").rglob("*") if path.is_file())
    return {str(path.relative_to(run)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


# --- data


@pytest.mark.parametrize("flag", ["--train-data", "--val-data"])
def test_a_missing_folder_is_named(refused: Refused, tmp_path: Path, flag: str) -> None:
    message = refused(DATA, flag, str(tmp_path / "absent"))
    assert f"{tmp_path / 'absent'}: no such folder. Give the path of an existing folder" in message
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("flag", ["--train-data", "--val-data"])
def test_an_empty_folder_is_named_with_what_is_allowed(refused: Refused, tmp_path: Path, flag: str) -> None:
    (tmp_path / "empty").mkdir()
    message = refused(DATA, flag, str(tmp_path / "empty"))
    assert f"{tmp_path / 'empty'}: no images found. The folder is empty. Allowed are" in message


def text_as_png(folder: Path) -> Path:
    path = folder / "notes.png"
    path.write_text("buy milk\n", encoding="utf-8")
    return path


def truncated_jpeg(folder: Path) -> Path:
    path = folder / "cut.jpg"
    pixels = np.random.default_rng(1).integers(0, 256, (96, 96, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(path, quality=95)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    return path


BAD_FILES = [(text_as_png, "not an image"), (truncated_jpeg, "cannot be decoded")]


@pytest.mark.parametrize("flag", ["--train-data", "--val-data"])
@pytest.mark.parametrize(("make", "what"), BAD_FILES)
def test_a_bad_file_in_a_small_folder_stops_the_run_with_its_name_and_advice(
    refused: Refused, tmp_path: Path, make: Callable[[Path], Path], what: str, flag: str
) -> None:
    folder = tmp_path / "images"
    folder.mkdir()
    path = make(folder)
    message = refused(DATA, flag, str(folder))
    assert f"{path}: {what}" in message
    assert "emove it" in message


@pytest.mark.parametrize(("make", "what"), BAD_FILES)
def test_a_bad_photo_is_not_reconstructed(
    refused: Refused, trained: Path, tmp_path: Path, make: Callable[[Path], Path], what: str
) -> None:
    path, picture = make(tmp_path), tmp_path / "both.png"
    message = refused(DATA, line=["reconstruct", str(path), "--model", str(trained), "-o", str(picture)])
    assert f"{path}: {what}" in message
    assert not picture.exists()


# --- settings


def test_a_preset_with_a_typo_gets_a_suggestion(refused: Refused) -> None:
    assert "standard-nano" in refused(SETTINGS, "--preset", "standrad-nano")


def test_a_negative_lambda_is_refused_with_what_is_allowed(refused: Refused) -> None:
    message = refused(SETTINGS, "--lambda", "-0.01")
    assert "--lambda" in message
    assert "-0.01" in message
    assert "greater than 0" in message


def test_cuda_without_a_gpu_is_refused(refused: Refused, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    message = refused(SETTINGS, "--device", "cuda")
    assert "--device cuda: no CUDA device was found; use --device cpu or auto" in message


def test_a_cuda_device_beyond_the_last_is_refused(refused: Refused, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    message = refused(SETTINGS, "--device", "cuda:7")
    assert "there is no cuda:7; found cuda:0 to cuda:1" in message


# --- checkpoints


def test_a_missing_checkpoint_is_named(refused: Refused, tmp_path: Path) -> None:
    absent = tmp_path / "absent"
    assert f"There is no model '{absent}'" in refused(CHECKPOINT, "--checkpoint", str(absent))


def test_a_checkpoint_of_another_variant_is_refused_and_kept(refused: Refused, trained: Path) -> None:
    before = fingerprint(trained)
    message = refused(CHECKPOINT, "--checkpoint", str(trained), "--model-name", "hpcm-small")
    assert "holds hpcm-nano, not hpcm-small. Use --model-name hpcm-nano." in message
    assert fingerprint(trained) == before


def test_a_damaged_checkpoint_is_refused(refused: Refused, trained: Path, tmp_path: Path) -> None:
    import shutil

    shutil.copytree(trained, tmp_path / "copy")
    (model,) = (tmp_path / "copy").rglob("model.safetensors")
    model.write_bytes(model.read_bytes()[:-1000])
    message = refused(CHECKPOINT, "--checkpoint", str(tmp_path / "copy"))
    assert f"{model} is missing or damaged" in message


def test_a_run_is_not_overwritten_by_a_new_one(refused: Refused, trained: Path) -> None:
    before = fingerprint(trained)
    message = refused(SETTINGS, "--save-path", str(trained))
    assert f"Continue it with --checkpoint {trained}, or choose another --save-path" in message
    assert fingerprint(trained) == before


def test_a_finished_run_says_so_without_measuring(
    trained: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from hpcmbal.training import preflight

    monkeypatch.setattr(preflight, "measure_step", lambda *_: pytest.fail("measured a step of a finished run"))
    before = fingerprint(trained)
    assert main(["train", "--checkpoint", str(trained)]) == 0
    assert "nothing left to do: all 1 steps are done. Raise --max-steps or --epochs" in capsys.readouterr().out
    assert fingerprint(trained) == before


# --- places that cannot be written


def test_a_save_path_in_proc_is_refused(refused: Refused) -> None:
    if not Path("/proc/self").exists():
        pytest.skip("needs /proc")
    message = refused(CHECKPOINT, "--save-path", "/proc/hpcmbal-run")
    assert "Cannot write the log /proc/hpcmbal-run/logs" in message
    assert "Choose another --save-path" in message


def test_a_save_path_below_a_file_is_refused_and_the_file_kept(refused: Refused, tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_text("mine", encoding="utf-8")
    message = refused(CHECKPOINT, "--save-path", str(file / "run"))
    assert f"Cannot write the log {file / 'run'}" in message
    assert file.read_text(encoding="utf-8") == "mine"


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system with room for one checkpoint of hpcm-nano (about 24 MB), not for two."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=36m", "tmpfs", str(folder)]
    try:
        done = subprocess.run(mount, capture_output=True, text=True, check=False)
    except FileNotFoundError:
        pytest.skip("needs the program mount")
    if done.returncode:
        pytest.skip(f"cannot mount a small file system here: {done.stderr.strip()}")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


@pytest.mark.slow
def test_a_full_disk_keeps_the_checkpoint_before_and_the_run_goes_on_elsewhere(
    refused: Refused, small_disk: Path, tmp_path: Path
) -> None:
    run = small_disk / "run"
    message = refused(CHECKPOINT, "--save-path", str(run))
    assert f"Cannot save the checkpoint {run / 'checkpoints' / 'step-00000002'}" in message
    assert "Earlier checkpoints are untouched; free some space" in message
    (kept,) = list_checkpoints(run)
    open_checkpoint(kept).verify()
    assert [path.name for path in kept.parent.iterdir()] == ["step-00000001"]
    line = ["train", "--checkpoint", str(run), "--save-path", str(tmp_path / "elsewhere")]
    assert main(line) == 0
    assert open_checkpoint(tmp_path / "elsewhere").step == 2


def test_a_disk_that_fills_while_saving_keeps_the_checkpoint_before(
    refused: Refused, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    save = torch.save

    def fill_at_step_2(state: dict[str, object], file: IO[bytes]) -> None:
        if state["step"] == 2:
            file.write(b"half")
            raise OSError(28, "No space left on device", "trainer.pt")
        save(state, file)

    monkeypatch.setattr(torch, "save", fill_at_step_2)
    message = refused(CHECKPOINT)
    assert "No space left on device" in message
    (kept,) = list_checkpoints(tmp_path / "run")
    open_checkpoint(kept).verify()
    assert [path.name for path in kept.parent.iterdir()] == ["step-00000001"]


def test_escape_sequences_never_reach_the_terminal(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "\x1b[31mred\x9b2J\udcff.hpcm"
    path.write_bytes(b"no such file")
    assert main(["decompress", str(path)]) == 4
    errors = capfd.readouterr().err
    assert r"\x1b[31mred\x9b2J" in errors
    assert not {"\x1b", "\x9b", "\udcff"} & set(errors)
