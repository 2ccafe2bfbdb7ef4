"""Read the tensors of a PyTorch file (.pth, .pt) without PyTorch and without trusting it.

Such a file is a pickle of names and shapes, and beside it the numbers. A pickle can name any
function and have it called. Here the few names that tensors need lead to stand-ins that store
their arguments; any other name or instruction is refused before anything runs. Every tensor has
to lie within numbers that the file holds.

Two formats are known: the archive of PyTorch 1.6 and later, and the pickles in a row before it.
"""

import io
import math
import pickle
import pickletools
import struct
import sys
import zipfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from latentlab.encoders.pretrained.onnx_structure import printable
from latentlab.errors import DataError

Tensors = dict[str, np.ndarray]

LARGEST_PICKLE = 4 << 20  # bytes; the pickle of a thousand tensors has 150,000
LONGEST_REASON = 200  # characters
MOST_DIMENSIONS = 8
MOST_MEMBERS = 100_000
_MOST_MEMOS = 1_000_000  # the unpickler allocates as many places as the highest index of its memo
_MAGIC = 0x1950A86A20F9469CFC6C  # first pickle of the older format
_PROTOCOL = 1001  # second pickle of the older format
_COUNT = struct.Struct("<q")  # before the numbers of each storage in the older format

_DTYPES = {
    "DoubleStorage": "<f8",
    "FloatStorage": "<f4",
    "HalfStorage": "<f2",
    "LongStorage": "<i8",
    "IntStorage": "<i4",
    "ShortStorage": "<i2",
    "CharStorage": "i1",
    "ByteStorage": "u1",
    "BoolStorage": "?",
}

# All that PyTorch writes for tensors. What sets state by other ways, calls methods or takes names
# from the stack is not among them.
_OPCODES = {
    "PROTO", "STOP", "MARK", "GLOBAL", "REDUCE", "BUILD", "BINPERSID",
    "BINPUT", "LONG_BINPUT", "BINGET", "LONG_BINGET",
    "NONE", "NEWTRUE", "NEWFALSE", "BININT", "BININT1", "BININT2", "LONG1", "BINFLOAT",
    "BINUNICODE", "EMPTY_TUPLE", "TUPLE", "TUPLE1", "TUPLE2", "TUPLE3",
    "EMPTY_LIST", "APPEND", "APPENDS", "EMPTY_DICT", "SETITEM", "SETITEMS",
}  # fmt: skip


def read_tensors(content: bytes, where: str) -> Tensors:
    """Return the tensors of a file that holds a dictionary of them.

    Parameters
    ----------
    content : bytes
        The file.
    where : str
        Its name, for messages.

    Returns
    -------
    dict of str to ndarray
        Views of `content`, not writeable, in the file's order.

    Raises
    ------
    DataError
        If it is damaged, holds anything but tensors of numbers, or names anything else.
    """
    try:
        if zipfile.is_zipfile(io.BytesIO(content)):
            return _read_archive(content)
        return _read_pickles(content)
    except Exception as error:  # a hostile file can make zipfile and the unpickler raise anything
        reason = printable(str(error) or type(error).__name__, LONGEST_REASON)
        raise DataError(
            f"{where} is refused as a file of PyTorch tensors: {reason}", hint="Fetch it again."
        ) from error


class _RefusedError(ValueError):
    """Says why a file is refused."""


@dataclass(frozen=True)
class _Storage:
    """A block of numbers that the pickle names."""

    key: str
    dtype: np.dtype
    count: int

    def __setstate__(self, state: Any) -> None:
        raise _RefusedError("it sets the state of its numbers")


@dataclass(frozen=True)
class _Tensor:
    """A view of a block of numbers."""

    storage: _Storage
    offset: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]

    def __setstate__(self, state: Any) -> None:
        raise _RefusedError("it sets the state of a tensor")


class _Dictionary(dict):
    """Stands for OrderedDict; the versions of layers, which PyTorch sets as state, are dropped."""

    def __setstate__(self, state: Any) -> None:
        return


class _Name:
    """Stands for a function or class of the file; calling it gives what tensors need of it."""

    __slots__ = ("_call",)

    def __init__(self, call: Callable[..., Any]) -> None:
        self._call = call

    def __call__(self, *arguments: Any) -> Any:
        return self._call(*arguments)

    def __setstate__(self, state: Any) -> None:
        raise _RefusedError("it sets the state of a function")


class _StorageType(_Name):
    """Stands for a class such as torch.FloatStorage."""

    __slots__ = ("dtype",)

    def __init__(self, code: str) -> None:
        super().__init__(_refuse_call)
        self.dtype = np.dtype(code)


def _refuse_call(*_: Any) -> None:
    raise _RefusedError("it calls a type of numbers")


def _tensor(storage: Any, offset: Any, shape: Any, strides: Any, *_: Any) -> _Tensor:
    """Be torch._utils._rebuild_tensor_v2."""
    if not isinstance(storage, _Storage):
        raise _RefusedError("a tensor has no numbers")
    return _Tensor(storage, _whole(offset), _all_whole(shape), _all_whole(strides))


def _parameter(tensor: Any, *_: Any) -> Any:
    """Be torch._utils._rebuild_parameter."""
    return tensor


def _whole(value: Any) -> int:
    if type(value) is not int or value < 0:
        raise _RefusedError("a shape is not of whole numbers from 0")
    return value


def _all_whole(values: Any) -> tuple[int, ...]:
    if not isinstance(values, tuple) or len(values) > MOST_DIMENSIONS:
        raise _RefusedError("a shape has too many dimensions")
    return tuple(_whole(value) for value in values)


_FUNCTIONS: dict[tuple[str, str], Callable[..., Any]] = {
    ("collections", "OrderedDict"): _Dictionary,
    ("torch._utils", "_rebuild_tensor_v2"): _tensor,
    ("torch._utils", "_rebuild_parameter"): _parameter,
}


class _Unpickler(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        if module == "torch" and name in _DTYPES:
            return _StorageType(_DTYPES[name])
        if (module, name) not in _FUNCTIONS:
            raise _RefusedError(f"it names {module}.{name}, which tensors do not need")
        return _Name(_FUNCTIONS[module, name])

    def persistent_load(self, pid: Any) -> _Storage:
        is_storage = isinstance(pid, tuple) and len(pid) in (5, 6) and pid[0] == "storage"
        # The sixth is a view of another storage, which no version of these ten years writes.
        if not is_storage or any(item is not None for item in pid[5:]):
            raise _RefusedError("its numbers are stored in an unknown way")
        _, kind, key, _, count = pid[:5]
        if not isinstance(kind, _StorageType) or not isinstance(key, str):
            raise _RefusedError("its numbers are stored in an unknown way")
        return _Storage(key, kind.dtype, _whole(count))


def _read_archive(content: bytes) -> Tensors:
    """Read the format of PyTorch 1.6 and later: data.pkl, and one member for each storage."""
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        members = {member.filename: member for member in archive.infolist()}
        pickles = [name for name in members if name.endswith("/data.pkl")]
        if len(pickles) != 1:
            raise _RefusedError("it holds no tensors of PyTorch")
        _check_sizes(members, len(content))
        folder = pickles[0].removesuffix("data.pkl")
        if members.get(f"{folder}byteorder") and archive.read(f"{folder}byteorder") != b"little":
            raise _RefusedError("its bytes are in an unknown order")

        def numbers(storage: _Storage) -> np.ndarray:
            member = _stored_member(members, f"{folder}data/{storage.key}")
            return _as_numbers(archive.read(member), storage)

        _stored_member(members, pickles[0])
        return _views(_load(archive.read(pickles[0])), numbers)


def _check_sizes(members: dict[str, zipfile.ZipInfo], size: int) -> None:
    """Refuse members that are packed or lie upon each other: they could take any memory."""
    if len(members) > MOST_MEMBERS or sum(each.file_size for each in members.values()) > size:
        raise _RefusedError("its members are larger than the file")


def _stored_member(members: dict[str, zipfile.ZipInfo], name: str) -> zipfile.ZipInfo:
    """Return a member that is not packed, and so no larger than the file."""
    member = members.get(name)
    if member is None:
        raise _RefusedError(f"its numbers {name} are missing")
    if member.compress_type != zipfile.ZIP_STORED or member.file_size != member.compress_size:
        raise _RefusedError(f"its numbers {name} are packed")
    return member


def _read_pickles(content: bytes) -> Tensors:
    """Read the format before PyTorch 1.6: five pickles, then the numbers of each storage."""
    magic, protocol, system, tensors, keys = _leading_pickles(content)
    if _load(magic.content) != _MAGIC or _load(protocol.content) != _PROTOCOL:
        raise _RefusedError("it is no file of PyTorch")
    if not _load(system.content).get("little_endian", False):
        raise _RefusedError("its bytes are in an unknown order")
    blocks = _Blocks(content, keys.end, _load(keys.content))
    return _views(_load(tensors.content), blocks.numbers, prepare=blocks.locate)


@dataclass(frozen=True)
class _Pickle:
    """One pickle of several in a row, and where it ends."""

    content: bytes
    end: int


def _leading_pickles(content: bytes) -> Iterator[_Pickle]:
    """Yield the five pickles that the older format begins with."""
    stream = io.BytesIO(content)
    for _ in range(5):
        begin = stream.tell()
        for _, _, position in pickletools.genops(stream):
            if position is not None and position - begin > LARGEST_PICKLE:
                raise _RefusedError("its pickle is too large")
        yield _Pickle(content[begin : stream.tell()], stream.tell())


class _Blocks:
    """The numbers of the older format: for each key in turn their count, then they themselves.

    Parameters
    ----------
    content : bytes
        The whole file.
    begin : int
        Where the first count is.
    keys : list of str
        The storages in the order of the file.
    """

    def __init__(self, content: bytes, begin: int, keys: Any) -> None:
        if not isinstance(keys, list) or not all(isinstance(key, str) for key in keys):
            raise _RefusedError("its list of numbers is damaged")
        self._content = content
        self._begin = begin
        self._keys = keys
        self._places: dict[str, int] = {}

    def locate(self, storages: Sequence[_Storage]) -> None:
        """Find where the numbers of each storage begin: all counts have to fit."""
        by_key = {storage.key: storage for storage in storages}
        place = self._begin
        for key in self._keys:
            if key not in by_key:
                raise _RefusedError(f"no tensor has its numbers {key}")
            storage = by_key[key]
            (count,) = _COUNT.unpack_from(self._content, place)
            if count != storage.count:
                raise _RefusedError(f"its numbers {key} have another length than they should")
            self._places[key] = place + _COUNT.size
            place = self._places[key] + count * storage.dtype.itemsize

    def numbers(self, storage: _Storage) -> np.ndarray:
        """Return the numbers of one storage."""
        if storage.key not in self._places:
            raise _RefusedError(f"its numbers {storage.key} are missing")
        begin = self._places[storage.key]
        size = storage.count * storage.dtype.itemsize
        return _as_numbers(memoryview(self._content)[begin : begin + size], storage)


def _load(content: bytes) -> Any:
    """Load one pickle once its instructions are known to be harmless."""
    if len(content) > LARGEST_PICKLE:
        raise _RefusedError("its pickle is too large")
    for opcode, argument, _ in pickletools.genops(content):
        if opcode.name not in _OPCODES:
            raise _RefusedError(f"it has the instruction {opcode.name}, which tensors do not need")
        if opcode.name == "LONG_BINPUT" and int(argument or 0) >= _MOST_MEMOS:
            raise _RefusedError("its memo is too large")
    return _Unpickler(io.BytesIO(content)).load()


def _as_numbers(content: Any, storage: _Storage) -> np.ndarray:
    if len(content) != storage.count * storage.dtype.itemsize:
        raise _RefusedError(f"its numbers {storage.key} have another length than they should")
    return np.frombuffer(content, dtype=storage.dtype)


def _views(
    value: Any,
    numbers: Callable[[_Storage], np.ndarray],
    prepare: Callable[[Sequence[_Storage]], None] | None = None,
) -> Tensors:
    """Return the tensors of a dictionary, given the function that reads a storage."""
    if not isinstance(value, dict) or not value:
        raise _RefusedError("it holds no dictionary of tensors")
    for name, tensor in value.items():
        if not isinstance(name, str) or not isinstance(tensor, _Tensor):
            raise _RefusedError(f"its entry {str(name)[:80]!r} is no tensor")
    storages = [tensor.storage for tensor in value.values()]
    if prepare is not None:
        prepare(storages)
    blocks = {storage: numbers(storage) for storage in dict.fromkeys(storages)}
    return {name: _view(tensor, blocks[tensor.storage]) for name, tensor in value.items()}


def _view(tensor: _Tensor, numbers: np.ndarray) -> np.ndarray:
    """Return a tensor as a view of its storage, within which it has to lie."""
    if len(tensor.shape) != len(tensor.strides):
        raise _RefusedError("a tensor has another number of strides than of dimensions")
    size = math.prod(tensor.shape)
    steps = zip(tensor.shape, tensor.strides, strict=True)
    last = tensor.offset + sum((length - 1) * stride for length, stride in steps)
    if size > len(numbers) or (size and last >= len(numbers)) or tensor.offset > sys.maxsize:
        raise _RefusedError("a tensor is larger than its numbers")
    if size == 0:
        return np.zeros(tensor.shape, numbers.dtype)
    view = np.lib.stride_tricks.as_strided(
        numbers[tensor.offset :],
        tensor.shape,
        [stride * numbers.itemsize for stride in tensor.strides],
        writeable=False,
    )
    # The dtype of the machine: on one with the other byte order this copies.
    return view.astype(numbers.dtype.newbyteorder("="), copy=False)
