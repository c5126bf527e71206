"""The command line's frame: help, version, and errors as one line with an exit code."""

from __future__ import annotations

import errno
import os
import subprocess
import sys

import pytest

import hpcmbal
from hpcmbal.cli import app as app_module
from hpcmbal.cli.app import COMMANDS, main
from hpcmbal.errors import BitstreamError, CheckpointError, DataError, HpcmbalError, NumericalError, SettingsError


@pytest.fixture
def failing(monkeypatch: pytest.MonkeyPatch) -> list[BaseException]:
    """Put an exception in the list, and every command raises it."""
    errors: list[BaseException] = []

    def fail(_arguments: list[str]) -> None:
        raise errors[0]

    monkeypatch.setattr(app_module, "_run", fail)
    return errors


def test_help_lists_every_command(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--help"]) == 0
    out = capsys.readouterr().out
    assert all(name in out for name in COMMANDS)


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_help_with_an_example(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([name, "--help"]) == 0
    out = capsys.readouterr().out
    assert f"hpcmbal {name}" in out
    assert out.count(f"hpcmbal {name}") > 1, "the usage line and an example"


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--version"]) == 0
    assert capsys.readouterr().out == f"hpcmbal {hpcmbal.__version__}\n"


def test_the_package_runs_as_a_module() -> None:
    done = subprocess.run([sys.executable, "-m", "hpcmbal", "--version"], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, f"hpcmbal {hpcmbal.__version__}\n")


def test_an_unknown_command_suggests_the_nearest(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["trian"]) == 2
    assert "train" in capsys.readouterr().err


KINDS = {HpcmbalError: 1, SettingsError: 2, DataError: 3, BitstreamError: 4, CheckpointError: 5, NumericalError: 6}


@pytest.mark.parametrize(("kind", "code"), KINDS.items())
def test_an_expected_error_is_one_line_and_its_exit_code(
    failing: list[BaseException], kind: type[HpcmbalError], code: int, capsys: pytest.CaptureFixture[str]
) -> None:
    failing.append(kind("x is 3; it must be 4."))
    assert main(["train"]) == code
    captured = capsys.readouterr()
    assert (captured.out, captured.err) == ("", "hpcmbal: x is 3; it must be 4.\n")


@pytest.mark.parametrize(
    ("number", "advice"),
    [
        (errno.ENOSPC, "no space left on device (/runs/a). What was saved before is intact"),
        (errno.EACCES, "permission denied (/runs/a). Choose a place"),
        (errno.ENOENT, "no such file or directory (/runs/a)."),
    ],
)
def test_what_the_system_refuses_is_one_line(
    failing: list[BaseException], number: int, advice: str, capsys: pytest.CaptureFixture[str]
) -> None:
    failing.append(OSError(number, os.strerror(number), "/runs/a"))
    assert main(["train"]) == 1
    err = capsys.readouterr().err
    assert err.startswith(f"hpcmbal: {advice}")
    assert err.count("\n") == 1


@pytest.mark.parametrize("way", ["flag", "variable"])
def test_a_traceback_is_shown_on_request(
    failing: list[BaseException], way: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    failing.append(DataError("no images"))
    if way == "variable":
        monkeypatch.setenv("HPCMBAL_DEBUG", "1")
    assert main(["train", "--debug"] if way == "flag" else ["train"]) == 3
    err = capsys.readouterr().err
    assert "Traceback" in err
    assert err.endswith("hpcmbal: no images\n")


def test_a_mistake_of_ours_is_not_hidden(failing: list[BaseException]) -> None:
    failing.append(ZeroDivisionError("ours"))
    with pytest.raises(ZeroDivisionError, match="ours"):
        main(["train"])
