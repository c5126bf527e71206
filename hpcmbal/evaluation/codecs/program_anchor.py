"""Anchors through programs that the user has installed, with the exact command lines in the results."""

from __future__ import annotations

import io
import shutil
import subprocess
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from hpcmbal.errors import SettingsError
from hpcmbal.evaluation.codecs.image_codec import CodedImage
from hpcmbal.evaluation.codecs.quality_anchor import QualityAnchor
from hpcmbal.evaluation.codecs.quality_scale import QualityScale
from hpcmbal.evaluation.programs import run_program
from hpcmbal.images.image_file import read_rgb

if TYPE_CHECKING:
    from hpcmbal.images.rgb_image import RgbImage


@dataclass(frozen=True)
class ProgramAnchor(QualityAnchor):
    """Command lines of one codec; `{source}`, `{coded}`, `{decoded}` and `{quality}` are filled in.

    Attributes:
        encode: From a PNG to the file that counts.
        decode: From that file to a PNG.
        extension: Of the file.
        version: Prints the version.
        quality_scale: What the numbers of `qualities` mean.
    """

    encode: tuple[str, ...]
    decode: tuple[str, ...]
    extension: str
    version: tuple[str, ...]
    quality_scale: str

    def check(self) -> None:
        """Find the programs; see `QualityAnchor`."""
        for command in (self.encode[0], self.decode[0]):
            if shutil.which(command) is None:
                raise SettingsError(
                    f"The anchor '{self.name}' needs the program '{command}', which is not in PATH. Install it, or "
                    "leave the anchor out."
                )

    def describe(self) -> dict[str, object]:
        """The command lines, the first line of what the program says about its version, and the qualities."""
        done = subprocess.run(self.version, capture_output=True, text=True, check=False)  # noqa: S603 -- see PROGRAM_ANCHORS
        return {
            "codec": self.name,
            "encoder": (done.stdout or done.stderr).strip().partition("\n")[0],
            "encode_command": " ".join(self.encode),
            "decode_command": " ".join(self.decode),
            "qualities": list(self.qualities),
            "quality_scale": self.quality_scale,
        }

    def code_at(self, image: RgbImage, quality: float) -> CodedImage:
        """Through PNG files in a temporary folder; times include starting the programs."""
        with tempfile.TemporaryDirectory(prefix="hpcmbal-") as folder:
            source, decoded = Path(folder, "source.png"), Path(folder, "decoded.png")
            coded = Path(folder, f"coded.{self.extension}")
            source.write_bytes(_png(image))
            places = {"source": source, "coded": coded, "decoded": decoded, "quality": f"{quality:g}"}
            start = time.perf_counter()
            run_program([part.format(**places) for part in self.encode], coded)
            encoded = time.perf_counter()
            run_program([part.format(**places) for part in self.decode], decoded)
            finished = time.perf_counter()
            return CodedImage(read_rgb(decoded), coded.stat().st_size, encoded - start, finished - encoded)


PROGRAM_ANCHORS = (
    ProgramAnchor(
        ("bpgenc", "-m", "9", "-f", "444", "-c", "ycbcr", "-e", "x265", "-q", "{quality}", "-o", "{coded}", "{source}"),
        ("bpgdec", "-o", "{decoded}", "{coded}"),
        "bpg",
        ("bpgenc", "-h"),
        "QP, lower is better",
        name="bpg",
        qualities=(47, 42, 37, 32, 27, 22, 17, 12),
        scale=QualityScale(51, 0),
    ),
    ProgramAnchor(
        # By distance: what a quality means has changed between releases, and low ones were refused by some.
        ("cjxl", "{source}", "{coded}", "--distance={quality}", "--effort=9", "--num_threads=0", "--quiet"),
        ("djxl", "{coded}", "{decoded}", "--num_threads=0", "--quiet"),
        "jxl",
        ("cjxl", "--version"),
        "Butteraugli distance, lower is better",
        name="cjxl",
        qualities=(20, 14, 9, 6, 4, 2.5, 1.5, 0.8),
        scale=QualityScale(25, 0.1, 0.1),
    ),
)


def _png(image: RgbImage) -> bytes:
    from PIL import Image

    stream = io.BytesIO()
    Image.fromarray(image).save(stream, "PNG", compress_level=1)
    return stream.getvalue()
