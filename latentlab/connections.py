"""Connections that leave this machine: announced, and refused where they may not be made.

Data sets, models of a hub and weights of Keras are downloaded when a user names them and they are
not here; nothing else connects anywhere. LATENTLAB_OFFLINE=1 in the environment, or the flag
--offline, forbids even these. `announce` is called before each download of ours. What libraries do
by themselves is kept from the network by `close`, at Python's sockets.
"""

import logging
import os
import sys
from typing import Any

from latentlab.errors import DataError

VARIABLE = "LATENTLAB_OFFLINE"
REFUSED = "connections are refused (`offline`)"
_WATCHED = ("socket.connect", "socket.getaddrinfo", "socket.gethostbyname", "socket.sendto")
_hooks: list[str] = []  # one entry once the hook is there: Python cannot take it away again

log = logging.getLogger("latentlab")


def set_offline(wanted: bool) -> None:
    """Choose whether downloads are refused, in this process and those that it starts.

    Parameters
    ----------
    wanted : bool
        Whether they are.
    """
    os.environ[VARIABLE] = "1" if wanted else ""
    close()


def is_offline() -> bool:
    """Return whether downloads are refused.

    `set_offline` asks for it, or LATENTLAB_OFFLINE=1 in the environment.
    """
    return os.environ.get(VARIABLE, "") not in ("", "0")


def announce(action: str, hint: str = "") -> None:
    """Say what is about to be fetched, or refuse it.

    Parameters
    ----------
    action : str
        What is done and from where, such as "download https://example.org/digits.npz".
    hint : str
        A sentence that says how to go on without a connection.

    Raises
    ------
    DataError
        If connections are refused.
    """
    if is_offline():
        raise DataError(f"cannot {action}: {REFUSED}", hint=hint)
    log.info("connecting: %s", action)


def close() -> None:
    """Refuse connections of this process's Python code, also those of libraries, while offline.

    Sockets within the machine that have no address, which processes use among themselves, are
    left. A library's compiled code does not come by here; none that we use connects by itself.
    """
    if is_offline() and not _hooks:
        _hooks.append(VARIABLE)
        sys.addaudithook(_refuse)


def _refuse(event: str, arguments: tuple[Any, ...]) -> None:
    if event not in _WATCHED or not is_offline():
        return
    # A path, not an address: a socket between processes of this machine.
    if event == "socket.connect" and not isinstance(arguments[1], tuple):
        return
    raise ConnectionRefusedError(REFUSED)
