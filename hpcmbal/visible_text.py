"""Text from outside as people may be shown it: no controls, no passwords of URLs, no value of ten thousand letters."""

from __future__ import annotations

import re
import unicodedata

_HIDDEN = frozenset({"Cc", "Co", "Cs", "Zl", "Zp"})
"""Controls, private use, lone surrogates, separators of lines and paragraphs."""
_DIRECTION = frozenset("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")

_SCHEME = re.compile(r"((?<![A-Za-z0-9+.-])[A-Za-z0-9+.-]{2,}:/{1,2})")
"""What a URL begins with, and more; of its two slashes a path keeps one. A drive of one letter begins none."""
_PORT = re.compile(r"[^:]*:\d*")
_QUERY = re.compile(r"[?#][^\s'\"]*")

MAX_LETTERS = 200
"""Of a value in a message."""
_KEPT_END = 40


def begins_url(text: str) -> bool:
    """Whether a text is a URL, or a path that was made of one.

    >>> begins_url("https:/host/x"), begins_url("folder/a:/b"), begins_url("C:/x")
    (True, False, False)
    """
    return text[:1].isalpha() and _SCHEME.match(text) is not None


def without_credentials(text: str) -> str:
    """A text without the user names, passwords and parameters in the URLs that it holds.

    >>> without_credentials("sftp://ann:se/cret@host/study?token=x answers not, nor does https:/bob:secret@host/x")
    'sftp://host/study answers not, nor does https:/host/x'
    """
    before, *parts = _SCHEME.split(text)
    urls = (scheme + _without_user(rest) for scheme, rest in zip(parts[::2], parts[1::2], strict=True))
    return before + "".join(urls)


def _without_user(rest: str) -> str:
    """What follows a scheme: its first word loses a user's name, a password (with slashes, too) and parameters."""
    word = rest.split(maxsplit=1)[0] if rest[:1].strip() else ""
    host = word.split("/", 1)[0]
    holds_password = ":" in host and not _PORT.fullmatch(host)
    user = (word if holds_password else host).rfind("@") + 1
    return _QUERY.sub("", word[user:]) + rest[len(word) :]


def shortened(text: str, letters: int = MAX_LETTERS) -> str:
    """A text whose middle is left out where it has more than so many letters.

    >>> shortened("abcdefghij" * 1000, 60)
    'abcdefghijabcdefghij…(9,940 letters more)…abcdefghijabcdefghijabcdefghijabcdefghij'
    """
    if len(text) <= letters:
        return text
    return f"{text[: letters - _KEPT_END]}…({len(text) - letters:,} letters more)…{text[-_KEPT_END:]}"


def visible(text: object, keep: str = "") -> str:
    r"""`text` with controls, lone surrogates and changes of direction escaped, the rest as it is.

    Bytes of a file's name that are no UTF-8, which Python keeps as lone surrogates, become `\xNN`. URLs lose what
    `without_credentials` takes from them.

    Args:
        text: What to show.
        keep: Letters that stay whatever they are.

    >>> visible("a[b]\x1b[31m\t\udcff.png"), visible("two\nlines", keep="\n")
    ('a[b]\\x1b[31m\\t\\xff.png', 'two\nlines')
    """
    shown = without_credentials(str(text))
    return "".join(_escaped(letter) if letter not in keep and _hidden(letter) else letter for letter in shown)


def _hidden(letter: str) -> bool:
    return unicodedata.category(letter) in _HIDDEN or letter in _DIRECTION


def _escaped(letter: str) -> str:
    byte = ord(letter) - 0xDC00
    return f"\\x{byte:02x}" if 0x80 <= byte <= 0xFF else letter.encode("unicode_escape").decode()
