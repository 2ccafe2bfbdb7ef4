"""Arrays in the data of a page: as bytes in base64, or at an address of the viewer's server."""

import base64
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from latentlab.storage.json_form import json_field

FOLDER = "points"  # of the addresses


@dataclass(frozen=True)
class PackedArray:
    """An array as bytes, or where to get them.

    Attributes
    ----------
    type : str
        "int8", "uint8", "int32" or "float32".
    base64 : str or None
        The little-endian bytes in base64.
    url : str or None
        The address of these bytes, relative to the page; instead of `base64`.
    """

    type: str
    base64: str | None = json_field(optional=True)
    url: str | None = json_field(optional=True)


@dataclass(frozen=True)
class Address:
    """Where to get a list of texts: a JSON string a line.

    Attributes
    ----------
    url : str
        Relative to the page.
    """

    url: str


Pack = Callable[[str, np.ndarray], PackedArray]
"""From the name of an array, which no other array of the page has, and its values."""


def pack(values: np.ndarray) -> PackedArray:
    """Return an array as bytes in base64.

    Parameters
    ----------
    values : ndarray of int8, uint8, int32 or float32
        Any shape; it is flattened.

    Returns
    -------
    PackedArray

    Examples
    --------
    >>> pack(np.array([1, 2], np.int8))
    PackedArray(type='int8', base64='AQI=', url=None)
    """
    return PackedArray(values.dtype.name, base64.b64encode(_bytes_of(values)).decode())


def inside(name: str, values: np.ndarray) -> PackedArray:
    """Return an array as bytes inside the page: the `Pack` of a page that is a file.

    Parameters
    ----------
    name : str
        Not used.
    values : ndarray
        See `pack`.
    """
    return pack(values)


class PointStore:
    """Arrays and texts of a page that its server sends beside it, where a page would be too large.

    Examples
    --------
    >>> store = PointStore()
    >>> store.keep("xy", np.zeros(2, np.float32))
    PackedArray(type='float32', base64=None, url='points/xy')
    >>> len(store.content("xy"))
    8
    """

    def __init__(self) -> None:
        self._contents: dict[str, bytes] = {}
        self._texts: dict[str, Sequence[str]] = {}  # those that nobody has asked for

    def keep(self, name: str, values: np.ndarray) -> PackedArray:
        """Keep an array and return its address.

        Parameters
        ----------
        name : str
            Name of the array.
        values : ndarray
            See `pack`.
        """
        key = _key(name)
        self._contents[key] = _bytes_of(values)
        return PackedArray(values.dtype.name, url=f"{FOLDER}/{key}")

    def keep_texts(self, name: str, texts: Sequence[str]) -> Address:
        """Keep texts and return their address; they are encoded once they are asked for.

        Parameters
        ----------
        name : str
            Name of the list.
        texts : sequence of str
            The texts.
        """
        key = _key(name)
        if key not in self._contents:  # they never change
            self._texts[key] = texts
        return Address(f"{FOLDER}/{key}")

    def content(self, key: str) -> bytes | None:
        """Return what is kept at an address; None if there is nothing.

        Parameters
        ----------
        key : str
            The address without its folder.
        """
        texts = self._texts.get(key)
        if texts is not None:
            self._contents[key] = json.dumps(texts, separators=("\n", ":"))[1:-1].encode()
            self._texts.pop(key, None)
        return self._contents.get(key)


def _key(name: str) -> str:
    """Return a name as a part of an address: letters and digits of ASCII, and the codes of others.

    >>> _key("taken on, UTC"), _key("..")
    ('taken-20on-2c-20UTC', '-2e-2e')
    """
    parts = []
    for sign in name:
        is_plain = sign.isascii() and sign.isalnum()
        parts.append(sign if is_plain else f"-{ord(sign):x}")
    return "".join(parts)


def _bytes_of(values: np.ndarray) -> bytes:
    return np.ascontiguousarray(values, values.dtype.newbyteorder("<")).tobytes()
