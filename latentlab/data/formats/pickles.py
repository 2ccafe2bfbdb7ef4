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


_ALLOWED = {
    ("numpy.core.multiarray", "_reconstruct"): _reconstruct,
    ("numpy._core.multiarray", "_reconstruct"): _reconstruct,
    ("numpy", "ndarray"): _Array,
    ("numpy", "dtype"): _DType,
}
_COPYING = {
    ("numpy.core.numeric", "_frombuffer"): "from_buffer",
    ("numpy._core.numeric", "_frombuffer"): "from_buffer",
    ("_codecs", "encode"): "encode",
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
# One byte may stand for a list, which takes 56. A published batch has 70,000 instructions.
_MOST_INSTRUCTIONS = 1_000_000


class _Unpickler(pickle.Unpickler):
    """An unpickler that copies no more bytes than its pickle has: one text may be copied often."""

    def __init__(self, content: bytes) -> None:
        super().__init__(io.BytesIO(content), encoding="bytes")
        self._left = len(content)

    def from_buffer(self, content: Any, dtype: Any, shape: Any, order: Any) -> _Array:
        """Return the array that NumPy writes in protocol 5."""
        # bytes() of a number takes that much memory.
        if not isinstance(content, (bytes, bytearray)):
            raise pickle.UnpicklingError("its array has no bytes")
        self._take(len(content))
        array = _Array()
        array.state = (1, shape, dtype, order == "F", bytes(content))
        return array

    def encode(self, text: str, encoding: str) -> bytes:
        """Return bytes that an older protocol writes as text."""
        if encoding not in ("latin1", "latin-1"):
            raise pickle.UnpicklingError(f"the encoding {encoding!r} is not allowed")
        self._take(len(text))
        return text.encode("latin1")

    def _take(self, n_bytes: int) -> None:
        self._left -= n_bytes
        if self._left < 0:
            raise pickle.UnpicklingError("it copies its bytes again and again")

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) in _COPYING:
            return getattr(self, _COPYING[module, name])
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
        value = _Unpickler(content).load()
        if not isinstance(value, dict):
            raise pickle.UnpicklingError(f"it holds a {type(value).__name__}, not a dictionary")
        return {_text(key): _plain(item) for key, item in value.items()}
    except Exception as error:  # a hostile pickle can make the unpickler raise anything
        raise DataError(
            f"{where} is refused as a pickle: {error}. Fetch the original archive again."
        ) from error


def _check(content: bytes) -> None:
    """Read the instructions without following them; refuse those that image data do not need."""
    for number, (opcode, argument, _) in enumerate(pickletools.genops(content)):
        if number > _MOST_INSTRUCTIONS:
            raise pickle.UnpicklingError("it has too many instructions")
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
