"""The container: what is written is read, small, and nothing else is accepted."""

from __future__ import annotations

import zlib
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hpcmbal.codec.bitstream import (
    TILE_SIDE,
    Container,
    read_container,
    tile_count,
    write_container,
)
from hpcmbal.codec.byte_reader import ByteReader, write_varint
from hpcmbal.codec.header import (
    CHUNKS,
    MAX_SIDE,
    NO_MODEL,
    RATE_MAX,
    RATE_STEPS,
    SOURCE_FORMATS,
    Header,
    format_version,
    read_header,
)
from hpcmbal.core.entropy.segments import Segment
from hpcmbal.errors import BitstreamError

headers = st.builds(
    Header,
    model_id=st.binary(min_size=8, max_size=8),
    width=st.integers(1, 13_000),
    height=st.integers(1, 13_000),
    rate=st.one_of(st.just(0), st.integers(RATE_STEPS, RATE_MAX)),
    gray=st.booleans(),
)
segments = st.tuples(*[st.builds(Segment, st.binary(max_size=300), st.integers(0, 2**32 - 1))] * 4)
chunks = st.dictionaries(st.sampled_from(CHUNKS), st.binary(max_size=50))
sources = st.sampled_from([None, *SOURCE_FORMATS[2:]])
"""PNG is what is taken if nothing is said, so it is not stored."""
learned = st.builds(
    Container, st.builds(lambda header, source: replace(header, source=source), headers, sources), segments, chunks
)


@st.composite
def lossless(draw: st.DrawFn) -> Container:
    width, height = draw(st.sampled_from([(1, 1), (6, 6), (TILE_SIDE, 9), (TILE_SIDE + 1, 9), (40, MAX_SIDE)]))
    header = Header(NO_MODEL, width, height, 0, draw(st.booleans()), "lossless", draw(st.booleans()), draw(sources))
    count = tile_count(header)
    tiles = tuple(draw(st.lists(st.binary(max_size=40), min_size=count, max_size=count)))
    return Container(header, chunks={k: v for k, v in draw(chunks).items() if k != "alpha"}, tiles=tiles)


def example(**changes: object) -> Container:
    header = Header(b"12345678", 768, 512, 50 * RATE_STEPS)
    parts = tuple(Segment(bytes([index]) * size, 1000 + index) for index, size in enumerate((5, 10, 20, 40)))
    return replace(Container(header, parts, {"icc": b"profile"}), **changes)


@given(st.one_of(learned, lossless()))
def test_what_is_written_is_read(container: Container) -> None:
    assert read_container(write_container(container)) == container


class TestVersions:
    """A file is written in the lowest version that can hold it."""

    @pytest.mark.parametrize("source", [None, "PNG"])
    def test_a_plain_photo_is_of_version_1(self, source: str | None) -> None:
        container = example(header=replace(example().header, source=source))
        assert format_version(write_container(container)) == 1
        assert read_container(write_container(container)).header.source is None

    @pytest.mark.parametrize(
        "changes",
        [
            {"header": replace(example().header, source="JPEG")},
            {"chunks": {"xmp": b"x"}},
            {"chunks": {"alpha": b"", "xmp": b""}},
        ],
    )
    def test_what_version_1_cannot_hold_is_of_version_2(self, changes: dict[str, object]) -> None:
        container = example(**changes)
        assert format_version(write_container(container)) == 2
        assert read_container(write_container(container)) == container

    def test_an_icon_of_48_bytes_takes_a_quarter_more(self) -> None:
        """A WebP file has 20 bytes around its bitstream, which are not stored."""
        icon = Container(Header(NO_MODEL, 6, 6, mode="lossless"), tiles=(bytes(28),))
        assert len(write_container(icon)) == 48 + 4

    @pytest.mark.parametrize(
        ("width", "height", "tiles"), [(16_383, 16_383, 1), (16_384, 16_383, 2), (65_535, 65_535, 25)]
    )
    def test_tiles(self, width: int, height: int, tiles: int) -> None:
        assert tile_count(Header(NO_MODEL, width, height, mode="lossless")) == tiles

    @pytest.mark.parametrize(
        ("start", "message"),
        [
            (b"\x22", "coding mode 2; this hpcmbal knows 0 .learned., 1 .lossless."),
            (b"\x20\x20\x00", "flags that this hpcmbal does not know .0x20"),
            (b"\x21\x00\x00", "needs no model: its model id and rate should be zero"),
            (b"\x21", "ends inside the flags"),
            (b"\x30", "format version 3; this hpcmbal reads versions 1 and 2"),
        ],
    )
    def test_unknown_things_are_refused(self, start: bytes, message: str) -> None:
        whole = start + b"12345678" + b"\x05\x05" + bytes(40) if "ends" not in message else start
        with pytest.raises(BitstreamError, match=message):
            read_container(b"HPCM" + whole)

    def test_unknown_sources_are_as_none(self) -> None:
        data = bytearray(write_container(example(header=replace(example().header, source="HEIF"))))
        data[6] = 200
        with pytest.raises(BitstreamError, match="header or segment z is damaged"):
            read_container(bytes(data))
        reader = ByteReader(bytes(data))
        assert read_header(reader, 1 << 20)[0].source is None

    def test_a_lossless_file_that_ends_in_its_metadata_has_its_pixels(self) -> None:
        whole = Container(Header(NO_MODEL, 6, 6, mode="lossless"), chunks={"icc": b"abc"}, tiles=(bytes(28),))
        data = write_container(whole)
        found = read_container(data[:-1], allow_truncated=True)
        assert (found.tiles, found.chunks) == (whole.tiles, {})
        assert found.truncated is not None
        with pytest.raises(BitstreamError, match="ends inside tile 1"):
            read_container(data[:-12], allow_truncated=True)


@pytest.mark.parametrize(
    ("width", "height", "sizes"),
    [
        (768, 512, (500, 3000, 12_000, 40_000)),
        (6000, 4000, (20_000, 150_000, 600_000, 2_500_000)),
        (1, 1, (0, 0, 0, 0)),
    ],
)
def test_the_container_of_a_plain_photo_takes_at_most_64_bytes(width: int, height: int, sizes: tuple[int, ...]) -> None:
    header = Header(b"12345678", width, height, 50 * RATE_STEPS)
    container = Container(header, tuple(Segment(bytes(size), 7) for size in sizes))
    assert len(write_container(container)) - sum(sizes) <= 64


@pytest.mark.parametrize("value", [0, 1, 127, 128, 16_383, 16_384, 2**32, 2**35 - 1])
def test_numbers_of_variable_length(value: int) -> None:
    assert ByteReader(write_varint(value)).varint("x") == value
    assert len(write_varint(value)) == max(1, -(-value.bit_length() // 7))


@pytest.mark.parametrize("data", [b"\x80\x00", b"\xff\xff\xff\xff\xff\x01", b"\x81\x80\x00"])
def test_numbers_written_otherwise_are_refused(data: bytes) -> None:
    with pytest.raises(BitstreamError, match="number in x is not written as"):
        ByteReader(data).varint("x")


class TestDamage:
    data = write_container(example())

    def test_every_flipped_bit_is_refused(self) -> None:
        for bit in range(8 * len(self.data)):
            damaged = bytearray(self.data)
            damaged[bit // 8] ^= 1 << bit % 8
            try:
                container = read_container(bytes(damaged))
            except BitstreamError:
                continue
            # Only the checksums of symbols are beyond the reach of the parser; decoding compares them.
            assert [segment.data for segment in container.segments] == [s.data for s in example().segments]
            assert container.header == example().header

    def test_every_truncation_is_refused(self) -> None:
        for length in range(len(self.data)):
            with pytest.raises(BitstreamError, match=r"ends inside|not an \.hpcm file"):
                read_container(self.data[:length])

    def test_truncated_files_keep_their_complete_segments(self) -> None:
        whole = read_container(self.data)
        found = set()
        for length in range(len(self.data)):
            try:
                container = read_container(self.data[:length], allow_truncated=True)
            except BitstreamError:
                assert not found
                continue
            count = len(container.segments)
            assert container.segments == whole.segments[:count]
            assert container.truncated is not None
            assert "ends inside" in container.truncated
            found.add(count)
        assert found == {1, 2, 3, 4}

    def test_bytes_behind_the_end_are_refused(self) -> None:
        with pytest.raises(BitstreamError, match="3 bytes follow the end"):
            read_container(self.data + b"abc")

    def test_a_damaged_segment_is_named(self) -> None:
        damaged = bytearray(self.data)
        damaged[self.data.index(b"\x02" * 20)] ^= 1
        with pytest.raises(BitstreamError, match="header or segment s2 is damaged"):
            read_container(bytes(damaged))

    def test_a_damaged_header_is_noticed(self) -> None:
        damaged = bytearray(self.data)
        damaged[6] ^= 1  # in the model id
        with pytest.raises(BitstreamError, match="header or segment z is damaged"):
            read_container(bytes(damaged))


class TestClaims:
    @staticmethod
    def claim(width: bytes, height: bytes, rate: int = 0, first: int = 0x10, rest: bytes = b"") -> bytes:
        return b"HPCM" + bytes([first]) + b"12345678" + width + height + rate.to_bytes(2, "little") + rest

    def test_sides_beyond_the_format(self) -> None:
        with pytest.raises(BitstreamError, match=r"width should be 1 to 65,535 pixels\. Found 4,294,967,296"):
            read_container(self.claim(write_varint(2**32), write_varint(2**32)))

    def test_no_pixels(self) -> None:
        with pytest.raises(BitstreamError, match="height should be 1 to"):
            read_container(self.claim(b"\x05", b"\x00"))

    def test_too_many_pixels(self) -> None:
        data = self.claim(write_varint(MAX_SIDE), write_varint(MAX_SIDE))
        with pytest.raises(BitstreamError, match="claims 65535 x 65535 pixels, more than the limit of 178,956,970"):
            read_container(data)

    def test_the_pixel_limit_can_be_set(self) -> None:
        with pytest.raises(BitstreamError, match="limit of 393,215"):
            read_container(write_container(example()), pixel_limit=768 * 512 - 1)
        assert read_container(write_container(example()), pixel_limit=768 * 512) == example()

    def test_a_huge_segment(self) -> None:
        length = write_varint(2**34)
        with pytest.raises(BitstreamError, match=r"ends inside segment z: 17179869184 bytes expected, 2 left"):
            read_container(self.claim(b"\x05", b"\x05", rest=length + bytes(8) + b"ab"))

    def test_a_segment_beyond_all_numbers(self) -> None:
        with pytest.raises(BitstreamError, match="number in the length of segment z"):
            read_container(self.claim(b"\x05", b"\x05", rest=write_varint(2**40) + bytes(10)))

    @pytest.mark.parametrize("rate", [1, RATE_STEPS - 1, RATE_MAX + 1, 65_535])
    def test_rates_that_no_quality_has(self, rate: int) -> None:
        with pytest.raises(BitstreamError, match=f"rate should be 0, or 256 to 25600. Found {rate}"):
            read_container(self.claim(b"\x05", b"\x05", rate))

    def test_another_kind_of_file(self) -> None:
        with pytest.raises(
            BitstreamError, match=r"not an \.hpcm file: it is a PNG image\. Give a file that hpcmbal compressed"
        ):
            read_container(b"\x89PNG\r\n\x1a\n")


def test_checksums_are_crc32_started_with_the_header() -> None:
    container = example(chunks={})
    data = write_container(container)
    header = data[: data.index(write_varint(5) + zlib.crc32(b"\0" * 5, zlib.crc32(data[:19])).to_bytes(4, "little"))]
    assert header[:5] == b"HPCM\x10"
    assert len(header) == 19


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"segments": ()}, "learned file of this size holds 4 segments. Found 0"),
        ({"segments": (Segment(b"", None),) * 4}, "without the checksum of its symbols"),
        ({"header": Header(b"123", 5, 5)}, "model id has 8 bytes. Found 3"),
        ({"header": Header(b"12345678", 5, 70_000)}, "height should be 1 to 65,535"),
        ({"header": Header(b"12345678", 5, 5, mode="lossless")}, "model id and rate should be zero"),
        ({"header": Header(NO_MODEL, 5, 5, mode="lossless")}, "lossless file of this size holds 0 segments. Found 4"),
        ({"header": Header(NO_MODEL, 5, 5, alpha=True)}, "Only lossless pixels hold alpha"),
        ({"header": Header(NO_MODEL, 5, 5, source="DOCX")}, "source format should be one of PNG, .*Found 'DOCX'"),
        ({"tiles": (b"x",)}, "learned file of this size holds 0 tiles. Found 1"),
        (
            {
                "header": Header(NO_MODEL, 5, 5, mode="lossless"),
                "segments": (),
                "tiles": (b"",),
                "chunks": {"alpha": b""},
            },
            "Lossless pixels hold their alpha",
        ),
    ],
)
def test_what_the_format_cannot_express_is_not_written(changes: dict[str, object], message: str) -> None:
    with pytest.raises(BitstreamError, match=message):
        write_container(example(**changes))
