"""VVC's reference software VTM, through its own programs."""

from __future__ import annotations

import os
import shutil
from dataclasses import dataclass
from pathlib import Path

from hpcmbal.errors import SettingsError
from hpcmbal.evaluation.codecs.quality_scale import QualityScale
from hpcmbal.evaluation.codecs.video_anchor import FrameFiles, VideoAnchor

CONFIG_VARIABLE = "HPCMBAL_VTM_CONFIG"
"""Names VTM's encoder_intra_vtm.cfg, if it does not lie in ../cfg or beside the program."""


@dataclass(frozen=True)
class VtmAnchor(VideoAnchor):
    """All intra, 4:4:4, 10 bits, as DCVC's repository documents it for its comparisons."""

    def check(self) -> None:
        """Find the programs and the configuration; see `QualityAnchor`."""
        self.commands(self.files(Path()), "64x64", "32")

    def program(self) -> str:
        """See `VideoAnchor`."""
        return _found("EncoderApp")

    def commands(self, files: FrameFiles, size: str, quality: str) -> tuple[list[str], list[str]]:
        """See `VideoAnchor`."""
        encoder, decoder = self.program(), _found("DecoderApp")
        width, _, height = size.partition("x")
        encode = [
            *(encoder, "-c", _config(Path(encoder).resolve().parent)),
            *(f"--InputFile={files.source}", f"--BitstreamFile={files.coded}", "--ReconFile="),
            *("--InputBitDepth=10", "--OutputBitDepth=10", "--OutputBitDepthC=10", "--InputChromaFormat=444"),
            *("--FrameRate=1", "--FramesToBeEncoded=1", "--IntraPeriod=1", "--DecodingRefreshType=2", "--Level=6.2"),
            *(f"--SourceWidth={width}", f"--SourceHeight={height}", f"--QP={quality}"),
        ]
        return encode, [decoder, "-b", files.coded, "-o", files.decoded, "-d", "10"]


VTM = VtmAnchor(
    "VTM",
    r"VTM Encoder Version \[?([^\]\s]+)",
    "4:4:4",
    "vvc",
    name="vtm",
    qualities=(47.0, 42.0, 37.0, 32.0, 27.0, 22.0, 17.0, 12.0),
    scale=QualityScale(63, 0),
    quality_name="QP",
)


def _found(name: str) -> str:
    path = shutil.which(name) or shutil.which(f"{name}Static")
    if path is None:
        raise SettingsError(
            f"The anchor 'vtm' needs VTM's program '{name}' (or '{name}Static'), which is not in PATH. Install it, or "
            "take the anchor 'vvc'."
        )
    return path


def _config(beside: Path) -> str:
    wanted = os.environ.get(CONFIG_VARIABLE)
    places = [beside.parent / "cfg", beside]
    configs = [Path(wanted)] if wanted else [place / "encoder_intra_vtm.cfg" for place in places]
    config = next((path for path in configs if path.is_file()), None)
    if config is None:
        raise SettingsError(
            f"The anchor 'vtm' needs VTM's encoder_intra_vtm.cfg, which is not at {' or '.join(map(str, configs))}. "
            f"Name it in the variable {CONFIG_VARIABLE}."
        )
    return str(config)
