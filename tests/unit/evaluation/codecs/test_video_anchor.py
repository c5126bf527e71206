"""Video codecs: frames that lose nothing but chroma, the decoder's pixels, and command lines as they were run."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from skimage.data import chelsea

from hpcmbal.errors import HpcmbalError, MissingExtraError, SettingsError
from hpcmbal.evaluation import programs
from hpcmbal.evaluation.codecs.colour import KB, KR, frame_size, from_frame, to_frame
from hpcmbal.evaluation.codecs.ffmpeg_anchor import FFMPEG_ANCHORS, FfmpegAnchor
from hpcmbal.evaluation.codecs.image_codec import measure
from hpcmbal.evaluation.codecs.selection import build_anchor
from hpcmbal.evaluation.codecs.vtm_anchor import CONFIG_VARIABLE, VTM
from hpcmbal.evaluation.curves.curve import BPP, PSNR
from hpcmbal.images.psnr import psnr_db

WITH_FFMPEG = [
    pytest.param(anchor, marks=[] if anchor.name == "vvc" else [pytest.mark.slow], id=anchor.name)
    for anchor in FFMPEG_ANCHORS
]


@pytest.fixture(scope="module")
def photograph() -> np.ndarray:
    """Of odd sides: frames are padded, and pictures cut out again."""
    return np.ascontiguousarray(chelsea()[40:131, 100:217])


@pytest.mark.parametrize("size", [(8, 8), (91, 117), (64, 64), (1, 300)])
def test_a_frame_in_444_loses_nothing(size: tuple[int, int]) -> None:
    image = np.random.default_rng(1).integers(0, 256, (*size, 3), dtype=np.uint8)
    assert (from_frame(to_frame(image, "4:4:4"), size[1], size[0], "4:4:4") == image).all()


def test_colours_are_those_of_bt_709() -> None:
    """Luma of the primaries, and chroma that is neutral for gray and at its ends for blue and red."""
    for colour, luma in (((255, 0, 0), KR), ((0, 255, 0), 1 - KR - KB), ((0, 0, 255), KB), ((255, 255, 255), 1.0)):
        frame = np.frombuffer(to_frame(np.full((64, 64, 3), colour, np.uint8), "4:2:0"), "<u2")
        assert frame[0] == round(1023 * luma)
        cb, cr = int(frame[64 * 64]), int(frame[-1])
        assert (cb == 1023) == (colour == (0, 0, 255))
        assert (cr == 1023) == (colour == (255, 0, 0))
        assert (cb == cr == 512) == (colour == (255, 255, 255))


def test_a_frame_in_420_keeps_gray_and_most_of_a_photograph(photograph: np.ndarray) -> None:
    height, width = photograph.shape[:2]
    gray = np.repeat(photograph[..., :1], 3, axis=2)
    assert (from_frame(to_frame(gray, "4:2:0"), width, height, "4:2:0") == gray).all()
    found = from_frame(to_frame(photograph, "4:2:0"), width, height, "4:2:0")
    assert 40 < psnr_db(photograph, found) < 60


def test_a_frame_of_another_size_is_refused(photograph: np.ndarray) -> None:
    data = to_frame(photograph, "4:2:0")
    with pytest.raises(HpcmbalError, match=r"returned 11,519 bytes; a frame of 120x96 in 4:2:0 has"):
        from_frame(data[:11519], 117, 91, "4:2:0")
    assert len(data) == 2 * 120 * 96 * 3 // 2
    assert frame_size(117, 91) == (120, 96)


@pytest.mark.parametrize("codec", WITH_FFMPEG)
def test_real_codecs_round_trip(photograph: np.ndarray, codec: FfmpegAnchor) -> None:
    pytest.importorskip("imageio_ffmpeg", reason="video codecs need the extra 'video'")
    anchor = replace(codec, qualities=(codec.qualities[2], codec.qualities[-2]))
    low, high = (measure(anchor, photograph, point) for point in (0, 1))
    assert 0.01 < low[BPP] < high[BPP] < 8
    assert 22 < low[PSNR] < high[PSNR] - 5
    described = anchor.describe()
    assert codec.chroma in described["encoder"]
    assert any(letter.isdigit() for letter in described["encoder"].partition(" ")[2].partition(",")[0])
    assert f"-c:v {codec.encoder}" in described["encode_command"]
    assert os.sep not in described["encode_command"]
    assert len(described["program_sha256"]) == 16


@pytest.mark.slow
@pytest.mark.parametrize("codec", WITH_FFMPEG)
def test_the_best_quality_is_limited_by_chroma_alone(photograph: np.ndarray, codec: FfmpegAnchor) -> None:
    """A wrong matrix, range or order of planes would cost tens of dB at once."""
    pytest.importorskip("imageio_ffmpeg", reason="video codecs need the extra 'video'")
    best = measure(replace(codec, qualities=(codec.scale.highest + 2,)), photograph, 0)
    assert best[PSNR] > (45 if codec.chroma == "4:4:4" else 40)


def test_without_ffmpeg_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(programs.shutil, "which", lambda _: None)
    monkeypatch.setitem(__import__("sys").modules, "imageio_ffmpeg", None)
    programs.find_ffmpeg.cache_clear()
    with pytest.raises(MissingExtraError, match=r"The anchor 'vvc' needs the optional extra 'video'"):
        build_anchor("vvc")
    programs.find_ffmpeg.cache_clear()


def test_an_ffmpeg_without_the_encoder_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    stand_in = tmp_path / "ffmpeg"
    stand_in.write_text("#!/bin/sh\necho ' V..... libx264 H.264'\n", encoding="utf-8")
    stand_in.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setitem(__import__("sys").modules, "imageio_ffmpeg", None)
    programs.find_ffmpeg.cache_clear()
    with pytest.raises(SettingsError, match=r"'vvc' needs an ffmpeg with libvvenc; .*ffmpeg was built without it"):
        build_anchor("vvc")
    programs.find_ffmpeg.cache_clear()


@pytest.fixture
def vtm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Stand-ins for VTM's programs that copy the frame, and write down how they were called."""
    folder, calls = tmp_path / "bin", tmp_path / "calls"
    folder.mkdir()
    copy = 'for a in "$@"; do case $a in --InputFile=*) i=${a#*=};; --BitstreamFile=*) o=${a#*=};; esac; done; cp $i $o'
    bodies = {"EncoderAppStatic": f"echo 'VTM: VTM Encoder Version [23.4]'; {copy}", "DecoderAppStatic": "cp $2 $4"}
    for program, body in bodies.items():
        path = folder / program
        path.write_text(f'#!/bin/sh\necho "$0 $*" >> {calls}\n{body}\n', encoding="utf-8")
        path.chmod(0o755)
    monkeypatch.setenv("PATH", str(folder), prepend=os.pathsep)
    (tmp_path / "cfg").mkdir()
    (tmp_path / "cfg" / "encoder_intra_vtm.cfg").touch()
    return calls


def test_vtm_codes_444_in_10_bits(photograph: np.ndarray, vtm: Path) -> None:
    anchor = replace(VTM, qualities=(32.0,))
    assert anchor.describe()["encoder"] == "VTM 23.4, 4:4:4"
    sample = measure(anchor, photograph, 0)
    assert sample[PSNR] == np.inf
    encode, decode = vtm.read_text(encoding="utf-8").splitlines()[-2:]
    for part in ("--InputChromaFormat=444", "--InputBitDepth=10", "--SourceWidth=120", "--SourceHeight=96", "--QP=32"):
        assert part in encode.split()
    assert decode.endswith("decoded.yuv -d 10")


def test_vtm_without_its_configuration_says_where_it_was_sought(
    vtm: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(CONFIG_VARIABLE, str(tmp_path / "nowhere.cfg"))
    with pytest.raises(SettingsError, match=r"encoder_intra_vtm\.cfg, which is not at .*nowhere\.cfg"):
        build_anchor("vtm")


def test_a_program_that_hangs_is_ended() -> None:
    with pytest.raises(HpcmbalError, match=r"'sleep 20' did not end within 0.2 seconds"):
        programs.run_program(["sleep", "20"], timeout=0.2)
