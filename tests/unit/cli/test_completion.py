"""What the shell is told when somebody presses Tab, without loading what takes long."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest

from hpcmbal.cli.app import COMMANDS, main

PROGRAM = """
import json, sys
from hpcmbal.cli.app import main
main([])
print(json.dumps(sorted({"torch", "numpy", "matplotlib", "compressai", "skimage"} & set(sys.modules))))
"""


def asked(line: str) -> dict[str, str]:
    """How bash asks for the last word of a line."""
    return {"_HPCMBAL_COMPLETE": "complete_bash", "COMP_WORDS": line, "COMP_CWORD": str(line.count(" "))}


@pytest.mark.parametrize(
    ("line", "offered"),
    [
        ("hpcmbal plot", ["plot-run", "plot-gammas"]),
        ("hpcmbal train --preset hierarchical-a", ["hierarchical-adaptive", "hierarchical-adaptive-nano"]),
        ("hpcmbal train --model-name hpcm-b", ["hpcm-base", "hpcm-base-phi"]),
        ("hpcmbal train --gamma-strategy c", ["cosine"]),
        ("hpcmbal ablate scale-", ["scale-weights"]),
        ("hpcmbal ablate gamma --base-preset balanced-n", ["balanced-nano"]),
        ("hpcmbal eval --preset kodak-q", ["kodak-quick"]),
        ("hpcmbal eval --anchor jpeg,webp,avif-", ["jpeg,webp,avif-slow"]),
        ("hpcmbal compress --engine l", ["local"]),
        ("hpcmbal compress --engine r", ["ray"]),
        ("hpcmbal decompress --type w", ["webp"]),
        ("hpcmbal find-quality photo.png --anchor jpeg2", ["jpeg2000"]),
        ("hpcmbal export-checkpoint hpcm-nan", ["hpcm-nano", "hpcm-nano-2"]),
        ("hpcmbal presets show cautious-", ["cautious-nano"]),
    ],
)
def test_names_are_completed(
    line: str, offered: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name, value in asked(line).items():
        monkeypatch.setenv(name, value)
    assert main([]) == 0
    assert capsys.readouterr().out.split() == offered


def test_nothing_heavy_is_loaded_for_it() -> None:
    environment = os.environ | asked("hpcmbal train --preset hierarchical-a")
    done = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=True, env=environment)
    *offered, loaded = done.stdout.splitlines()
    assert offered == ["hierarchical-adaptive", "hierarchical-adaptive-nano"]
    assert json.loads(loaded) == []


@pytest.mark.parametrize("name", COMMANDS)
def test_only_the_whole_command_offers_to_install_completion(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    main(["--help"])
    assert "--install-completion" in capsys.readouterr().out
    main([name, "--help"])
    assert "completion" not in capsys.readouterr().out
