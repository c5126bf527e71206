"""Coverage-guided fuzzing of parser and decoder, for a long run by hand.

Install atheris, then:

    python benchmarks/fuzz_codec.py tests/golden/files -max_total_time=3600 -timeout=2
"""

from __future__ import annotations

import runpy
import sys
from dataclasses import replace
from pathlib import Path

import atheris

with atheris.instrument_imports(include=["hpcmbal"]):
    from hpcmbal.codec.bitstream import read_container
    from hpcmbal.codec.codec import decompress_container
    from hpcmbal.codec.codec_model import CodecModel
    from hpcmbal.core.entropy.segments import Segment
    from hpcmbal.errors import BitstreamError

TESTS = Path(__file__).resolve().parents[1] / "tests"
MODEL = CodecModel(runpy.run_path(str(TESTS / "golden" / "tiny_model.py"))["tiny_model"](), "golden-tiny")


def one_input(data: bytes) -> None:
    """Parse; decode what parses, and decode it without the checksums of symbols, too."""
    try:
        container = read_container(data, allow_truncated=True, pixel_limit=1 << 16)
        container = replace(container, header=replace(container.header, model_id=MODEL.model_id))
        decompress_container(replace(container, segments=tuple(Segment(s.data) for s in container.segments)), MODEL)
        decompress_container(container, MODEL)
    except BitstreamError:
        return


if __name__ == "__main__":
    atheris.Setup(sys.argv, one_input)
    atheris.Fuzz()
