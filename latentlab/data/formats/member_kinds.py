"""Which members of archives and entries of lists are pictures, and why others are passed over."""

from pathlib import Path, PurePosixPath

from latentlab.data.sniffing import HEAD_BYTES, Kind, has_picture_suffix, kind_of

# Made by cameras, network drives and operating systems: nobody looks for pictures there.
SIDE_FOLDERS = ("__MACOSX", "@eaDir", "lost+found")
SIDE_FILES = ("thumbs.db", "desktop.ini")


def is_picture_name(name: str) -> bool:
    """Return whether a file is taken as a picture without a look at its content.

    Parameters
    ----------
    name : str
        Its path.
    """
    return has_picture_suffix(name)


def kind_of_file(path: Path) -> Kind:
    """Return the kind of a file by its first bytes.

    Parameters
    ----------
    path : Path
        The file.

    Raises
    ------
    OSError
        If it cannot be read.
    """
    with path.open("rb") as file:
        return kind_of(file.read(HEAD_BYTES), path.name)


def reason_by_name(name: str) -> str:
    """Return why a file is passed over by its path alone, "" if it is not.

    Parameters
    ----------
    name : str
        Its path below the data, with "/".

    Examples
    --------
    >>> reason_by_name("__MACOSX/a/._b.png"), reason_by_name("a/b.png")
    ('thumbnails of a camera or NAS', '')
    """
    parts = PurePosixPath(name).parts
    if any(part in SIDE_FOLDERS for part in parts) or parts[-1].lower() in SIDE_FILES:
        return "thumbnails of a camera or NAS"
    return "hidden" if any(part.startswith(".") for part in parts) else ""
