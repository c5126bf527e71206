"""Hostile files: an error that names the problem, or a picture; never a crash, a hang or another exception.

A longer run outside CI: benchmarks/fuzz_codec.py.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from reader_fuzz import reader_fuzz

from hpcmbal.codec.bitstream import Container, read_container, write_container
from hpcmbal.codec.codec import decompress_container
from hpcmbal.codec.header import CHUNKS
from hpcmbal.core.entropy.segments import Segment
from hpcmbal.errors import BitstreamError
from hpcmbal.images.picture import PictureWarning

FILES = sorted((Path(__file__).parents[2] / "golden" / "files").glob("*.hpcm"))
PIXEL_LIMIT = 1 << 18
GOLDEN = pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
MODES = {
    lossless: [path for path in FILES if read_container(path.read_bytes()).header.lossless == lossless]
    for lossless in (False, True)
}
LEARNED = pytest.mark.parametrize("path", MODES[False], ids=lambda path: path.stem)


def decode(data: bytes, tiny: Any, *, allow_truncated: bool = False) -> bool:
    """Whether `data` decodes; anything but a `BitstreamError` is a failure of the test."""
    try:
        container = read_container(data, allow_truncated=allow_truncated, pixel_limit=PIXEL_LIMIT)
        picture = decompress_container(container, tiny)
    except BitstreamError as error:
        assert len(str(error)) > 20  # noqa: PT017 (it may also succeed)
        return False
    assert picture.pixels.shape[:2] == (container.header.height, container.header.width)
    return True


def flips(data: bytes) -> Iterator[bytes]:
    for bit in range(8 * len(data)):
        yield data[: bit // 8] + bytes([data[bit // 8] ^ 1 << bit % 8]) + data[bit // 8 + 1 :]


@GOLDEN
def test_every_flipped_bit_is_found_by_the_parser_or_by_the_checksum_of_symbols(path: Path) -> None:
    data = path.read_bytes()
    original = read_container(data)
    for damaged in flips(data):
        try:
            container = read_container(damaged)
        except BitstreamError:
            continue
        assert not original.header.lossless
        assert replace(container, segments=()) == replace(original, segments=())
        assert [s.data for s in container.segments] == [s.data for s in original.segments]
        assert [s.symbols_crc for s in container.segments] != [s.symbols_crc for s in original.segments]


@pytest.mark.slow
@GOLDEN
def test_no_flipped_bit_gives_a_picture(path: Path, tiny: Any) -> None:
    assert not any(decode(damaged, tiny) for damaged in flips(path.read_bytes()))


@GOLDEN
def test_no_truncated_file_gives_a_picture(path: Path, tiny: Any) -> None:
    data = path.read_bytes()
    assert not any(decode(data[:length], tiny) for length in range(len(data)))


@LEARNED
def test_truncated_files_give_previews_where_a_segment_ends(path: Path, tiny: Any) -> None:
    data = path.read_bytes()
    container = read_container(data)
    chunks = sum(len(chunk) + 5 for chunk in container.chunks.values())  # all shorter than 128 bytes
    end = len(data) - chunks
    for segment in reversed(container.segments[1:]):
        end -= len(segment.data)
        with pytest.warns(PictureWarning, match="cut off; missing"):
            assert decode(data[:end], tiny, allow_truncated=True)


def mutated(container: Container, draw: Any) -> bytes:
    """A file with damaged parts and right checksums, so that the damage reaches the decoder."""
    header = replace(
        container.header,
        width=draw(st.one_of(st.just(container.header.width), st.integers(1, 600))),
        height=draw(st.one_of(st.just(container.header.height), st.integers(1, 600))),
    )
    parts = [Segment(damaged_bytes(segment.data, draw), segment.symbols_crc) for segment in container.segments]
    tiles = [damaged_bytes(tile, draw) for tile in container.tiles]
    names = draw(st.sets(st.sampled_from([name for name in CHUNKS if name != "alpha" or not tiles])))
    chunks = {name: damaged_bytes(container.chunks.get(name, b"\x01x\x9c"), draw) for name in names}
    return write_container(Container(header, tuple(parts), chunks, tiles=tuple(tiles)))


def damaged_bytes(data: bytes, draw: Any) -> bytes:
    kind = draw(st.sampled_from(["keep", "keep", "cut", "flip", "append", "replace"]))
    position = draw(st.integers(0, max(0, len(data) - 1)))
    match kind:
        case "cut":
            return data[:position]
        case "flip" if data:
            return data[:position] + bytes([data[position] ^ draw(st.integers(1, 255))]) + data[position + 1 :]
        case "append":
            return data + draw(st.binary(max_size=8))
        case "replace":
            return draw(st.binary(max_size=64))
        case _:
            return data


@pytest.mark.parametrize("lossless", [False, True])
@given(st.data())
@reader_fuzz(60)
def test_mutations_with_right_checksums_are_refused_or_decoded(tiny: Any, lossless: bool, data: Any) -> None:
    path = data.draw(st.sampled_from(MODES[lossless]))
    decode(mutated(read_container(path.read_bytes()), data.draw), tiny)


@given(st.data())
@reader_fuzz(300)
def test_mutated_headers_are_refused_or_parsed(data: Any) -> None:
    original = data.draw(st.sampled_from(FILES)).read_bytes()
    position = data.draw(st.integers(0, 40))
    damaged = (
        original[:position] + data.draw(st.binary(max_size=12)) + original[position + data.draw(st.integers(0, 12)) :]
    )
    try:
        read_container(damaged, allow_truncated=data.draw(st.booleans()))
    except BitstreamError as error:
        assert len(str(error)) > 20  # noqa: PT017 (it may also succeed)


@pytest.mark.parametrize("emptied", ["z", "s2", "s3"])
def test_a_segment_shorter_than_its_symbols_could_need_is_refused_before_the_network_runs(
    tiny: Any, emptied: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """13,000 x 13,000 pixels would take gigabytes and a minute."""
    container = read_container(FILES[0].read_bytes())
    segments = [Segment(b"" if name == emptied else b"\x5a" * 100_000, 0) for name in ("z", "s1", "s2", "s3")]
    huge = replace(container, header=replace(container.header, width=13_000, height=13_000), segments=tuple(segments))
    monkeypatch.setattr(tiny.exact, "hyper_params", pytest.fail)
    with pytest.raises(BitstreamError, match=rf"Segment {emptied}.* too short"):
        decompress_container(read_container(write_container(huge)), tiny)


def test_a_lossless_tile_of_another_size_is_refused_before_memory_is_taken() -> None:
    container = read_container(MODES[True][0].read_bytes())
    huge = replace(container, header=replace(container.header, width=13_000, height=13_000))
    with pytest.raises(BitstreamError, match="tile should have 13000 x 13000 pixels. Found 45 x 30"):
        decompress_container(read_container(write_container(huge)))


def test_an_alpha_chunk_cannot_grow_beyond_the_picture(tiny: Any) -> None:
    container = read_container(MODES[False][0].read_bytes())
    bomb = replace(container, chunks={"alpha": b"\0" + zlib.compress(bytes(1 << 26), 9)})
    with pytest.raises(BitstreamError, match="Chunk alpha unpacks to more than"):
        decompress_container(bomb, tiny)


def test_checksums_are_little_endian_crc32() -> None:
    """The words that docs/format.md says, at the place where it says so."""
    data = (Path(__file__).parents[2] / "golden" / "files" / "one_pixel.hpcm").read_bytes()
    header = data[:17]  # magic 4, version 1, id 8, width 1, height 1, rate 2
    length = data[17]
    crc, _ = struct.unpack("<II", data[18:26])
    assert crc == zlib.crc32(data[26 : 26 + length], zlib.crc32(header))
