"""Which members of archives and entries of lists are pictures, and why others are passed over."""

from latentlab.data.pictures.sniffing import Kind, has_picture_suffix, kind_of

# Made by cameras, network drives and operating systems: nobody looks for pictures there.
SIDE_FOLDERS = frozenset({"__macosx", "@eadir", "lost+found", "$recycle.bin"})
SIDE_FILES = ("thumbs.db", "desktop.ini")


def is_picture_name(name: str) -> bool:
    """Return whether a file is taken as a picture without a look at its content.

    Parameters
    ----------
    name : str
        Its path.
    """
    return has_picture_suffix(name)


def reason_by_name(name: str) -> str:
    """Return why a file is passed over by its path alone, "" if it is not.

    Parameters
    ----------
    name : str
        Its path below the data, with "/".

    Examples
    --------
    >>> reason_by_name("__MACOSX/a/._b.png"), reason_by_name("a/b.png")
    ('files of the system', '')
    """
    parts = name.split("/")
    if parts[-1].lower() in SIDE_FILES or not SIDE_FOLDERS.isdisjoint(map(str.lower, parts)):
        return "files of the system"
    return "hidden" if any(part.startswith(".") for part in parts) else ""


def kind_beyond_name(head: bytes, name: str) -> Kind | None:
    """Return the kind of a file of which the name does not say enough; None if it does.

    Parameters
    ----------
    head : bytes
        Its first bytes.
    name : str
        Its path.
    """
    kind = kind_of(head, name)
    return None if is_picture_name(name) and not kind.may_hold_several else kind
