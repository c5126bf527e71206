"""The same symbols whatever the number of threads, the kernels and the instruction set: one process each."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).with_name("exactness_digest.py")

CIRCUMSTANCES: dict[str, tuple[list[str], dict[str, str]]] = {
    "2 threads": (["--threads", "2"], {}),
    "4 threads, batch of 3": (["--threads", "4", "--batch", "3"], {}),
    "no oneDNN, channels_last": (["--no-onednn", "--channels-last"], {}),
    "SSE4.1": (
        [],
        {"ONEDNN_MAX_CPU_ISA": "SSE41", "ATEN_CPU_CAPABILITY": "default", "MKL_ENABLE_INSTRUCTIONS": "SSE4_2"},
    ),
    "AVX2": (
        ["--threads", "2"],
        {"ONEDNN_MAX_CPU_ISA": "AVX2", "ATEN_CPU_CAPABILITY": "avx2", "MKL_ENABLE_INSTRUCTIONS": "AVX2"},
    ),
}


def digest(model: str, arguments: list[str], environment: dict[str, str], repository: Path) -> str:
    command = [sys.executable, "-W", "ignore", str(SCRIPT), model, *arguments]
    variables = {**os.environ, "PYTHONPATH": str(repository), **environment}
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=variables)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.slow
def test_nano_gives_the_same_symbols_everywhere(repository: Path) -> None:
    expected = digest("hpcm-nano", [], {}, repository)
    for name, (arguments, environment) in CIRCUMSTANCES.items():
        assert digest("hpcm-nano", arguments, environment, repository) == expected, name


@pytest.mark.slow
@pytest.mark.parametrize("name", ["4 threads, batch of 3", "SSE4.1"])
def test_base_gives_the_same_symbols_everywhere(name: str, repository: Path, shared_dir: Path) -> None:
    golden = ["--golden", str(shared_dir / "golden"), "--height", "16", "--width", "16"]
    arguments, environment = CIRCUMSTANCES[name]
    assert digest("hpcm-base", [*golden, *arguments], environment, repository) == digest(
        "hpcm-base", golden, {}, repository
    )


@pytest.mark.slow
def test_another_process_decodes_what_one_has_written(repository: Path, tmp_path: Path) -> None:
    segments = str(tmp_path / "segments.json")
    written = digest("hpcm-nano", ["--write", segments], {}, repository)
    assert digest("hpcm-nano", ["--read", segments, "--threads", "3", "--no-onednn"], {}, repository) == written
