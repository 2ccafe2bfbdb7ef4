"""Reads the structure of an ONNX file and refuses what is not safe to hand to ONNX Runtime.

Nothing is computed here and no weight outside the file is read: what other files hold, and where
they lie, is checked first.
"""

import contextlib
import hashlib
import math
import re
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

import onnx
from google.protobuf.message import DecodeError, Message

from latentlab.encoders.pretrained.card import EncoderFile
from latentlab.errors import DataError

LARGEST_MODEL = (1 << 31) - 1  # bytes; protobuf reads no more
LONGEST_NAME = 80  # characters of a name from a file that a message repeats
LONGEST_PATH = 1000
KNOWN_DOMAINS = {"", "ai.onnx", "ai.onnx.ml", "com.microsoft"}  # ONNX Runtime holds them itself
REFUSED_OPERATORS = {"EPContext": "compiled parts in other files"}
WHOLE_NUMBER = re.compile(r"[0-9]{1,18}")
TYPED_FIELDS = (
    "float_data",
    "int32_data",
    "int64_data",
    "double_data",
    "uint64_data",
    "string_data",
)
FEWEST_BITS = 2  # of a number in one of the small types; some are packed
PACKED = 32 // FEWEST_BITS  # numbers that an entry of a typed field may then hold


@dataclass(frozen=True)
class OnnxStructure:
    """An ONNX file that was read and checked.

    Attributes
    ----------
    path : Path
        The file.
    model : onnx.ModelProto
        Its structure, with the weights that are inside the file.
    content : bytes
        The whole file.
    files : tuple of EncoderFile
        The file and those of its external data.
    """

    path: Path
    model: onnx.ModelProto
    content: bytes
    files: tuple[EncoderFile, ...]

    @property
    def metadata(self) -> dict[str, str]:
        """What the file says of itself, in printable text."""
        return {entry.key: printable(entry.value) for entry in self.model.metadata_props}


def printable(text: str, longest: int = LONGEST_NAME) -> str:
    """Return a text from a file in one short line, with what cannot be printed escaped.

    Parameters
    ----------
    text : str
        The text.
    longest : int
        Characters after which it is cut.
    """
    shown = "".join(letter if letter.isprintable() else ascii(letter).strip("'") for letter in text)
    return shown if len(shown) <= longest else f"{shown[:longest]}..."


def refused(path: Path, problem: str, hint: str = "") -> DataError:
    """Return the error that names a file as the encoder at fault.

    Parameters
    ----------
    path : Path
        The file.
    problem : str
        What is wrong with it.
    hint : str
        What to do.
    """
    shown = printable(str(path), LONGEST_PATH)
    return DataError(problem, field="encoder", value=shown, hint=hint)


def read_structure(path: Path) -> OnnxStructure:
    """Return the structure of an ONNX file after it was checked.

    Parameters
    ----------
    path : Path
        The file.

    Returns
    -------
    OnnxStructure

    Raises
    ------
    DataError
        If it is missing or broken, or asks for what is not allowed: operators that are not
        part of ONNX Runtime, or data outside its folder.
    """
    content = _content(path)
    model = _parsed(path, content)
    _check_versions(path, model)
    _check_operators(path, model)
    data_files = _checked_data(path, model)
    model_file = EncoderFile(str(path), hashlib.sha256(content).hexdigest(), len(content))
    return OnnxStructure(path, model, content, (model_file, *map(EncoderFile.of, data_files)))


def _content(path: Path) -> bytes:
    try:
        info = path.stat()
        if not stat.S_ISREG(info.st_mode):
            raise refused(path, "is not a file", "Name the ONNX file itself.")
        if info.st_size > LARGEST_MODEL:
            raise refused(
                path,
                f"is too large: {info.st_size:,} bytes, at most {LARGEST_MODEL:,}",
                "Save its weights as external data.",
            )
        return path.read_bytes()
    except OSError as error:
        reason = error.strerror or "unknown reason"
        raise refused(path, f"cannot be read: {reason}", "Check the path.") from None


def _parsed(path: Path, content: bytes) -> onnx.ModelProto:
    model = onnx.ModelProto()
    # Any text may happen to parse; a model has a version and a graph with outputs.
    with contextlib.suppress(DecodeError):
        model.ParseFromString(content)
        if model.ir_version > 0 and model.graph.output and model.graph.node:
            return model
    raise refused(path, "is broken or no ONNX file", "Export or download it again.")


def _check_versions(path: Path, model: onnx.ModelProto) -> None:
    newest = onnx.defs.onnx_opset_version()
    opset = max((entry.version for entry in model.opset_import if not entry.domain), default=0)
    if opset > newest or model.ir_version > onnx.IR_VERSION:
        raise refused(
            path,
            f"was written for a newer ONNX: operators {opset} of format {model.ir_version},"
            f" known are {newest} and {onnx.IR_VERSION}",
            "Upgrade onnx and onnxruntime, or export it with older operators.",
        )


def _check_operators(path: Path, model: onnx.ModelProto) -> None:
    functions = {(function.domain, function.name) for function in model.functions}
    for node in _messages(model, onnx.NodeProto):
        known = node.domain in KNOWN_DOMAINS or (node.domain, node.op_type) in functions
        if not known:
            name = printable(f"{node.domain}::{node.op_type}")
            raise refused(
                path,
                f"needs the custom operator {name}, which latentlab does not load",
                "Export it with operators of ONNX only.",
            )
        if node.op_type in REFUSED_OPERATORS:
            holds = REFUSED_OPERATORS[node.op_type]
            raise refused(path, f"refers to {holds} ({node.op_type})", "Export it without them.")


def _messages(message: Message, kind: type) -> Iterator[Any]:
    """Yield all messages of a kind below a message, wherever they stand."""
    waiting = [message]
    while waiting:
        current = waiting.pop()
        if isinstance(current, kind):
            yield current
        if isinstance(current, onnx.TensorProto):  # its numbers may be many
            continue
        for field, value in current.ListFields():
            if field.message_type is not None:
                waiting.extend([value] if isinstance(value, Message) else value)


def _checked_data(path: Path, model: onnx.ModelProto) -> list[Path]:
    """Return the files of external data after all tensors were checked."""
    if next(_messages(model, onnx.SparseTensorProto), None) is not None:
        raise refused(path, "holds sparse weights", "Export it with plain weights.")
    files: dict[str, Path] = {}
    for tensor in _messages(model, onnx.TensorProto):
        external = {entry.key: entry.value for entry in tensor.external_data}
        if external or tensor.data_location == onnx.TensorProto.EXTERNAL:
            location = external.get("location", "")
            if location not in files:
                files[location] = _data_file(path, location)
            _check_range(path, tensor, external, files[location])
        else:
            _check_filled(path, tensor)
    return sorted(set(files.values()))


def _data_file(path: Path, location: str) -> Path:
    """Return the file at `location` if it is a plain file inside the model's folder."""
    shown = printable(location)
    pure = PurePosixPath(location)
    outside = pure.is_absolute() or ".." in pure.parts or re.search(r"\\|:|\0", location)
    if not location or outside:
        raise _elsewhere(path, shown)
    data = path.parent / location
    try:
        real = data.resolve(strict=True)
        info = real.stat()
    except (OSError, RuntimeError, ValueError):
        raise refused(path, f"lacks its external data {shown}", "Put the file beside it.") from None

    # Caches of hubs link a model and its data into one folder of contents: that is no way out.
    homes = {path.parent.resolve(), path.resolve().parent}
    if not any(real.is_relative_to(home) for home in homes):
        raise _elsewhere(path, shown)
    if not stat.S_ISREG(info.st_mode) or info.st_nlink > 1:
        raise refused(
            path,
            f"has external data {shown} that is no plain file, or has several names",
            "Copy it to a file without further links.",
        )
    return data.absolute()


def _elsewhere(path: Path, shown: str) -> DataError:
    return refused(
        path,
        f"refers to external data outside its folder ({shown or 'no name'}), which is not read",
        "Take the file from a source that you trust, with its data beside it.",
    )


def _check_range(
    path: Path, tensor: onnx.TensorProto, external: dict[str, str], data: Path
) -> None:
    size = data.stat().st_size
    texts = [external.get("offset") or "0", external.get("length") or str(_bytes_of(tensor))]
    fits = all(WHOLE_NUMBER.fullmatch(text) for text in texts)
    if not fits or sum(map(int, texts)) > size or _bytes_of(tensor) > size:
        raise refused(
            path,
            f"expects more external data than {printable(data.name)} holds",
            "Download both again.",
        )


def _check_filled(path: Path, tensor: onnx.TensorProto) -> None:
    """Refuse a tensor that declares more numbers than the file holds: memory is taken for them."""
    entries = max(len(getattr(tensor, field)) for field in TYPED_FIELDS)
    bits = _bits_of(tensor)
    packed = PACKED if bits == FEWEST_BITS else 1
    held = max(entries * packed, len(tensor.raw_data) * 8 // bits)
    if math.prod(tensor.dims) > held or any(edge < 0 for edge in tensor.dims):
        raise refused(
            path,
            f"is damaged: the tensor {printable(tensor.name)} declares more numbers than it holds",
            "Export or download it again.",
        )


def _bytes_of(tensor: onnx.TensorProto) -> int:
    """Return the bytes that a tensor of its shape takes at least."""
    return math.prod(tensor.dims) * _bits_of(tensor) // 8


def _bits_of(tensor: onnx.TensorProto) -> int:
    """Return the bits of one number; all types of a byte or less count as the smallest."""
    try:
        itemsize = onnx.helper.tensor_dtype_to_np_dtype(tensor.data_type).itemsize
    except KeyError:
        itemsize = 1
    return 8 * itemsize if itemsize > 1 else FEWEST_BITS
