"""Names from outside in figures: escaped, on one line, and cut where they are long."""

from __future__ import annotations

from hpcmbal.visible_text import visible

LABEL_LETTERS = 60
"""Of a name in a figure; what is longer is cut."""


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
