"""Pillow reads and writes `.hpcm` files once `hpcmbal` is imported. Imports torch only when a picture is coded."""

from __future__ import annotations

from typing import IO, Any

from PIL import Image, ImageFile

from hpcmbal.errors import BitstreamError
from hpcmbal.images.formats import FORMAT

EXTENSION = ".hpcm"
MIME_TYPE = "image/x-hpcm"
_SIGNATURE = b"HPCM"


class HpcmImageFile(ImageFile.ImageFile):
    """An `.hpcm` file: the header is read when it is opened, the picture when it is loaded.

    Damage is raised as `BitstreamError` when the header or the picture is read. Pillow's `Image.MAX_IMAGE_PIXELS` stays
    as it is and applies on top of our own pixel limit.
    """

    format = FORMAT
    format_description = "HPCM learned image compression"

    def _open(self) -> None:
        from hpcmbal.codec.bitstream import read_container

        if self.fp is None:
            raise BitstreamError("The file was closed before it was read.")
        self._data: bytes | None = self.fp.read()
        header = (container := read_container(self._data)).header
        self._size = (header.width, header.height)
        self._mode = ("L" if header.gray else "RGB") + ("A" if container.has_alpha else "")
        self.tile = []
        self.info["mode"] = header.mode
        if not header.lossless:
            self.info["model_id"] = header.model_id.hex()

    def load(self) -> Any:
        """Decode the picture, once."""
        if self._data is not None:
            from hpcmbal.codec.codec import decompress

            picture = decompress(self._data)
            self._data = None
            self.im = picture.im
            self.info.update(picture.info)
        return super().load()


def register() -> None:
    """Make the format known to Pillow; a second call changes nothing."""
    Image.register_open(FORMAT, HpcmImageFile, _accept)
    Image.register_save(FORMAT, _save)
    Image.register_extension(FORMAT, EXTENSION)
    Image.register_mime(FORMAT, MIME_TYPE)


def _accept(prefix: bytes) -> bool:
    return prefix.startswith(_SIGNATURE)


def _save(image: Image.Image, file: IO[bytes], _filename: str | bytes) -> None:
    """`image.save("x.hpcm", quality=..., model=..., lossless=True)`."""
    from hpcmbal.codec.codec import compress

    options = getattr(image, "encoderinfo", {})
    lossless = bool(options.get("lossless"))
    file.write(compress(image, options.get("model"), options.get("quality"), mode="lossless" if lossless else "auto"))
