r"""Names from outside as text that nothing reads as more than text.

Names of classes, files, clusters and columns may hold anything. Here are the rules that hold for
every destination; those of one destination stand beside it: the terminal in `cli/_output.py`,
tables in `storage/text_tables.py`, figures in `reporting/drawing.py`, pages in `reporting/html.py`
(docs/decisions/0083-text-by-destination.md).
"""

import unicodedata

# Joiners are invisible, and Persian and Indic names, and many emoji, are not whole without them.
_JOINERS = "\u200c\u200d"


def printable(name: str) -> str:
    r"""Return a name as one line: what cannot be printed is spelled out.

    These are control characters, line breaks, characters that turn the direction of writing, and
    halves of characters. Every kind of space becomes a plain one.

    Parameters
    ----------
    name : str
        A path, or another name.

    Examples
    --------
    >>> printable("new\nline.png")
    'new\\nline.png'
    >>> printable("\u202egnp.exe")
    '\\u202egnp.exe'
    """
    return name if name.isprintable() else "".join(map(_shown, name))


def printable_lines(text: str) -> str:
    r"""Return text of several lines with everything spelled out that cannot be printed.

    Parameters
    ----------
    text : str
        Lines; line breaks and tabs stay.

    Examples
    --------
    >>> printable_lines("a\n\x1b[31mb")
    'a\n\\x1b[31mb'
    """
    if text.isprintable():
        return text
    return "".join(sign if sign in "\n\t" else _shown(sign) for sign in text)


def shortened(name: str, longest: int) -> str:
    """Return a name as one line of at most so many characters, cut at its end.

    Parameters
    ----------
    name : str
        A path, or another name.
    longest : int
        Characters, at least 1.

    Examples
    --------
    >>> shortened("a very long name", 7)
    'a very…'
    """
    shown = printable(name)
    return shown if len(shown) <= longest else f"{shown[: longest - 1].rstrip()}…"


def _shown(sign: str) -> str:
    """Return one character, spelled out if it cannot be printed."""
    if sign.isprintable() or sign in _JOINERS:
        return sign
    is_space = unicodedata.category(sign) == "Zs"
    return " " if is_space else ascii(sign)[1:-1]
