"""What lies beside the pixels of an image: orientation, EXIF, XMP, ICC profile; read without changing the image.

EXIF is kept byte for byte where it can be: only the orientation, which is applied to the pixels, is cut out of the
block, so that entries that Pillow cannot write, and makers' notes with offsets of their own, survive.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from PIL import ExifTags, Image

from hpcmbal.errors import DataError
from hpcmbal.images.guard import decoding

EXIF_START = b"Exif\0\0"
EXIF_KEYS = ("exif", "Raw profile type exif")
"""Where an image's `info` may hold an EXIF block."""

_ORIENTATION = int(ExifTags.Base.Orientation)
_FOLDERS = (int(ExifTags.IFD.Exif), int(ExifTags.IFD.GPSInfo))
_INTEROP = int(ExifTags.IFD.Interop)
_GIVEN_KINDS: dict[str, tuple[type, ...]] = {
    "icc_profile": (bytes,),
    "exif": (bytes, Image.Exif),
    "xmp": (bytes, str),
}
_XMP, _ICC = 0x02BC, 0x8773

_OF_THE_FILE = frozenset(
    {_ORIENTATION, _XMP, _ICC}
    | {254, 255, 256, 257, 258, 259, 262, 263, 264, 265, 266, 273, 277, 278, 279, 280, 281, 284, 288, 289, 290, 291}
    | {292, 293, 301, 317, 320, 321, 322, 323, 324, 325, 330, 332, 333, 334, 336, 338, 339, 340, 341, 347}
    | {512, 513, 514, 515, 517, 518, 519, 520, 521, 529, 530, 531, 532}
)
"""Tags of TIFF that say how its pixels are stored (TIFF 6.0), and those that are kept apart; not worth keeping."""

_XMP_ORIENTATION = re.compile(rb"""(tiff:Orientation\s*(?:=\s*["']|>)\s*)[0-9]""")


@dataclass(frozen=True)
class Metadata:
    """What lies beside the pixels.

    Attributes:
        orientation: By which the pixels are still to be turned, 1 to 8.
        icc: The ICC profile.
        exif: The EXIF block, starting with `Exif`, without its orientation.
        xmp: The XMP packet, with an orientation of 1.
    """

    orientation: int
    icc: bytes | None
    exif: bytes | None
    xmp: bytes | None


def metadata_of(image: Image.Image, notes: list[str]) -> Metadata:
    """All of it of a loaded image; `notes` gets a sentence on what had to be left out."""
    return Metadata(orientation_of(image), icc_profile_of(image), exif_of(image, notes), xmp_of(image))


def info_of(icc: bytes | None, exif: bytes | None, xmp: bytes | None) -> dict[str, bytes]:
    """The entries of an image's `info` for its metadata, under Pillow's names; nothing for what is None."""
    found = {"icc_profile": icc, "exif": exif, "xmp": xmp}
    return {name: value for name, value in found.items() if value is not None}


def replaced(metadata: Metadata, given: Mapping[str, object], notes: list[str]) -> Metadata:
    """`metadata` with what was given in its place, under Pillow's names; empty or None for none.

    The orientation stays that of the image, unless the EXIF that was given has one.

    Raises:
        DataError: Something of another type was given.
    """
    for name, value in given.items():
        kinds = _GIVEN_KINDS[name]
        if value is not None and not isinstance(value, kinds):
            allowed = " or ".join(kind.__name__ for kind in kinds)
            raise DataError(f"{name} should be {allowed}, or None for none. Found {type(value).__name__}.")
    if "icc_profile" in given:
        profile = given["icc_profile"]
        metadata = replace(metadata, icc=profile if isinstance(profile, bytes) and profile else None)
    if "xmp" in given:
        metadata = replace(metadata, xmp=upright_xmp(given["xmp"]))
    if "exif" in given:
        stand_in, exif = Image.new("L", (1, 1)), given["exif"]
        if isinstance(exif, Image.Exif):
            stand_in.getexif().endian = exif.endian
            stand_in.getexif().update(writable_exif(exif, notes))
            stand_in.getexif().update({_ORIENTATION: exif[_ORIENTATION]} if _ORIENTATION in exif else {})
        elif exif:
            stand_in.info["exif"] = exif
        orientation = orientation_of(stand_in) if _ORIENTATION in _readable(stand_in) else metadata.orientation
        metadata = replace(metadata, orientation=orientation, exif=exif_of(stand_in, notes))
    return metadata


def orientation_of(image: Image.Image) -> int:
    """The orientation by which a loaded image is still to be turned; 1 if there is none, or it cannot be read."""
    try:
        with decoding():
            found = _readable(image).get(_ORIENTATION, 1)
    except DataError:
        return 1
    return found if isinstance(found, int) and 1 <= found <= 8 else 1


def icc_profile_of(image: Image.Image) -> bytes | None:
    """The ICC profile."""
    profile = image.info.get("icc_profile")
    return profile if isinstance(profile, bytes) and profile else None


def xmp_of(image: Image.Image) -> bytes | None:
    """The XMP packet, with an orientation of 1: it was applied."""
    packet = image.info.get("xmp") or image.info.get("XML:com.adobe.xmp")
    if packet is None and isinstance(profile := image.info.get("Raw profile type xmp"), str):
        packet = _profile_in_text(profile)
    return upright_xmp(packet)


def upright_xmp(packet: object) -> bytes | None:
    """An XMP packet, text or bytes, with an orientation of 1; None if it is empty or no packet."""
    data = packet.encode("utf-8", "surrogateescape") if isinstance(packet, str) else packet
    return _XMP_ORIENTATION.sub(rb"\g<1>1", data) if isinstance(data, bytes) and data.strip(b"\0 \n") else None


def exif_of(image: Image.Image, notes: list[str]) -> bytes | None:
    """The EXIF block of what `getexif()` holds, starting with `Exif`, without its orientation.

    Args:
        image: Any image; TIFF tags and PNG text chunks count.
        notes: Gets a sentence on what had to be left out.
    """
    try:
        with decoding():
            exif = image.getexif()
            raw, written = _raw_block(image), _written(exif)
            current = exif if written is None else _loaded(written)
            upright = None if raw is None or _was_changed(exif, current, _loaded(raw)) else without_orientation(raw)
            if upright is not None:
                return upright or None
            return exif_bytes(current, notes)
    except DataError:
        notes.append("The EXIF data is damaged and is left out.")
        return None


def exif_bytes(exif: Image.Exif, notes: list[str]) -> bytes | None:
    """The block of what can be written of `exif`, without orientation and TIFF's own tags; None if nothing is left."""
    kept = writable_exif(exif, notes)
    return kept.tobytes() if len(kept) else None


def writable_exif(exif: Image.Exif, notes: list[str]) -> Image.Exif:
    """What of `exif` can be written again; entries that cannot are left out, and named in `notes`."""
    kept, lost = Image.Exif(), []
    kept.endian = exif.endian
    added = vars(exif).get("_ifds", {})  # directories that `get_ifd` began; they are not among the tags
    for tag in sorted({*exif, *(tag for tag in _FOLDERS if added.get(tag))} - _OF_THE_FILE):
        with_inner = tag in _FOLDERS
        value = dict(exif.get_ifd(tag)) if with_inner else _value(exif, tag)
        if with_inner:
            if isinstance(value.get(_INTEROP), int):
                value[_INTEROP] = dict(exif.get_ifd(_INTEROP))
            bad = [inner for inner, item in value.items() if not _is_writable(tag, {inner: item})]
            lost += [_tag_name(inner) for inner in bad]
            value = {inner: item for inner, item in value.items() if inner not in bad}
        elif not _is_writable(tag, value):
            lost.append(_tag_name(tag))
            continue
        kept[tag] = value
    if lost:
        notes.append(f"EXIF entries that cannot be written again are left out: {', '.join(lost)}.")
    return kept


def loaded_exif(block: bytes) -> Image.Exif:
    """The entries of a block, to be read.

    Raises:
        DataError: It is damaged.
    """
    with decoding():
        return _loaded(block)


def without_orientation(block: bytes) -> bytes | None:
    """An EXIF block with the orientation cut out of its first directory, everything else at its place.

    Returns:
        The block, starting with `Exif`; empty if the orientation was all; None if the directory cannot be followed.
    """
    body = bytearray(_body(block))
    order = {b"II*\0": "<", b"MM\0*": ">"}.get(bytes(body[:4]))
    if order is None or len(body) < 8:
        return None
    (start,) = struct.unpack_from(f"{order}I", body, 4)
    if start + 2 > len(body):
        return None
    (count,) = struct.unpack_from(f"{order}H", body, start)
    first, end = start + 2, start + 2 + 12 * count
    if end > len(body):
        return None
    entries = [bytes(body[place : place + 12]) for place in range(first, end, 12)]
    kept = [entry for entry in entries if struct.unpack_from(f"{order}H", entry)[0] != _ORIENTATION]
    following = bytes(body[end : end + 4])
    if not kept and not following.strip(b"\0"):
        return b""
    directory = struct.pack(f"{order}H", len(kept)) + b"".join(kept) + following
    body[start : end + len(following)] = directory.ljust(end + len(following) - start, b"\0")
    return EXIF_START + bytes(body)


def _readable(image: Image.Image) -> Image.Exif:
    """What `getexif()` holds; nothing where it is damaged."""
    try:
        with decoding():
            return image.getexif()
    except DataError:
        return Image.Exif()


def _raw_block(image: Image.Image) -> bytes | None:
    raw = image.info.get("exif")
    if raw is None and isinstance(profile := image.info.get("Raw profile type exif"), str):
        raw = _profile_in_text(profile)
    return raw if isinstance(raw, bytes) and _body(raw) else None


def _profile_in_text(text: str) -> bytes:
    """A profile as ImageMagick puts it into PNG text: three lines of heading, then hexadecimal digits."""
    return bytes.fromhex("".join(text.split("\n")[3:]))


def _body(block: bytes) -> bytes:
    return re.sub(rb"^(Exif\0\0){1,2}", b"", block)


def _loaded(block: bytes) -> Image.Exif:
    exif = Image.Exif()
    exif.load(block)
    return exif


def _written(exif: Image.Exif) -> bytes | None:
    """All of it as Pillow writes it; None where that fails."""
    try:
        with decoding():
            return exif.tobytes()
    except DataError:
        return None


def _was_changed(exif: Image.Exif, current: Image.Exif, stored: Image.Exif) -> bool:
    """Whether the caller changed what `getexif()` gave him.

    Args:
        exif: What he has.
        current: The same, written and read: a directory that he added is only seen there.
        stored: As it is in the file.
    """
    return _entries(exif) != _entries(stored) or any(tag in current and tag not in stored for tag in _FOLDERS)


def _entries(exif: Image.Exif) -> dict[int, str]:
    """What can be compared of an EXIF block: its first directory, as text, without the orientation."""
    return {tag: repr(_value(exif, tag)) for tag in set(exif) - {_ORIENTATION, *_FOLDERS}} | {
        tag: repr(sorted(exif.get_ifd(tag).items())) for tag in _FOLDERS if tag in exif
    }


def _value(exif: Image.Exif, tag: int) -> Any:
    """One value; None if it cannot be read."""
    try:
        with decoding():
            return exif[tag]
    except DataError:
        return None


def _is_writable(tag: int, value: Any) -> bool:
    single = Image.Exif()
    single[tag] = value
    return value is not None and _written(single) is not None


def _tag_name(tag: int) -> str:
    return ExifTags.TAGS.get(tag) or ExifTags.GPSTAGS.get(tag) or f"0x{tag:04x}"
