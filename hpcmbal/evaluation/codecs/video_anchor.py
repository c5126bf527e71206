"""Video codecs as image codecs: one frame, all intra, through an encoder's and a decoder's program.

The frame that is measured is the one that the decoder makes of the file, never the encoder's reconstruction. The exact
command lines, the versions and the program's hash are in the results.
"""

from __future__ import annotations

import os
import re
import tempfile
import time
from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from hpcmbal.evaluation.codecs.colour import MATRIX, Chroma, frame_size, from_frame, to_frame
from hpcmbal.evaluation.codecs.image_codec import CodedImage
from hpcmbal.evaluation.codecs.quality_anchor import QualityAnchor
from hpcmbal.evaluation.programs import program_hash, run_program

if TYPE_CHECKING:
    from hpcmbal.images.rgb_image import RgbImage


class FrameFiles(NamedTuple):
    """Paths of the raw frames, and of the file that counts."""

    source: str
    coded: str
    decoded: str


@dataclass(frozen=True)
class VideoAnchor(QualityAnchor):
    """A video codec that codes one frame.

    Attributes:
        encoder: What it is called.
        version: Finds the encoder's version in what a run says.
        chroma: Of the frames that it is given; 4:2:0 where its encoder takes nothing else.
        extension: Of the plain bitstream without a container.
    """

    encoder: str
    version: str
    chroma: Chroma
    extension: str

    @abstractmethod
    def program(self) -> str:
        """The encoder's path."""

    def program_version(self) -> str:
        """What the program is called, beside its hash."""
        return Path(self.program()).name

    @abstractmethod
    def commands(self, files: FrameFiles, size: str, quality: str) -> tuple[list[str], list[str]]:
        """Command lines that encode and decode a frame of `size`, in the form `640x480`."""

    def files(self, folder: Path) -> FrameFiles:
        """What the commands read and write in a folder."""
        return FrameFiles(*(str(folder / name) for name in ("source.yuv", f"coded.{self.extension}", "decoded.yuv")))

    def describe(self) -> dict[str, object]:
        """Versions, hash, colour and command lines, in which files and programs are without their folders."""
        encode, decode = self.commands(self.files(Path()), "WIDTHxHEIGHT", "QUALITY")
        program = self.program()
        return {
            "codec": self.name,
            "encoder": _encoder_version(self, program),
            "program": self.program_version(),
            "program_sha256": program_hash(program),
            "encode_command": _shown(encode),
            "decode_command": _shown(decode),
            "chroma": self.chroma,
            "colour": MATRIX,
            "container": "none: the bytes of the plain bitstream",
            "qualities": list(self.qualities),
            "quality_scale": f"{self.quality_name}, lower is better",
        }

    def code_at(self, image: RgbImage, quality: float) -> CodedImage:
        """Through raw frames in a temporary folder; times include starting the programs."""
        height, width = image.shape[:2]
        frame_width, frame_height = frame_size(width, height)
        with tempfile.TemporaryDirectory(prefix="hpcmbal-") as folder:
            files = self.files(Path(folder))
            coded, decoded = Path(files.coded), Path(files.decoded)
            encode, decode = self.commands(files, f"{frame_width}x{frame_height}", f"{quality:g}")
            Path(files.source).write_bytes(to_frame(image, self.chroma))
            start = time.perf_counter()
            run_program(encode, coded)
            encoded = time.perf_counter()
            run_program(decode, decoded)
            finished = time.perf_counter()
            pixels = from_frame(decoded.read_bytes(), width, height, self.chroma)
            return CodedImage(pixels, coded.stat().st_size, encoded - start, finished - encoded)


@cache
def _encoder_version(anchor: VideoAnchor, program: str) -> str:
    """What the encoder calls itself when it codes a small gray image."""
    with tempfile.TemporaryDirectory(prefix="hpcmbal-") as folder:
        files = anchor.files(Path(folder))
        Path(files.source).write_bytes(to_frame(np.full((64, 64, 3), 128, np.uint8), anchor.chroma))
        encode, _ = anchor.commands(files, "64x64", f"{anchor.qualities[0]:g}")
        found = re.search(anchor.version, run_program(encode, Path(files.coded)))
    version = found[1] if found else f"of {Path(program).name}, version not said"
    return f"{anchor.encoder} {version}, {anchor.chroma}"


def _shown(command: Sequence[str]) -> str:
    return " ".join([Path(command[0]).name, *(Path(part).name if os.sep in part else part for part in command[1:])])
