"""Read the Python version of CIFAR-10 without trusting it.

A pickle can name any function and have it called. Here the few names that NumPy arrays need lead to the stand-ins
below, which only store what they are given; every other name is refused before anything runs.
"""

import io
import pickle
import pickletools
from typing import Any

import numpy as np

from latentlab.errors import DataError


class _DType:
    """Stands for numpy.dtype: keeps the type code."""

    def __init__(self, code: Any = None, *_: Any) -> None:
        self.code = code

    def __setstate__(self, state: Any) -> None:
        """Drop byte order and alignment, which single bytes do not have."""


class _Array:
    """Stands for numpy.ndarray: keeps the pickled state (version, shape, dtype, is_fortran, bytes)."""

    state: Any = None

    def __setstate__(self, state: Any) -> None:
        self.state = state


def _reconstruct(*_: Any) -> _Array:
    return _Array()


def _encode(text: str, encoding: str) -> bytes:
    if encoding not in ("latin1", "latin-1"):
        raise pickle.UnpicklingError(f"the encoding {encoding!r} is not allowed")
    return text.encode("latin1")


_ALLOWED = {
    ("numpy.core.multiarray", "_reconstruct"): _reconstruct,
    ("numpy._core.multiarray", "_reconstruct"): _reconstruct,
    ("numpy", "ndarray"): _Array,
    ("numpy", "dtype"): _DType,
    ("_codecs", "encode"): _encode,
}


# All that NumPy and the standard types are written with. Anything that sets state, calls methods or takes names from the
# stack in another way is not among them.
_OPCODES = {
    "PROTO", "FRAME", "STOP", "MARK", "POP", "POP_MARK", "DUP", "MEMOIZE", "GLOBAL", "STACK_GLOBAL", "REDUCE", "BUILD",
    "PUT", "BINPUT", "LONG_BINPUT", "GET", "BINGET", "LONG_BINGET",
    "NONE", "NEWTRUE", "NEWFALSE", "INT", "BININT", "BININT1", "BININT2", "LONG", "LONG1", "LONG4", "FLOAT", "BINFLOAT",
    "STRING", "BINSTRING", "SHORT_BINSTRING", "BINBYTES", "SHORT_BINBYTES", "BINBYTES8",
    "UNICODE", "SHORT_BINUNICODE", "BINUNICODE", "BINUNICODE8",
    "EMPTY_TUPLE", "TUPLE", "TUPLE1", "TUPLE2", "TUPLE3", "EMPTY_LIST", "LIST", "APPEND", "APPENDS",
    "EMPTY_DICT", "DICT", "SETITEM", "SETITEMS",
}  # fmt: skip
_MOST_MEMOS = (
    1_000_000  # an index of the memo of two milliards makes the unpickler allocate that many places
)


class _Unpickler(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        if (module, name) not in _ALLOWED:
            raise pickle.UnpicklingError(f"it names {module}.{name}, which image data do not need")
        return _ALLOWED[module, name]


def load_dict(content: bytes, where: str) -> dict[str, Any]:
    """Return the dictionary that a pickle holds, with keys as str, arrays as uint8 ndarray and byte strings as bytes.

    Raises
    ------
    DataError
        If it is damaged, holds anything but a dictionary, or names anything that uint8 arrays do not need.
    """
    try:
        _check(content)
        value = _Unpickler(io.BytesIO(content), encoding="bytes").load()
        if not isinstance(value, dict):
            raise pickle.UnpicklingError(f"it holds a {type(value).__name__}, not a dictionary")
        return {
            _text(key): _array(item) if isinstance(item, _Array) else item
            for key, item in value.items()
        }
    except Exception as error:  # a hostile pickle can make the unpickler raise anything
        raise DataError(
            f"{where} is refused as a pickle: {error}. Fetch the original archive again."
        ) from error


def _check(content: bytes) -> None:
    """Look through the instructions without following them, and refuse what image data do not need."""
    for opcode, argument, _ in pickletools.genops(content):
        if opcode.name not in _OPCODES:
            raise pickle.UnpicklingError(
                f"it has the instruction {opcode.name}, which image data do not need"
            )
        if (
            opcode.name.endswith("PUT")
            and isinstance(argument, int)
            and not 0 <= argument < _MOST_MEMOS
        ):
            raise pickle.UnpicklingError("its memo is too large")


def _text(value: Any) -> str:
    return value.decode("latin1") if isinstance(value, bytes) else str(value)


def _array(array: _Array) -> np.ndarray:
    _, shape, dtype, is_fortran, content = array.state
    if dtype.code not in ("u1", b"u1") or not isinstance(content, bytes):
        raise pickle.UnpicklingError("its array is not of unsigned bytes")
    return np.frombuffer(content, dtype=np.uint8).reshape(shape, order="F" if is_fortran else "C")
