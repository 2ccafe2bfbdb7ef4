"""Opening the viewer in a browser without showing its token to other users of the machine.

Every user can list the command lines of all programs, and a browser's holds the address that it was
started with. It is therefore given a file that this user alone can read, and that leads on.
"""

import contextlib
import html
import tempfile
from collections.abc import Iterator
from pathlib import Path

PAGE = """<!DOCTYPE html>
<html lang="en"><head><meta charset="utf-8"><title>latentlab</title>
<meta name="referrer" content="no-referrer">
<meta http-equiv="refresh" content="0; url={address}"></head>
<body><p><a href="{address}">Open the viewer</a></p></body></html>
"""


@contextlib.contextmanager
def opening_page(address: str) -> Iterator[Path]:
    """Write a page that leads to an address; it is removed afterwards.

    Parameters
    ----------
    address : str
        Where it leads.

    Yields
    ------
    pathlib.Path
        The page, in a folder that nobody else can enter.

    Examples
    --------
    >>> with opening_page("http://127.0.0.1:8000/?token=x") as page:
    ...     page.name
    'viewer.html'
    """
    with tempfile.TemporaryDirectory(prefix="latentlab-view-") as folder:
        page = Path(folder) / "viewer.html"
        page.write_text(PAGE.format(address=html.escape(address)), encoding="utf-8")
        yield page
