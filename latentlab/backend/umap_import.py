"""UMAP with its compiled code kept on disk, so that only the first process waits for it.

umap-learn leaves most of its functions to be compiled anew in each process, which takes many
seconds and changes nothing: the code is the same each time.
"""

import contextlib
import sys
from types import ModuleType

from latentlab.backend.quiet import frameworks_hidden
from latentlab.progress import announce_import


def import_umap() -> ModuleType:
    """Return the package `umap`, whose functions keep on disk what numba makes of them.

    Returns
    -------
    module

    Raises
    ------
    LatentlabError
        If no folder can be written to.
    """
    announce_import("umap")
    with frameworks_hidden():
        import umap

        for name in [each for each in sys.modules if each.partition(".")[0] == "umap"]:
            _keep_compiled(sys.modules[name])
    return umap


def _keep_compiled(module: ModuleType) -> None:
    """Let the functions of a module that numba compiles at their first call be kept on disk."""
    from numba.core.caching import NullCache
    from numba.core.dispatcher import Dispatcher

    for function in vars(module).values():
        if not isinstance(function, Dispatcher) or function.signatures:
            continue  # what has signatures is compiled already
        # numba has no public question for it
        if isinstance(getattr(function, "_cache", None), NullCache):
            with contextlib.suppress(RuntimeError):  # no folder can be written to
                function.enable_caching()
