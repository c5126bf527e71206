"""Pillow reads and writes `.hpcm` files once `hpcmbal` is imported. Imports torch only when a picture is coded."""

from __future__ import annotations

from typing import IO, Any

from PIL import Image, ImageFile

from hpcmbal.errors import BitstreamError
from hpcmbal.images.formats import EXTENSION, FORMAT, SIGNATURE

MIME_TYPE = "image/x-hpcm"
METADATA_OPTIONS = ("icc_profile", "exif", "xmp")
"""Arguments of `Image.save` that are taken in place of what the image's `info` holds."""


class HpcmImageFile(ImageFile.ImageFile):
    """An `.hpcm` file: header and metadata are read when it is opened, the picture when it is loaded.

    Damage is raised as `BitstreamError` when the header or the picture is read. The environment variable
    HPCMBAL_MAX_PIXELS sets our pixel limit; Pillow's `Image.MAX_IMAGE_PIXELS` stays as it is and applies as well.
    """

    format = FORMAT
    format_description = "HPCM learned image compression"

    def _open(self) -> None:
        from hpcmbal.codec.bitstream import read_container
        from hpcmbal.codec.metadata import read_metadata
        from hpcmbal.images.metadata import info_of

        if self.fp is None:
            raise BitstreamError("The file was closed before it was read.")
        self._data: bytes | None = self.fp.read()
        header = (container := read_container(self._data)).header
        self._size = (header.width, header.height)
        self._mode = ("L" if header.gray else "RGB") + ("A" if container.has_alpha else "")
        self.tile = []
        found = read_metadata(container)
        self.info.update(info_of(found["icc"], found["exif"], found["xmp"]))
        self.info["mode"] = header.mode
        if not header.lossless:
            self.info["model_id"] = header.model_id.hex()

    def load(self) -> Any:
        """Decode the picture, once, and let go of the file."""
        if self._data is not None:
            from hpcmbal.codec.codec import decompress

            self.im = decompress(self._data).im
            self._data = None
            if self._exclusive_fp and self.fp is not None:
                self.fp.close()
            self.fp = None
        return super().load()


def register() -> None:
    """Make the format known to Pillow; a second call changes nothing."""
    Image.register_open(FORMAT, HpcmImageFile, _accept)
    Image.register_save(FORMAT, _save)
    Image.register_extension(FORMAT, EXTENSION)
    Image.register_mime(FORMAT, MIME_TYPE)


def _accept(prefix: bytes) -> bool:
    return prefix.startswith(SIGNATURE)


def _save(image: Image.Image, file: IO[bytes], _filename: str | bytes) -> None:
    """`image.save("x.hpcm", quality=..., model=..., lossless=True, exif=..., icc_profile=..., xmp=...)`.

    `mode`, `target`, `effort` and `precision` are those of `compress`.

    Metadata that is given is taken in place of the image's own; an empty one, or None, removes it.
    """
    from hpcmbal.codec.codec import compress
    from hpcmbal.images.picture import image_of, picture_of

    options = getattr(image, "encoderinfo", {})
    given = {name: options[name] for name in METADATA_OPTIONS if name in options}
    if given:
        image = image_of(picture_of(image, **given))
    mode = options.get("mode", "lossless" if options.get("lossless") else "auto")
    chosen = {name: options[name] for name in ("quality", "target", "effort", "precision") if name in options}
    file.write(compress(image, options.get("model"), mode=mode, **chosen))
