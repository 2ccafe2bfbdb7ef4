"""Whether a file of a run still has the content that run.json records."""

from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from latentlab.storage.manifest import Output


def check(path: str, name: str, output_of: Callable[[str], "Output | None"]) -> None:
    """Pass a file of a run that is about to be read; its content is not compared yet.

    Parameters
    ----------
    path : str
        Its absolute path.
    name : str
        Its path below the run's folder, with "/".
    output_of : callable
        output_of(name) -> what run.json records of it, or None.
    """
