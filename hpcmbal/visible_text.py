"""Text from outside as people may be shown it: what is no letter, sign or space is escaped."""

from __future__ import annotations

import unicodedata

_HIDDEN = frozenset({"Cc", "Co", "Cs", "Zl", "Zp"})
"""Controls, private use, lone surrogates, separators of lines and paragraphs."""
_DIRECTION = frozenset("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")


def visible(text: object, keep: str = "") -> str:
    r"""`text` with controls, lone surrogates and changes of direction escaped, the rest as it is.

    Bytes of a file's name that are no UTF-8, which Python keeps as lone surrogates, become `\xNN`.

    Args:
        text: What to show.
        keep: Letters that stay whatever they are.

    >>> visible("a[b]\x1b[31m\t\udcff.png"), visible("two\nlines", keep="\n")
    ('a[b]\\x1b[31m\\t\\xff.png', 'two\nlines')
    """
    return "".join(_escaped(letter) if letter not in keep and _hidden(letter) else letter for letter in str(text))


def _hidden(letter: str) -> bool:
    return unicodedata.category(letter) in _HIDDEN or letter in _DIRECTION


def _escaped(letter: str) -> str:
    byte = ord(letter) - 0xDC00
    return f"\\x{byte:02x}" if 0x80 <= byte <= 0xFF else letter.encode("unicode_escape").decode()
