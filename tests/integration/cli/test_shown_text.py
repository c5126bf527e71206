"""What was typed comes back in messages without passwords, and escaped, whichever command it was given to."""

from __future__ import annotations

from pathlib import Path

import pytest

from hpcmbal.cli.app import main

SECRET = "hunter2"
URL = f"https://ann:{SECRET}@host/x.png"

REFUSED = {
    "an input": ["compress", URL],
    "an output": ["compress", "x.png", "-o", URL],
    "a compressed file": ["decompress", URL],
    "of info": ["info", URL],
    "of training pictures": ["train", "--train-data", URL, "--dry-run"],
    "of a run": ["train", "--save-path", URL, "--dry-run"],
    "of evaluated pictures": ["eval", "--data", URL, "--anchor", "jpeg", "-o", "x"],
    "of results": ["eval", "--compare", URL],
    "of a figure": ["plot-gammas", "-o", URL],
    "of a log": ["plot-run", URL],
}
TOLD = {
    "a model": ["compress", "--model", URL, "x.png"],
    "a start": ["train", "--init-from", URL, "--dry-run"],
    "a checkpoint": ["train", "--checkpoint", URL],
    "a preset": ["train", "--preset", URL],
    "a preset to check": ["presets", "validate", URL],
    "a study": ["ablate", URL],
    "a number": ["compress", "--quality", URL, "x.png"],
    "a setting": ["train", "--set", f"loss.lmbda={URL}"],
    "a command": [URL],
    "an option": ["compress", f"--{URL}"],
    "with a traceback": ["--debug", "info", URL],
}


@pytest.fixture
def told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> pytest.CaptureFixture[str]:
    """Standard output and error of commands that run in an empty folder."""
    monkeypatch.chdir(tmp_path)
    return capfd


@pytest.mark.parametrize("words", REFUSED.values(), ids=REFUSED)
def test_a_url_is_no_place_of_this_machine(told: pytest.CaptureFixture[str], tmp_path: Path, words: list[str]) -> None:
    assert main(words) == 2
    found = told.readouterr()
    assert "//host/x.png" in found.err.replace("https:/host", "https://host")
    assert "is a URL; give a file or folder of this machine" in found.err
    assert SECRET not in found.out + found.err
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("words", TOLD.values(), ids=TOLD)
def test_no_message_tells_the_password_of_a_url(told: pytest.CaptureFixture[str], words: list[str]) -> None:
    assert main(words) != 0
    found = told.readouterr()
    assert "/host/x.png" in found.err
    assert SECRET not in found.out + found.err


@pytest.mark.parametrize("words", [["\x1b[31mx"], ["compress", "--\x1b[31mx"], ["presets", "validate", "\x1b[31mx"]])
def test_what_was_typed_never_reaches_the_terminal_raw(told: pytest.CaptureFixture[str], words: list[str]) -> None:
    assert main(words) == 2
    found = told.readouterr()
    assert r"\x1b[31mx" in found.err
    assert "\x1b" not in found.out + found.err
