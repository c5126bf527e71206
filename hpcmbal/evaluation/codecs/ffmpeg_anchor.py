"""Video codecs through ffmpeg."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cache

from hpcmbal.errors import SettingsError
from hpcmbal.evaluation.codecs.colour import Chroma
from hpcmbal.evaluation.codecs.quality_scale import QualityScale
from hpcmbal.evaluation.codecs.video_anchor import FrameFiles, VideoAnchor
from hpcmbal.evaluation.programs import ffmpeg_version, find_ffmpeg, run_program

_PIXEL_FORMATS: Mapping[Chroma, str] = {"4:4:4": "yuv444p10le", "4:2:0": "yuv420p10le"}


@dataclass(frozen=True)
class FfmpegAnchor(VideoAnchor):
    """How ffmpeg codes one frame; `encoder` and `extension` are its names of the encoder and of the bitstream.

    Attributes:
        decoder: Its name of the decoder.
        options: Of the encoder; `{quality}` is filled in.
    """

    decoder: str
    options: tuple[str, ...]

    def check(self) -> None:
        """Find ffmpeg, and both coders in it; see `QualityAnchor`."""
        ffmpeg = self.program()
        for coder, kind in ((self.encoder, "-encoders"), (self.decoder, "-decoders")):
            if coder not in _listed(ffmpeg, kind):
                raise SettingsError(
                    f"The anchor '{self.name}' needs an ffmpeg with {coder}; {ffmpeg} was built without it. Install "
                    "the extra: pip install 'hpcmbal[video]'."
                )

    def program(self) -> str:
        """See `VideoAnchor`."""
        return find_ffmpeg(f"The anchor '{self.name}'")

    def program_version(self) -> str:
        """See `VideoAnchor`."""
        return ffmpeg_version(self.program())

    def commands(self, files: FrameFiles, size: str, quality: str) -> tuple[list[str], list[str]]:
        """See `VideoAnchor`."""
        raw = ("-f", "rawvideo", "-pix_fmt", _PIXEL_FORMATS[self.chroma])
        quiet = (self.program(), "-hide_banner", "-nostdin", "-y")
        options = [option.replace("{quality}", quality) for option in self.options]
        encode = [
            *(*quiet, *raw, "-s", size, "-i", files.source, "-frames:v", "1", "-c:v", self.encoder, *options),
            *("-f", self.extension, files.coded),
        ]
        decode = [*quiet, "-threads", "1", "-c:v", self.decoder, "-i", files.coded, "-frames:v", "1", *raw]
        return encode, [*decode, files.decoded]


_CRFS = (62.0, 55.0, 47.0, 39.0, 31.0, 23.0, 15.0, 7.0)

_X265 = "qp={quality}:keyint=1:psy-rd=0:psy-rdoq=0:aq-mode=0:pools=none:frame-threads=1:wpp=0:info=0"
_VVC = FfmpegAnchor(
    "libvvenc",
    r"libvvenc version: (\S+)",
    "4:2:0",
    "vvc",
    "vvc",
    # Without -qpa 0 the encoder tunes for looks and loses PSNR.
    ("-preset", "medium", "-qp", "{quality}", "-qpa", "0", "-threads", "1"),
    name="vvc",
    qualities=(47.0, 42.0, 37.0, 32.0, 27.0, 22.0, 17.0, 12.0),
    scale=QualityScale(63, 0),
    quality_name="QP",
)

FFMPEG_ANCHORS = (
    _VVC,
    replace(_VVC, name="vvc-slow", options=("-preset", "slower", *_VVC.options[2:])),
    FfmpegAnchor(
        "libx265",
        r"HEVC encoder version (\S+)",
        "4:4:4",
        "hevc",
        "hevc",
        ("-preset", "placebo", "-threads", "1", "-x265-params", _X265),
        name="x265",
        qualities=(44.0, 40.0, 36.0, 32.0, 28.0, 24.0, 20.0, 16.0),
        scale=QualityScale(51, 0),
        quality_name="QP",
    ),
    FfmpegAnchor(
        "libaom-av1",
        r"libaom-av1 @ [^\]]*\] v?(\d\S+)",
        "4:4:4",
        "obu",
        "libdav1d",
        (
            *("-still-picture", "1", "-usage", "allintra", "-cpu-used", "2", "-crf", "{quality}", "-b:v", "0"),
            *("-tune", "psnr", "-threads", "1"),
        ),
        name="aom",
        qualities=_CRFS,
        scale=QualityScale(63, 0),
        quality_name="CRF",
    ),
    FfmpegAnchor(
        "libsvtav1",
        r"SVT-AV1 Encoder Lib (\S+)",
        "4:2:0",
        "obu",
        "libdav1d",
        ("-preset", "0", "-crf", "{quality}", "-svtav1-params", "tune=1:lp=1:avif=1"),
        name="svt-av1",
        qualities=_CRFS,
        scale=QualityScale(63, 1),
        quality_name="CRF",
    ),
)


@cache
def _listed(ffmpeg: str, kind: str) -> frozenset[str]:
    said = run_program([ffmpeg, "-hide_banner", kind])
    return frozenset(parts[1] for line in said.splitlines() if len(parts := line.split()) > 1)
