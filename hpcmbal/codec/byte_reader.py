"""Reading fields from untrusted bytes: every length is checked before anything is taken."""

from __future__ import annotations

from hpcmbal.errors import BitstreamError

VARINT_MAX_BYTES = 5


class TruncatedError(BitstreamError):
    """The file ends before a field does."""


class ByteReader:
    """A position in `data`; every method names the field in its errors."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self.position = 0

    @property
    def remaining(self) -> int:
        """Bytes not read yet."""
        return len(self._data) - self.position

    @property
    def start(self) -> bytes:
        """The first bytes, by which kinds of files are known."""
        return self._data[:32]

    def take(self, count: int, field: str) -> bytes:
        """The next `count` bytes.

        Raises:
            TruncatedError: There are fewer.
        """
        if count > self.remaining:
            raise TruncatedError(f"The file ends inside {field}: {count} bytes expected, {self.remaining} left.")
        start, self.position = self.position, self.position + count
        return self._data[start : self.position]

    def unsigned(self, size: int, field: str) -> int:
        """A little-endian number of `size` bytes."""
        return int.from_bytes(self.take(size, field), "little")

    def varint(self, field: str) -> int:
        """A number in groups of 7 bits, the lowest first; every byte but the last has its top bit set.

        Raises:
            TruncatedError: The file ends inside it.
            BitstreamError: It has more than 5 bytes, or more than it needs.
        """
        value = 0
        for index in range(VARINT_MAX_BYTES):
            byte = self.unsigned(1, field)
            value |= (byte & 0x7F) << (7 * index)
            if byte < 0x80:
                if index and not byte:
                    break
                return value
        raise BitstreamError(f"The number in {field} is not written as the format writes numbers; the file is damaged.")


def write_varint(value: int) -> bytes:
    """The bytes that `ByteReader.varint` reads back."""
    out = bytearray()
    while value >= 0x80:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)
