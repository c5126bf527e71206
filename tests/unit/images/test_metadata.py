"""Orientation, EXIF, XMP and ICC: kept from every format that has them, without changing the image."""

from __future__ import annotations

import io
import struct
from typing import Any

import numpy as np
import pytest
from PIL import ExifTags, Image, ImageCms, ImageOps, PngImagePlugin

from hpcmbal.errors import DataError
from hpcmbal.images.image_file import read_picture
from hpcmbal.images.metadata import without_orientation
from hpcmbal.images.picture import Picture, PictureWarning, image_of, picture_of, rgb_of
from hpcmbal.images.picture_writer import write_picture

RGB = np.random.default_rng(4).integers(0, 256, (9, 13, 3)).astype(np.uint8)
SRGB = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
XMP = b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:Description xmp:Rating="5" tiff:Orientation="6"/></x:xmpmeta>'
DESCRIPTION, ORIENTATION, ARTIST, X_RESOLUTION, MAKE = 0x010E, 0x0112, 0x013B, 0x011A, 0x010F


def stored(image: Image.Image, image_format: str, **options: Any) -> bytes:
    out = io.BytesIO()
    image.save(out, image_format, **options)
    return out.getvalue()


def exif_block(orientation: int = 1) -> Image.Exif:
    exif = Image.Exif()
    exif[ORIENTATION], exif[DESCRIPTION], exif[MAKE] = orientation, "a description", "a maker"
    exif.get_ifd(ExifTags.IFD.Exif)[ExifTags.Base.ISOSpeedRatings] = 200
    exif.get_ifd(ExifTags.IFD.GPSInfo)[ExifTags.GPS.GPSLatitudeRef] = "N"
    return exif


def raw_exif(*entries: tuple[int, int, int, bytes], order: str = "<", following: int = 0) -> bytes:
    """A block with one directory; each entry is tag, type, count and data."""
    place = 8 + 2 + 12 * len(entries) + 4
    directory, data = struct.pack(f"{order}H", len(entries)), b""
    for tag, kind, count, value in entries:
        if len(value) > 4:
            directory += struct.pack(f"{order}HHII", tag, kind, count, place + len(data))
            data += value
        else:
            directory += struct.pack(f"{order}HHI", tag, kind, count) + value.ljust(4, b"\0")
    head = {"<": b"II*\0\x08\0\0\0", ">": b"MM\0*\0\0\0\x08"}[order]
    return b"Exif\0\0" + head + directory + struct.pack(f"{order}I", following) + data


def loaded(block: bytes | None) -> Image.Exif:
    assert block is not None
    assert block.startswith(b"Exif\0\0")
    exif = Image.Exif()
    exif.load(block)
    return exif


def xmp_options(image_format: str) -> dict[str, Any]:
    if image_format == "PNG":
        text = PngImagePlugin.PngInfo()
        text.add_itxt("XML:com.adobe.xmp", XMP.decode())
        return {"pnginfo": text}
    if image_format == "TIFF":
        return {"tiffinfo": {0x02BC: XMP}}
    return {"xmp": XMP}


@pytest.mark.parametrize("image_format", ["JPEG", "PNG", "WEBP", "TIFF", "AVIF"])
def test_exif_is_kept_from_every_format(image_format: str) -> None:
    data = stored(Image.fromarray(RGB), image_format, exif=exif_block().tobytes())
    picture = read_picture(data, "picture")
    exif = loaded(picture.exif)
    assert exif[DESCRIPTION] == "a description"
    assert exif.get_ifd(ExifTags.IFD.Exif)[ExifTags.Base.ISOSpeedRatings] == 200
    assert exif.get_ifd(ExifTags.IFD.GPSInfo)[ExifTags.GPS.GPSLatitudeRef] == "N"
    assert ORIENTATION not in exif
    # How a TIFF stores its pixels is nothing to keep.
    assert not {256, 257, 258, 259, 262, 273, 277, 278, 279} & set(exif)


@pytest.mark.parametrize("image_format", ["JPEG", "PNG", "WEBP", "TIFF", "AVIF"])
def test_xmp_is_kept_from_every_format_and_does_not_turn_the_picture_again(image_format: str) -> None:
    picture = read_picture(stored(Image.fromarray(RGB), image_format, **xmp_options(image_format)), "picture")
    assert picture.xmp is not None
    assert b'xmp:Rating="5"' in picture.xmp
    assert image_of(picture).getexif().get(ORIENTATION, 1) == 1
    assert picture.pixels.shape == (13, 9, 3)


@pytest.mark.parametrize("image_format", ["JPEG", "PNG", "WEBP", "TIFF", "AVIF"])
def test_icc_profiles_are_kept_from_every_format(image_format: str) -> None:
    assert read_picture(stored(Image.fromarray(RGB), image_format, icc_profile=SRGB), "picture").icc == SRGB


@pytest.mark.parametrize("image_format", ["PNG", "WEBP", "TIFF"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_orientation_is_applied_once_and_by_no_reader_again(image_format: str, orientation: int) -> None:
    options = {"lossless": True} if image_format == "WEBP" else {}
    data = stored(Image.fromarray(RGB), image_format, exif=exif_block(orientation), **options)
    image = Image.fromarray(RGB)
    image.getexif()[ORIENTATION] = orientation
    upright = np.asarray(ImageOps.exif_transpose(image))
    picture = read_picture(data, "picture")
    np.testing.assert_array_equal(picture.pixels, upright)
    assert loaded(picture.exif)[DESCRIPTION] == "a description"
    with Image.open(io.BytesIO(write_picture(picture, ".png"))) as written:
        np.testing.assert_array_equal(np.asarray(ImageOps.exif_transpose(written)), upright)
    with Image.open(io.BytesIO(data)) as image:
        np.testing.assert_array_equal(rgb_of(image), upright)


@pytest.mark.parametrize("text", ['tiff:Orientation="6"', "<tiff:Orientation>6</tiff:Orientation>"])
def test_an_orientation_in_xmp_alone_is_applied_once(text: str) -> None:
    image = Image.fromarray(RGB)
    image.info["xmp"] = f"<x {text}>".encode()
    picture = picture_of(image)
    np.testing.assert_array_equal(picture.pixels, np.rot90(RGB, -1))
    assert image_of(picture).getexif().get(ORIENTATION, 1) == 1


class TestNothingIsChanged:
    def test_two_calls_give_the_same(self) -> None:
        """As it once was, the second call stored the picture sideways."""
        data = stored(Image.fromarray(RGB), "JPEG", exif=exif_block(6))
        with Image.open(io.BytesIO(data)) as image:
            first, second = picture_of(image), picture_of(image)
            assert image.getexif()[ORIENTATION] == 6
        np.testing.assert_array_equal(first.pixels, second.pixels)
        assert first.pixels.shape == (13, 9, 3)
        assert first.exif == second.exif

    @pytest.mark.parametrize("image_format", ["JPEG", "PNG", "WEBP", "TIFF"])
    def test_what_the_image_would_save_stays(self, image_format: str) -> None:
        data = stored(Image.fromarray(RGB), image_format, exif=exif_block(6), icc_profile=SRGB)
        with Image.open(io.BytesIO(data)) as image:
            image.load()
            before = stored(image, "PNG", exif=image.getexif()), dict(image.info)
            picture_of(image)
            assert before == (stored(image, "PNG", exif=image.getexif()), dict(image.info))


class TestExifThatCannotBeWrittenAgain:
    IMPOSSIBLE = struct.pack("<ii", -1, 0)

    def test_the_picture_is_turned_and_all_is_kept(self) -> None:
        """Pillow cannot write a rational of -1/0; the block is kept as it is, but for the orientation."""
        block = raw_exif(
            (DESCRIPTION, 2, 4, b"abc\0"),
            (ORIENTATION, 3, 1, struct.pack("<H", 6)),
            (X_RESOLUTION, 10, 1, self.IMPOSSIBLE),
        )
        with pytest.raises(struct.error, match="out of range"):
            loaded(block).tobytes()
        picture = read_picture(stored(Image.fromarray(RGB), "PNG", exif=block), "picture")
        np.testing.assert_array_equal(picture.pixels, np.rot90(RGB, -1))
        kept = loaded(picture.exif)
        assert kept[DESCRIPTION] == "abc"
        assert ORIENTATION not in kept
        assert picture.exif is not None
        assert self.IMPOSSIBLE in picture.exif

    def test_where_it_has_to_be_written_only_that_entry_is_lost_and_told(self) -> None:
        block = raw_exif((DESCRIPTION, 2, 4, b"abc\0"), (X_RESOLUTION, 10, 1, self.IMPOSSIBLE))
        with Image.open(io.BytesIO(stored(Image.fromarray(RGB), "PNG", exif=block))) as image:
            image.getexif()[ARTIST] = "somebody"
            with pytest.warns(PictureWarning, match=r"EXIF entries that cannot be written .* left out: XResolution\."):
                kept = loaded(picture_of(image).exif)
        assert (kept[DESCRIPTION], kept[ARTIST]) == ("abc", "somebody")
        assert X_RESOLUTION not in kept

    def test_damaged_exif_is_left_out_and_told(self) -> None:
        image = Image.fromarray(RGB)
        image.info["exif"] = b"Exif\0\0garbage"
        with pytest.warns(PictureWarning, match="EXIF data is damaged and is left out"):
            assert picture_of(image).exif is None


class TestWhatGetexifHolds:
    def test_changes_by_the_caller_count(self) -> None:
        with Image.open(io.BytesIO(stored(Image.fromarray(RGB), "JPEG", exif=exif_block(1)))) as image:
            image.getexif()[ARTIST] = "somebody"
            del image.getexif()[DESCRIPTION]
            image.getexif()[ORIENTATION] = 8
            picture = picture_of(image)
        kept = loaded(picture.exif)
        assert kept[ARTIST] == "somebody"
        assert DESCRIPTION not in kept
        assert picture.pixels.shape == (13, 9, 3)

    def test_a_directory_that_the_caller_adds_counts(self) -> None:
        exif = Image.Exif()
        exif[DESCRIPTION] = "text"
        with Image.open(io.BytesIO(stored(Image.fromarray(RGB), "JPEG", exif=exif))) as image:
            image.getexif().get_ifd(ExifTags.IFD.GPSInfo)[ExifTags.GPS.GPSLatitudeRef] = "S"
            kept = loaded(picture_of(image).exif)
        assert kept.get_ifd(ExifTags.IFD.GPSInfo)[ExifTags.GPS.GPSLatitudeRef] == "S"

    @pytest.mark.parametrize("start", [b"", b"Exif\0\0"])
    def test_text_chunks_of_png_count(self, start: bytes) -> None:
        block = start + exif_block(6).tobytes().removeprefix(b"Exif\0\0")
        text = PngImagePlugin.PngInfo()
        text.add_text("Raw profile type exif", f"\nexif\n{len(block):8}\n{block.hex()}\n", zip=True)
        picture = read_picture(stored(Image.fromarray(RGB), "PNG", pnginfo=text), "picture")
        np.testing.assert_array_equal(picture.pixels, np.rot90(RGB, -1))
        assert loaded(picture.exif)[DESCRIPTION] == "a description"

    def test_xmp_in_a_text_chunk_of_png_counts(self) -> None:
        text = PngImagePlugin.PngInfo()
        text.add_text("Raw profile type xmp", f"\nxmp\n{len(XMP):8}\n{XMP.hex()}\n")
        assert read_picture(stored(Image.fromarray(RGB), "PNG", pnginfo=text), "picture").xmp is not None


class TestWithoutOrientation:
    @pytest.mark.parametrize("order", ["<", ">"])
    def test_everything_else_stays_at_its_place(self, order: str) -> None:
        value = struct.pack(f"{order}II", 3, 7)
        block = raw_exif(
            (DESCRIPTION, 2, 12, b"a long text\0"),
            (ORIENTATION, 3, 1, struct.pack(f"{order}H", 6)),
            (X_RESOLUTION, 5, 1, value),
            order=order,
        )
        upright = without_orientation(block)
        assert upright is not None
        assert len(upright) == len(block)
        assert dict(loaded(upright)) == {DESCRIPTION: "a long text", X_RESOLUTION: pytest.approx(3 / 7)}

    def test_the_directory_behind_is_still_found(self) -> None:
        block = raw_exif((ORIENTATION, 3, 1, b"\x06\0"), (DESCRIPTION, 2, 4, b"abc\0"), following=1000)
        upright = without_orientation(block)
        assert upright is not None
        assert struct.unpack_from("<I", upright, 6 + 8 + 2 + 12) == (1000,)

    def test_nothing_is_left_of_a_lone_orientation(self) -> None:
        assert without_orientation(raw_exif((ORIENTATION, 3, 1, b"\x06\0"))) == b""

    @pytest.mark.parametrize("cut", range(0, 30, 3))
    def test_what_cannot_be_followed_is_given_up(self, cut: int) -> None:
        block = raw_exif((ORIENTATION, 3, 1, b"\x06\0"), (DESCRIPTION, 2, 4, b"abc\0"))
        assert without_orientation(block[:cut]) is None


class TestGivenMetadata:
    """In place of the image's own, as `Image.save` gives it."""

    @pytest.fixture
    def image(self) -> Image.Image:
        image = Image.open(
            io.BytesIO(stored(Image.fromarray(RGB), "JPEG", exif=exif_block(6), icc_profile=SRGB, xmp=XMP))
        )
        image.load()
        return image

    @pytest.mark.parametrize("empty", [None, b""])
    def test_empty_removes_it_and_the_picture_stays_upright(self, image: Image.Image, empty: bytes | None) -> None:
        picture = picture_of(image, exif=empty, icc_profile=empty, xmp=empty)
        assert (picture.exif, picture.icc, picture.xmp) == (None, None, None)
        assert picture.pixels.shape == (13, 9, 3)

    @pytest.mark.parametrize("as_bytes", [False, True])
    def test_another_is_taken(self, image: Image.Image, as_bytes: bool) -> None:
        exif = Image.Exif()
        exif[ARTIST] = "somebody"
        picture = picture_of(image, exif=exif.tobytes() if as_bytes else exif, icc_profile=b"other", xmp="<x/>")
        assert dict(loaded(picture.exif)) == {ARTIST: "somebody"}
        assert (picture.icc, picture.xmp) == (b"other", b"<x/>")
        assert picture.pixels.shape == (13, 9, 3)

    @pytest.mark.parametrize("as_bytes", [False, True])
    def test_its_orientation_beats_the_images(self, image: Image.Image, as_bytes: bool) -> None:
        exif = Image.Exif()
        exif[ORIENTATION] = 1
        assert picture_of(image, exif=exif.tobytes() if as_bytes else exif).pixels.shape == RGB.shape

    def test_its_own_is_applied_once(self, image: Image.Image) -> None:
        picture = picture_of(image, exif=image.getexif())
        assert picture.pixels.shape == (13, 9, 3)
        assert loaded(picture.exif).get_ifd(ExifTags.IFD.GPSInfo)[ExifTags.GPS.GPSLatitudeRef] == "N"


def test_a_picture_and_its_image_hold_the_same() -> None:
    picture = Picture(RGB, RGB[..., 0], SRGB, raw_exif((DESCRIPTION, 2, 4, b"abc\0")), b"<x/>", "JPEG")
    again = picture_of(image_of(picture))
    for name in ("pixels", "alpha", "icc", "exif", "xmp", "source_format"):
        np.testing.assert_array_equal(getattr(again, name), getattr(picture, name))


def test_directories_that_a_program_adds_to_exif_are_kept() -> None:
    exif = Image.Exif()
    exif[0x010F] = "Camera"
    exif.get_ifd(0x8825).update({1: "N", 2: (1.0, 2.0, 3.0)})
    before = exif.tobytes()
    picture = picture_of(Image.new("RGB", (8, 6)), exif=exif)
    assert exif.tobytes() == before
    found = Image.Exif()
    found.load(picture.exif)
    assert found[0x010F] == "Camera"
    assert found.get_ifd(0x8825)[2] == (1.0, 2.0, 3.0)


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"exif": "text"}, "exif should be bytes or Exif, or None for none. Found str"),
        ({"icc_profile": 5}, "icc_profile should be bytes, or None for none. Found int"),
        ({"xmp": 5.0}, "xmp should be bytes or str, or None for none. Found float"),
    ],
)
def test_metadata_of_another_type_is_refused_and_not_taken_for_none(given: dict[str, object], told: str) -> None:
    with pytest.raises(DataError, match=told):
        picture_of(Image.new("RGB", (8, 6)), **given)
