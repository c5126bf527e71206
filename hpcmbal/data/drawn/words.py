"""Words, numbers and lines of code for pictures with text in them."""

from __future__ import annotations

from random import Random

_WORDS = (
    "the", "of", "and", "to", "in", "is", "it", "you", "that", "he", "was", "for", "on", "are", "with", "as", "his",
    "they", "at", "be", "this", "from", "have", "or", "by", "one", "had", "not", "but", "what", "all", "were", "when",
    "we", "there", "can", "an", "your", "which", "their", "said", "if", "do", "will", "each", "about", "how", "up",
    "out", "them", "then", "she", "many", "some", "so", "these", "would", "other", "into", "has", "more", "her", "two",
    "like", "him", "see", "time", "could", "no", "make", "than", "first", "been", "its", "who", "now", "people", "my",
    "made", "over", "did", "down", "only", "way", "find", "use", "may", "water", "long", "little", "very", "after",
    "words", "called", "just", "where", "most", "know", "image", "bits", "rate", "scale", "model", "light", "river",
    "north", "figure", "table", "Section", "Abstract", "Results", "Figure", "Journal", "Paris", "Monday", "Quarterly",
    "Budget", "Error", "Warning", "Settings", "Download", "Cancel", "network",
)  # fmt: skip
_CODE = (
    "def", "return", "if", "else", "for", "while", "in", "import", "class", "self", "not", "None", "True", "False",
    "int", "float", "const", "void", "let", "fn",
)  # fmt: skip
_NAMES = (
    "x", "y", "i", "j", "n", "total", "count", "index", "width", "height", "value", "buffer", "config", "node",
    "result", "data", "path", "step", "rate", "left", "right",
)  # fmt: skip


def word(random: Random) -> str:
    """A word, a number, or letters at random."""
    kind = random.random()
    if kind < 0.86:
        found = random.choice(_WORDS)
        return found.capitalize() if random.random() < 0.08 else found
    if kind < 0.95:
        return number(random)
    return "".join(
        random.choice("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz") for _ in range(random.randint(2, 9))
    )


def number(random: Random) -> str:
    """A number as tables and axes have them."""
    kind = random.randrange(5)
    if kind == 0:
        return str(random.randint(0, 20))
    if kind == 1:
        return f"{random.uniform(0, 100):.{random.randint(1, 3)}f}"
    if kind == 2:
        return f"{random.randint(0, 100)}%"
    return str(random.randint(0, 99999)) if kind == 3 else f"-{random.uniform(0, 9):.2f}"


def sentence(random: Random, words: int) -> str:
    """So many words, with a comma or a full stop here and there."""
    parts = [
        word(random) + ("," if random.random() < 0.06 else "." if random.random() < 0.08 else "") for _ in range(words)
    ]
    return " ".join(parts)


def label(random: Random, most: int = 3) -> str:
    """A caption: a few words, the first one capital."""
    text = " ".join(word(random) for _ in range(random.randint(1, most)))
    return text[:1].upper() + text[1:]


def code_line(random: Random) -> list[tuple[str, str]]:
    """A line of a program, as words with their kind: keyword, name, number, string, comment, sign."""
    if random.random() < 0.12:
        return [("comment", "# " + sentence(random, random.randint(2, 6)))]
    parts = [("keyword", random.choice(_CODE) + " ")] if random.random() < 0.6 else []
    for _ in range(random.randint(1, 4)):
        parts.append(("name", random.choice(_NAMES)))
        parts.append(("sign", random.choice([" = ", "(", ")", ".", ", ", " + ", ": ", "[", "]", " == ", "->"])))
        kind = random.random()
        if kind < 0.25:
            parts.append(("number", number(random)))
        elif kind < 0.4:
            parts.append(("string", f'"{word(random)}"'))
    return parts
