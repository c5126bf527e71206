"""Anchors through programs of the user: called as the results say, and their failures told."""

from __future__ import annotations

import math
import os
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from skimage.data import chelsea

from hpcmbal.errors import HpcmbalError, SettingsError
from hpcmbal.evaluation.codecs.image_codec import measure
from hpcmbal.evaluation.codecs.program_anchor import PROGRAM_ANCHORS, ProgramAnchor
from hpcmbal.evaluation.codecs.selection import build_anchor
from hpcmbal.evaluation.curves.curve import BPP, PSNR

BPG = next(anchor for anchor in PROGRAM_ANCHORS if anchor.name == "bpg")


@pytest.fixture(scope="module")
def photograph() -> np.ndarray:
    return np.ascontiguousarray(chelsea()[40:120, 100:196])


def test_a_program_that_is_not_installed_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nonexistent")
    with pytest.raises(SettingsError, match="'bpg' needs the program 'bpgenc', which is not in PATH"):
        build_anchor("bpg")


@pytest.fixture
def stand_ins(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """`bpgenc` and `bpgdec` that copy, and write down how they were called."""
    calls = tmp_path / "calls"
    for program, body in {"bpgenc": 'cp "${13}" "${12}"', "bpgdec": 'cp "$3" "$2"'}.items():
        path = tmp_path / program
        path.write_text(
            f'#!/bin/sh\necho "{program} $*" >> {calls}\n[ "$1" = -h ] && echo "BPG 0.9.8" && exit 1\n{body}\n'
        )
        path.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
    return calls


def test_external_programs_are_called_as_the_results_say(photograph: np.ndarray, stand_ins: Path) -> None:
    anchor = replace(BPG, qualities=(47, 22))
    described = anchor.describe()
    assert described["encoder"] == "BPG 0.9.8"
    sample = measure(anchor, photograph, 1)
    assert sample[PSNR] == math.inf
    assert sample["file_bytes"] > 1000
    encode, decode = stand_ins.read_text(encoding="utf-8").splitlines()[1:]
    places = {
        name: word
        for name in ("source", "coded", "decoded")
        for word in f"{encode} {decode}".split()
        if f"{name}." in word
    }
    assert encode == str(described["encode_command"]).format(quality="22", **places)
    assert decode == str(described["decode_command"]).format(**places)


def test_a_program_that_fails_ends_with_what_it_said(photograph: np.ndarray, stand_ins: Path) -> None:
    (stand_ins.parent / "bpgenc").write_text("#!/bin/sh\necho unsupported colour >&2\nexit 3\n", encoding="utf-8")
    with pytest.raises(HpcmbalError, match=r"'bpgenc -m 9 .* failed with code 3: unsupported colour"):
        BPG.code(photograph, 0)


def test_a_program_that_writes_nothing_has_failed(photograph: np.ndarray, stand_ins: Path) -> None:
    (stand_ins.parent / "bpgdec").write_text("#!/bin/sh\n", encoding="utf-8")
    with pytest.raises(HpcmbalError, match=r"'bpgdec .* failed with code 0"):
        BPG.code(photograph, 0)


@pytest.mark.parametrize("anchor", PROGRAM_ANCHORS, ids=lambda anchor: anchor.name)
def test_external_programs_round_trip(photograph: np.ndarray, anchor: ProgramAnchor) -> None:
    if shutil.which(anchor.encode[0]) is None:
        pytest.skip(f"needs the program {anchor.encode[0]}")
    samples = [measure(anchor, photograph, point) for point in (0, 7)]
    assert samples[0][BPP] < samples[1][BPP]
    assert samples[0][PSNR] + 5 < samples[1][PSNR]
    assert "{quality}" in anchor.describe()["encode_command"]
