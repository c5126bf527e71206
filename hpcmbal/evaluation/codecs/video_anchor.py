"""Video codecs as image codecs: one frame, all intra, through ffmpeg or through VTM's own programs.

The frame that is measured is the one that the decoder makes of the file, never the encoder's reconstruction. The exact
command lines, the versions and the program's hash are in the results.
"""

from __future__ import annotations

import os
import re
import shutil
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from hpcmbal.errors import SettingsError
from hpcmbal.evaluation.codecs.colour import MATRIX, Chroma, frame_size, from_frame, to_frame
from hpcmbal.evaluation.codecs.image_codec import CodedImage
from hpcmbal.evaluation.codecs.quality_scale import QualityScale
from hpcmbal.evaluation.programs import ffmpeg_version, file_hash, find_ffmpeg, run_program

if TYPE_CHECKING:
    from hpcmbal.images.rgb_image import RgbImage

VTM_CONFIG_VARIABLE = "HPCMBAL_VTM_CONFIG"
"""Names VTM's encoder_intra_vtm.cfg, if it does not lie in ../cfg or beside the program."""

_PIXEL_FORMATS: Mapping[Chroma, str] = {"4:4:4": "yuv444p10le", "4:2:0": "yuv420p10le"}


@dataclass(frozen=True)
class VideoCodec:
    """How a video codec codes one frame.

    Attributes:
        chroma: Of the frames that it is given; 4:2:0 where its encoder takes nothing else.
        encoder: ffmpeg's encoder; empty for VTM.
        options: Of the encoder; `{quality}` is filled in.
        container: ffmpeg's name of the plain bitstream without a container, and the file's extension.
        decoder: ffmpeg's decoder.
        version: Finds the encoder's version in what a run says.
        qualities: The operating points.
        scale: Everything that may be asked for.
        quality_name: What the quality is called.
    """

    chroma: Chroma
    encoder: str
    options: tuple[str, ...]
    container: str
    decoder: str
    version: str
    qualities: tuple[float, ...]
    scale: QualityScale
    quality_name: str = "QP"


_QPS = (47.0, 42.0, 37.0, 32.0, 27.0, 22.0, 17.0, 12.0)
_CRFS = (62.0, 55.0, 47.0, 39.0, 31.0, 23.0, 15.0, 7.0)

_X265 = "qp={quality}:keyint=1:psy-rd=0:psy-rdoq=0:aq-mode=0:pools=none:frame-threads=1:wpp=0:info=0"
_VVC = VideoCodec(
    "4:2:0",
    "libvvenc",
    # Without -qpa 0 the encoder tunes for looks and loses PSNR.
    ("-preset", "medium", "-qp", "{quality}", "-qpa", "0", "-threads", "1"),
    "vvc",
    "vvc",
    r"libvvenc version: (\S+)",
    _QPS,
    QualityScale(63, 0),
)

VIDEO_CODECS: Mapping[str, VideoCodec] = {
    "vvc": _VVC,
    "vvc-slow": VideoCodec(**{**_VVC.__dict__, "options": ("-preset", "slower", *_VVC.options[2:])}),
    "x265": VideoCodec(
        "4:4:4",
        "libx265",
        ("-preset", "placebo", "-threads", "1", "-x265-params", _X265),
        "hevc",
        "hevc",
        r"HEVC encoder version (\S+)",
        (44.0, 40.0, 36.0, 32.0, 28.0, 24.0, 20.0, 16.0),
        QualityScale(51, 0),
    ),
    "aom": VideoCodec(
        "4:4:4",
        "libaom-av1",
        (
            *("-still-picture", "1", "-usage", "allintra", "-cpu-used", "2", "-crf", "{quality}", "-b:v", "0"),
            *("-tune", "psnr", "-threads", "1"),
        ),
        "obu",
        "libdav1d",
        r"libaom-av1 @ [^\]]*\] v?(\d\S+)",
        _CRFS,
        QualityScale(63, 0),
        "CRF",
    ),
    "svt-av1": VideoCodec(
        "4:2:0",
        "libsvtav1",
        ("-preset", "0", "-crf", "{quality}", "-svtav1-params", "tune=1:lp=1:avif=1"),
        "obu",
        "libdav1d",
        r"SVT-AV1 Encoder Lib (\S+)",
        _CRFS,
        QualityScale(63, 1),
        "CRF",
    ),
    "vtm": VideoCodec("4:4:4", "", (), "vvc", "", r"VTM Encoder Version \[?([^\]\s]+)", _QPS, QualityScale(63, 0)),
}
"""The video codecs, by the name on the command line."""


@dataclass(frozen=True)
class VideoAnchor:
    """One of `VIDEO_CODECS` as an `ImageCodec`.

    Raises:
        SettingsError: There is no such anchor, its program is not installed, or the ffmpeg that was found lacks it.
        MissingExtraError: There is no ffmpeg.
    """

    name: str
    qualities: tuple[float, ...] = ()
    _programs: tuple[str, ...] = field(default=(), repr=False)

    def __post_init__(self) -> None:
        """Fill in the qualities, and find the programs now."""
        if self.name not in VIDEO_CODECS:
            raise SettingsError(f"No video codec '{self.name}'. Choose from: {', '.join(VIDEO_CODECS)}.")
        codec = VIDEO_CODECS[self.name]
        if not self.qualities:
            object.__setattr__(self, "qualities", codec.qualities)
        object.__setattr__(self, "_programs", _vtm_programs() if self.name == "vtm" else _ffmpeg_for(self.name, codec))

    @property
    def points(self) -> Sequence[str]:
        """The qualities, in words."""
        return [f"{VIDEO_CODECS[self.name].quality_name} {quality:g}" for quality in self.qualities]

    @property
    def in_processes(self) -> bool:
        """Yes: every encoder is told to use one thread."""
        return True

    @property
    def scale(self) -> QualityScale:
        """All qualities of the codec."""
        return VIDEO_CODECS[self.name].scale

    def describe(self) -> dict[str, object]:
        """Versions, hash, colour and command lines, in which files and programs are without their folders."""
        codec = VIDEO_CODECS[self.name]
        encode, decode = self._commands("WIDTHxHEIGHT", "QUALITY", Path(f"coded.{codec.container}"), Path())
        program = self._programs[0]
        return {
            "codec": self.name,
            "encoder": _encoder_version(self.name, self._programs),
            "program": Path(program).name if codec.encoder == "" else ffmpeg_version(program),
            "program_sha256": file_hash(program),
            "encode_command": _shown(encode),
            "decode_command": _shown(decode),
            "chroma": codec.chroma,
            "colour": MATRIX,
            "container": "none: the bytes of the plain bitstream",
            "qualities": list(self.qualities),
            "quality_scale": f"{codec.quality_name}, lower is better",
        }

    def code(self, image: RgbImage, point: int) -> CodedImage:
        """Through raw frames in a temporary folder; times include starting the programs."""
        return self.code_at(image, self.qualities[point])

    def code_at(self, image: RgbImage, quality: float) -> CodedImage:
        """At any quality, not only one of the points."""
        codec = VIDEO_CODECS[self.name]
        height, width = image.shape[:2]
        frame_width, frame_height = frame_size(width, height)
        with tempfile.TemporaryDirectory(prefix="hpcmbal-") as name:
            folder = Path(name)
            coded, decoded = folder / f"coded.{codec.container}", folder / "decoded.yuv"
            encode, decode = self._commands(f"{frame_width}x{frame_height}", f"{quality:g}", coded, folder)
            (folder / "source.yuv").write_bytes(to_frame(image, codec.chroma))
            start = time.perf_counter()
            run_program(encode, coded)
            encoded = time.perf_counter()
            run_program(decode, decoded)
            finished = time.perf_counter()
            pixels = from_frame(decoded.read_bytes(), width, height, codec.chroma)
            return CodedImage(pixels, coded.stat().st_size, encoded - start, finished - encoded)

    def _commands(self, size: str, quality: str, coded: Path, folder: Path) -> tuple[list[str], list[str]]:
        codec = VIDEO_CODECS[self.name]
        source, decoded = str(folder / "source.yuv"), str(folder / "decoded.yuv")
        if self.name == "vtm":
            return _vtm_commands(self._programs, size, quality, (source, str(coded), decoded))
        (ffmpeg,) = self._programs
        raw = ("-f", "rawvideo", "-pix_fmt", _PIXEL_FORMATS[codec.chroma])
        quiet = (ffmpeg, "-hide_banner", "-nostdin", "-y")
        options = [option.replace("{quality}", quality) for option in codec.options]
        encode = [
            *(*quiet, *raw, "-s", size, "-i", source, "-frames:v", "1", "-c:v", codec.encoder, *options),
            *("-f", codec.container, str(coded)),
        ]
        decode = [*quiet, "-threads", "1", "-c:v", codec.decoder, "-i", str(coded), "-frames:v", "1", *raw, decoded]
        return encode, decode


def _vtm_commands(
    programs: tuple[str, ...], size: str, quality: str, files: tuple[str, str, str]
) -> tuple[list[str], list[str]]:
    """All intra, 4:4:4, 10 bits, as DCVC's repository documents it for its comparisons."""
    encoder, decoder, config = programs
    (source, coded, decoded), (width, _, height) = files, size.partition("x")
    encode = [
        *(encoder, "-c", config, f"--InputFile={source}", f"--BitstreamFile={coded}", "--ReconFile="),
        *("--InputBitDepth=10", "--OutputBitDepth=10", "--OutputBitDepthC=10", "--InputChromaFormat=444"),
        *("--FrameRate=1", "--FramesToBeEncoded=1", "--IntraPeriod=1", "--DecodingRefreshType=2", "--Level=6.2"),
        *(f"--SourceWidth={width}", f"--SourceHeight={height}", f"--QP={quality}"),
    ]
    return encode, [decoder, "-b", coded, "-o", decoded, "-d", "10"]


def _vtm_programs() -> tuple[str, str, str]:
    found = []
    for name in ("EncoderApp", "DecoderApp"):
        path = shutil.which(name) or shutil.which(f"{name}Static")
        if path is None:
            raise SettingsError(
                f"The anchor 'vtm' needs VTM's program '{name}' (or '{name}Static'), which is not in PATH. Install "
                "it, or take the anchor 'vvc'."
            )
        found.append(path)
    beside = Path(found[0]).resolve().parent
    places = [beside.parent / "cfg", beside]
    wanted = os.environ.get(VTM_CONFIG_VARIABLE)
    configs = [Path(wanted)] if wanted else [place / "encoder_intra_vtm.cfg" for place in places]
    config = next((path for path in configs if path.is_file()), None)
    if config is None:
        raise SettingsError(
            f"The anchor 'vtm' needs VTM's encoder_intra_vtm.cfg, which is not at {' or '.join(map(str, configs))}. "
            f"Name it in the variable {VTM_CONFIG_VARIABLE}."
        )
    return found[0], found[1], str(config)


def _ffmpeg_for(name: str, codec: VideoCodec) -> tuple[str]:
    ffmpeg = find_ffmpeg(f"The anchor '{name}'")
    lists = [_listed(ffmpeg, "-encoders"), _listed(ffmpeg, "-decoders")]
    for coder, known in zip((codec.encoder, codec.decoder), lists, strict=True):
        if coder not in known:
            raise SettingsError(
                f"The anchor '{name}' needs an ffmpeg with {coder}; {ffmpeg} was built without it. Install the extra: "
                "pip install 'hpcmbal[video]'."
            )
    return (ffmpeg,)


@cache
def _listed(ffmpeg: str, kind: str) -> frozenset[str]:
    said = run_program([ffmpeg, "-hide_banner", kind])
    return frozenset(parts[1] for line in said.splitlines() if len(parts := line.split()) > 1)


@cache
def _encoder_version(name: str, programs: tuple[str, ...]) -> str:
    """What the encoder calls itself when it codes a small gray image."""
    codec = VIDEO_CODECS[name]
    anchor = VideoAnchor(name)
    with tempfile.TemporaryDirectory(prefix="hpcmbal-") as folder:
        coded = Path(folder, f"coded.{codec.container}")
        Path(folder, "source.yuv").write_bytes(to_frame(np.full((64, 64, 3), 128, np.uint8), codec.chroma))
        encode, _ = anchor._commands("64x64", f"{codec.qualities[0]:g}", coded, Path(folder))  # noqa: SLF001 -- its own
        found = re.search(codec.version, run_program(encode, coded))
    version = found[1] if found else f"of {Path(programs[0]).name}, version not said"
    return f"{codec.encoder or 'VTM'} {version}, {codec.chroma}"


def _shown(command: Sequence[str]) -> str:
    return " ".join([Path(command[0]).name, *(Path(part).name if os.sep in part else part for part in command[1:])])
