"""Read the Python version of CIFAR-10 without trusting it.

A pickle can name any function and have it called. Here the few names that NumPy arrays need lead
to stand-ins that only store their arguments. Any other name is refused before anything runs.
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
    """Stands for numpy.ndarray: keeps its state (version, shape, dtype, is_fortran, bytes)."""

    state: Any = None

    def __setstate__(self, state: Any) -> None:
        self.state = state


def _reconstruct(*_: Any) -> _Array:
    return _Array()


def _from_buffer(content: Any, dtype: Any, shape: Any, order: Any) -> _Array:
    """Return the array that NumPy writes in protocol 5."""
    if not isinstance(content, (bytes, bytearray)):  # bytes() of a number takes that much memory
        raise pickle.UnpicklingError("its array has no bytes")
    array = _Array()
    array.state = (1, shape, dtype, order == "F", bytes(content))
    return array


def _encode(text: str, encoding: str) -> bytes:
    if encoding not in ("latin1", "latin-1"):
        raise pickle.UnpicklingError(f"the encoding {encoding!r} is not allowed")
    return text.encode("latin1")


_ALLOWED = {
    ("numpy.core.multiarray", "_reconstruct"): _reconstruct,
    ("numpy._core.multiarray", "_reconstruct"): _reconstruct,
    ("numpy", "ndarray"): _Array,
    ("numpy", "dtype"): _DType,
    ("numpy.core.numeric", "_frombuffer"): _from_buffer,
    ("numpy._core.numeric", "_frombuffer"): _from_buffer,
    ("_codecs", "encode"): _encode,
}


# All that NumPy and the standard types are written with. Instructions that set state, call methods
# or take names from the stack in another way are not among them.
_OPCODES = {
    "PROTO", "FRAME", "STOP", "MARK", "POP", "POP_MARK", "DUP", "MEMOIZE", "GLOBAL",
    "STACK_GLOBAL", "REDUCE", "BUILD",
    "PUT", "BINPUT", "LONG_BINPUT", "GET", "BINGET", "LONG_BINGET",
    "NONE", "NEWTRUE", "NEWFALSE", "INT", "BININT", "BININT1", "BININT2", "LONG", "LONG1",
    "LONG4", "FLOAT", "BINFLOAT",
    "STRING", "BINSTRING", "SHORT_BINSTRING",
    "BINBYTES", "SHORT_BINBYTES", "BINBYTES8", "BYTEARRAY8",
    "UNICODE", "SHORT_BINUNICODE", "BINUNICODE", "BINUNICODE8",
    "EMPTY_TUPLE", "TUPLE", "TUPLE1", "TUPLE2", "TUPLE3", "EMPTY_LIST", "LIST", "APPEND",
    "APPENDS",
    "EMPTY_DICT", "DICT", "SETITEM", "SETITEMS",
}  # fmt: skip
# The unpickler allocates as many places as the highest index of its memo.
_MOST_MEMOS = 1_000_000


class _Unpickler(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        if (module, name) not in _ALLOWED:
            raise pickle.UnpicklingError(f"it names {module}.{name}, which image data do not need")
        return _ALLOWED[module, name]


def load_dict(content: bytes, where: str) -> dict[str, Any]:
    """Return the dictionary that a pickle holds.

    Parameters
    ----------
    content : bytes
        The pickle.
    where : str
        Its file, for messages.

    Returns
    -------
    dict
        Keys are str, arrays are uint8 ndarrays, and byte strings stay bytes.

    Raises
    ------
    DataError
        If it is damaged, holds no dictionary, or names anything that uint8 arrays do not need.
    """
    try:
        _check(content)
        value = _Unpickler(io.BytesIO(content), encoding="bytes").load()
        if not isinstance(value, dict):
            raise pickle.UnpicklingError(f"it holds a {type(value).__name__}, not a dictionary")
        return {_text(key): _plain(item) for key, item in value.items()}
    except Exception as error:  # a hostile pickle can make the unpickler raise anything
        raise DataError(
            f"{where} is refused as a pickle: {error}. Fetch the original archive again."
        ) from error


def _check(content: bytes) -> None:
    """Read the instructions without following them; refuse those that image data do not need."""
    for opcode, argument, _ in pickletools.genops(content):
        if opcode.name not in _OPCODES:
            raise pickle.UnpicklingError(
                f"it has the instruction {opcode.name}, which image data do not need"
            )
        if opcode.name.endswith("PUT") and not _is_memo_index(argument):
            raise pickle.UnpicklingError("its memo is too large")


def _is_memo_index(argument: Any) -> bool:
    return not isinstance(argument, int) or 0 <= argument < _MOST_MEMOS


def _text(value: Any) -> str:
    return value.decode("latin1") if isinstance(value, bytes) else str(value)


def _plain(value: Any) -> Any:
    return _array(value) if isinstance(value, _Array) else value


def _array(array: _Array) -> np.ndarray:
    _, shape, dtype, is_fortran, content = array.state
    if dtype.code not in ("u1", b"u1") or not isinstance(content, bytes):
        raise pickle.UnpicklingError("its array is not of unsigned bytes")
    order = "F" if is_fortran else "C"
    return np.frombuffer(content, dtype=np.uint8).reshape(shape, order=order)  # type: ignore[call-overload]
