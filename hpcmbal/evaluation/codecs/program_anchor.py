"""Anchors through programs that the user has installed, with the exact command lines in the results."""

from __future__ import annotations

import io
import shutil
import subprocess
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from hpcmbal.errors import SettingsError
from hpcmbal.evaluation.codecs.image_codec import CodedImage
from hpcmbal.evaluation.codecs.quality_scale import QualityScale
from hpcmbal.evaluation.programs import run_program
from hpcmbal.images.image_file import read_rgb

if TYPE_CHECKING:
    from hpcmbal.images.rgb_image import RgbImage


@dataclass(frozen=True)
class Program:
    """Command lines of one codec; `{source}`, `{coded}`, `{decoded}` and `{quality}` are filled in.

    Attributes:
        encode: From a PNG to the file that counts.
        decode: From that file to a PNG.
        extension: Of the file.
        qualities: The operating points.
        version: Prints the version.
        quality_scale: What the numbers of `qualities` mean.
        scale: Everything that may be asked for.
    """

    encode: tuple[str, ...]
    decode: tuple[str, ...]
    extension: str
    qualities: tuple[float, ...]
    version: tuple[str, ...]
    quality_scale: str
    scale: QualityScale


PROGRAMS: Mapping[str, Program] = {
    "bpg": Program(
        ("bpgenc", "-m", "9", "-f", "444", "-c", "ycbcr", "-e", "x265", "-q", "{quality}", "-o", "{coded}", "{source}"),
        ("bpgdec", "-o", "{decoded}", "{coded}"),
        "bpg",
        (47, 42, 37, 32, 27, 22, 17, 12),
        ("bpgenc", "-h"),
        "QP, lower is better",
        QualityScale(51, 0),
    ),
    "cjxl": Program(
        # By distance: what a quality means has changed between releases, and low ones were refused by some.
        ("cjxl", "{source}", "{coded}", "--distance={quality}", "--effort=9", "--num_threads=0", "--quiet"),
        ("djxl", "{coded}", "{decoded}", "--num_threads=0", "--quiet"),
        "jxl",
        (20, 14, 9, 6, 4, 2.5, 1.5, 0.8),
        ("cjxl", "--version"),
        "Butteraugli distance, lower is better",
        QualityScale(25, 0.1, 0.1),
    ),
}
"""The external anchors, by the name on the command line."""


@dataclass(frozen=True)
class ProgramAnchor:
    """One of `PROGRAMS` as an `ImageCodec`.

    Raises:
        SettingsError: There is no such anchor, or its programs are not installed.
    """

    name: str
    qualities: tuple[float, ...] = ()

    def __post_init__(self) -> None:
        """Fill in the qualities, and find the programs now."""
        if self.name not in PROGRAMS:
            raise SettingsError(f"No external anchor '{self.name}'. Choose from: {', '.join(PROGRAMS)}.")
        program = PROGRAMS[self.name]
        for command in (program.encode[0], program.decode[0]):
            if shutil.which(command) is None:
                raise SettingsError(
                    f"The anchor '{self.name}' needs the program '{command}', which is not in PATH. Install it, or "
                    "leave the anchor out."
                )
        if not self.qualities:
            object.__setattr__(self, "qualities", program.qualities)

    @property
    def points(self) -> Sequence[str]:
        """The qualities, in words."""
        return [f"quality {quality:g}" for quality in self.qualities]

    @property
    def in_processes(self) -> bool:
        """Yes: it holds nothing but the commands."""
        return True

    @property
    def scale(self) -> QualityScale:
        """All qualities of the program."""
        return PROGRAMS[self.name].scale

    def describe(self) -> dict[str, object]:
        """The command lines, the first line of what the program says about its version, and the qualities."""
        program = PROGRAMS[self.name]
        done = subprocess.run(program.version, capture_output=True, text=True, check=False)  # noqa: S603 -- see PROGRAMS
        return {
            "codec": self.name,
            "encoder": (done.stdout or done.stderr).strip().partition("\n")[0],
            "encode_command": " ".join(program.encode),
            "decode_command": " ".join(program.decode),
            "qualities": list(self.qualities),
            "quality_scale": program.quality_scale,
        }

    def code(self, image: RgbImage, point: int) -> CodedImage:
        """Through PNG files in a temporary folder; times include starting the programs."""
        return self.code_at(image, self.qualities[point])

    def code_at(self, image: RgbImage, quality: float) -> CodedImage:
        """At any quality, not only one of the points."""
        program = PROGRAMS[self.name]
        with tempfile.TemporaryDirectory(prefix="hpcmbal-") as folder:
            source, decoded = Path(folder, "source.png"), Path(folder, "decoded.png")
            coded = Path(folder, f"coded.{program.extension}")
            source.write_bytes(_png(image))
            places = {"source": source, "coded": coded, "decoded": decoded, "quality": f"{quality:g}"}
            start = time.perf_counter()
            run_program([part.format(**places) for part in program.encode], coded)
            encoded = time.perf_counter()
            run_program([part.format(**places) for part in program.decode], decoded)
            finished = time.perf_counter()
            return CodedImage(read_rgb(decoded), coded.stat().st_size, encoded - start, finished - encoded)


def _png(image: RgbImage) -> bytes:
    from PIL import Image

    stream = io.BytesIO()
    Image.fromarray(image).save(stream, "PNG", compress_level=1)
    return stream.getvalue()
