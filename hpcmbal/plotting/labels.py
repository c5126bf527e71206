"""Names from outside as text that can be shown: what cannot be printed is escaped, and long ones are cut in figures."""

from __future__ import annotations

import unicodedata

LABEL_LETTERS = 60
"""Of a name in a figure; what is longer is cut."""

_HIDDEN = frozenset({"Cc", "Cs", "Zl", "Zp"})
_DIRECTION = frozenset("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")


def visible(text: str) -> str:
    r"""`text` with control characters, lone surrogates and changes of direction escaped, the rest as it is.

    Bytes of a file's name that are no UTF-8, which Python keeps as lone surrogates, become `\xNN`.

    >>> visible("a\x1b[31m\udcff.png")
    'a\\x1b[31m\\xff.png'
    """
    return "".join(_escaped(letter) if _hidden(letter) else letter for letter in text)


def figure_label(text: str, letters: int = LABEL_LETTERS) -> str:
    """A name as a figure shows it: visible, on one line, at most `letters` long.

    >>> figure_label("a  b" + 20_000 * "c", 8)
    'a bcccc…'
    """
    # Cut first: a name of a million letters needs no look at each.
    shown = " ".join(visible(" ".join(text[: 4 * letters].split())).split())
    if len(shown) > letters or len(text) > 4 * letters:
        shown = f"{shown[: letters - 1]}…"
    # matplotlib leaves labels that begin with an underscore out of legends.
    return f" {shown}" if shown.startswith("_") else shown


def _hidden(letter: str) -> bool:
    return unicodedata.category(letter) in _HIDDEN or letter in _DIRECTION


def _escaped(letter: str) -> str:
    code = ord(letter)
    if 0xDC80 <= code <= 0xDCFF:
        code -= 0xDC00
    return f"\\x{code:02x}" if code <= 0xFF else f"\\u{code:04x}"
