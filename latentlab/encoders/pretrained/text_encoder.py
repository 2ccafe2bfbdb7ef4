"""The text part of an image-text encoder, such as CLIP or SigLIP: an ONNX file and a tokenizer.

Exports for the hub have `text_model.onnx` beside `vision_model.onnx`, and `tokenizer.json` beside
them or one folder up. The network is checked as that of pictures (`onnx_structure`), the tokenizer
is plain JSON, and nothing that either names is run. Tokenizers need the extra latentlab[words].
"""

import contextlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from latentlab.encoders.pretrained.onnx_structure import OnnxStructure, printable
from latentlab.errors import ConfigError, DataError, LatentlabError, MissingDependencyError

if TYPE_CHECKING:
    import onnxruntime
    import tokenizers

TOKENIZER_NAME = "tokenizer.json"
SETTINGS_NAME = "tokenizer_config.json"
LARGEST_TOKENIZER = 64 << 20  # bytes; those of many languages have 34 million
LARGEST_SETTINGS = 4 << 20
LONGEST_TEXT = 77  # tokens, where no file says: CLIP's
MOST_TOKENS = 8192
LONGEST_REASON = 200
# Parts of the name of an image network, and those of the text network beside it.
PAIRS = (("vision", "text"), ("visual", "textual"), ("image", "text"))
OUTPUTS = ("text_embeds", "text_embedding", "text_embeddings", "text_features", "pooler_output")
TOKENS, MASK = "input_ids", "attention_mask"
TRY = "a"


@dataclass(frozen=True)
class TextForm:
    """How a text network takes tokens.

    Attributes
    ----------
    tokens : str
        Name of the input for tokens.
    mask : str
        Name of the input that says which of them count; "" if there is none.
    dtype : dtype
        Of both.
    length : int or None
        Tokens that it takes, no more and no fewer; None if that is free.
    """

    tokens: str
    mask: str
    dtype: Any
    length: int | None


@dataclass(frozen=True)
class TokenSettings:
    """How texts are brought to a length.

    Attributes
    ----------
    longest : int
        Tokens after which a text is cut.
    padding : int
        Token that fills up a text.
    """

    longest: int
    padding: int


class TextEncoder:
    """The text part of an image-text encoder; `open_text` makes it.

    Attributes
    ----------
    path : Path
        The ONNX file.
    sha256 : str
        Digest of it.
    feature_size : int
        Length of a vector.
    """

    def __init__(
        self,
        structure: OnnxStructure,
        session: "onnxruntime.InferenceSession",
        tokenizer: "tokenizers.Tokenizer",
        form: TextForm,
        settings: TokenSettings,
    ) -> None:
        self.path = structure.path
        self.sha256 = structure.files[0].sha256
        self._session = session
        self._tokenizer = tokenizer
        self._form = form
        self._settings = settings
        self._output = _output_of(self.path, self._shapes())
        self.feature_size = int(self.encode([TRY]).shape[1])

    def encode(self, texts: Sequence[str]) -> np.ndarray:
        """Return the vectors of texts, float32 (n, feature_size), of length 1.

        Parameters
        ----------
        texts : sequence of n str
            Words or sentences; what is beyond the network's length is left out.

        Raises
        ------
        DataError
            If the network fails, or gives what is not finite.
        """
        vectors = np.concatenate([self._run(text, [self._output])[0] for text in texts])
        vectors = vectors.reshape(len(texts), -1).astype(np.float32)
        if not np.isfinite(vectors).all():
            raise _refused(self.path, "gives features that are not finite", "Take another file.")
        return vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-12)

    def _shapes(self) -> dict[str, tuple[int, ...]]:
        """Return the shape of each output for one text."""
        names = [output.name for output in self._session.get_outputs()]
        results = self._run(TRY, names)
        return {name: np.shape(result) for name, result in zip(names, results, strict=True)}

    def _run(self, text: str, outputs: list[str]) -> list[np.ndarray]:
        form = self._form
        ids = self._tokenizer.encode(text).ids
        ids = self._cut(ids)
        # Networks without a mask were trained on texts that were filled up to one length.
        length = form.length or (len(ids) if form.mask else self._settings.longest)
        missing = length - len(ids)
        values = np.array([ids + [self._settings.padding] * missing], form.dtype)
        feeds = {form.tokens: values}
        if form.mask:
            counts = np.arange(length)[None] < len(ids)
            feeds[form.mask] = counts.astype(form.dtype)
        with _failures(self.path, "fails on a text"):
            return self._session.run(outputs, feeds)

    def _cut(self, ids: list[int]) -> list[int]:
        """Return tokens that are not too many; the last one, which ends a text, stays."""
        longest = self._form.length or self._settings.longest
        return ids if len(ids) <= longest else [*ids[: longest - 1], ids[-1]]


def text_beside(image_network: str) -> Path | None:
    """Return the text network that lies beside an image network.

    Parameters
    ----------
    image_network : str
        Path of the ONNX file of the image encoder, such as onnx/vision_model.onnx.

    Returns
    -------
    Path or None
        Such as onnx/text_model.onnx; None if there is none, or no tokenizer for it.
    """
    path = Path(image_network)
    for image, text in PAIRS:
        other = path.with_name(path.name.replace(image, text))
        if other != path and other.is_file() and _tokenizer_path(other) is not None:
            return other
    return None


def open_text(path: str | Path) -> TextEncoder:
    """Open the text part of an image-text encoder.

    Parameters
    ----------
    path : str or Path
        The ONNX file; tokenizer.json lies beside it, or one folder up if it lies in `onnx`.

    Raises
    ------
    MissingDependencyError
        If tokenizers is not installed.
    DataError
        If a file is missing, broken, not safe, or no text network.
    """
    from latentlab.encoders.pretrained import onnx_session
    from latentlab.encoders.pretrained.onnx_structure import read_structure

    path = Path(path).expanduser()
    with _of_words():
        structure = read_structure(path)
    form = _form_of(structure)
    tokenizer, settings = _read_tokenizer(path, form)
    model = structure.content if len(structure.files) == 1 else str(structure.path)
    with _failures(path, "cannot be loaded"):
        session = onnx_session.start_session(model, LONGEST_TEXT)
    return TextEncoder(structure, session, tokenizer, form, settings)


def _form_of(structure: OnnxStructure) -> TextForm:
    import onnx

    dtypes = {onnx.TensorProto.INT64: np.int64, onnx.TensorProto.INT32: np.int32}
    filled = {tensor.name for tensor in structure.model.graph.initializer}
    inputs = {e.name: e.type.tensor_type for e in structure.model.graph.input}
    inputs = {name: kind for name, kind in inputs.items() if name not in filled}
    kinds = {kind.elem_type for kind in inputs.values()}
    tokens = TOKENS if TOKENS in inputs else next((n for n in inputs if n != MASK), "")
    others = set(inputs) - {tokens, MASK}
    if not tokens or others or len(kinds) != 1 or not kinds <= set(dtypes):
        listed = ", ".join(map(printable, inputs)) or "none"
        raise _refused(
            structure.path,
            f"takes no texts: a text network takes {TOKENS} and perhaps {MASK}, whole numbers; its"
            f" inputs are {listed}",
            "Take the text part alone, such as text_model.onnx.",
        )
    edges = inputs[tokens].shape.dim
    fixed = edges[1].dim_value if len(edges) == 2 and edges[1].HasField("dim_value") else 0
    length = fixed if 0 < fixed <= MOST_TOKENS else None
    return TextForm(tokens, MASK if MASK in inputs else "", dtypes[kinds.pop()], length)


def _read_tokenizer(network: Path, form: TextForm) -> tuple["tokenizers.Tokenizer", TokenSettings]:
    path = _tokenizer_path(network)
    if path is None:
        raise _refused(
            network,
            f"has no {TOKENIZER_NAME} beside it",
            "Put that of the same model there.",
        )
    try:
        from tokenizers import Tokenizer
    except ImportError as error:
        raise MissingDependencyError(
            "needs a package: pip install 'latentlab[words]'", field="words", value=str(network)
        ) from error
    content = _content(path, LARGEST_TOKENIZER)
    with _failures(path, "is no tokenizer", "tokenizers"):
        tokenizer = Tokenizer.from_str(content)
        tokenizer.no_padding()
        tokenizer.no_truncation()
    settings = _settings(path.with_name(SETTINGS_NAME))
    longest = settings.get("model_max_length")
    if not isinstance(longest, int) or not 2 <= longest <= MOST_TOKENS:
        longest = LONGEST_TEXT
    token = settings.get("pad_token")
    padding = tokenizer.token_to_id(token) if isinstance(token, str) else None
    return tokenizer, TokenSettings(longest, padding or 0)


def _tokenizer_path(network: Path) -> Path | None:
    folders = [network.parent, *([network.parent.parent] if network.parent.name == "onnx" else [])]
    paths = (folder / TOKENIZER_NAME for folder in folders)
    return next((path for path in paths if path.is_file()), None)


def _settings(path: Path) -> Mapping[str, Any]:
    """Return what stands beside a tokenizer; nothing if the file is not there."""
    if not path.is_file():
        return {}
    try:
        values = json.loads(_content(path, LARGEST_SETTINGS))
    except (ValueError, RecursionError) as error:
        raise _refused(path, f"cannot be read: {printable(str(error))}", "Remove it.") from None
    return values if isinstance(values, dict) else {}


def _content(path: Path, most: int) -> str:
    try:
        size = path.stat().st_size
        if size > most:
            raise _refused(path, f"is too large: {size:,} bytes, at most {most:,}")
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeError) as error:
        reason = getattr(error, "strerror", None) or "it is no text"
        raise _refused(path, f"cannot be read: {reason}", "Check the path.") from None


def _output_of(path: Path, shapes: Mapping[str, tuple[int, ...]]) -> str:
    """Return the output that is one vector for a text."""
    vectors = [name for name, shape in shapes.items() if len(shape) == 2 and shape[0] == 1]
    named = [name for name in OUTPUTS if name in vectors]
    if named or len(vectors) == 1:
        return (named or vectors)[0]
    listed = ", ".join(f"{printable(name)} {shape}" for name, shape in shapes.items())
    raise _refused(
        path,
        f"has no output with one vector for a text ({listed})",
        "Take the text part of an image-text encoder.",
    )


@contextlib.contextmanager
def _failures(path: Path, problem: str, owner: str = "ONNX Runtime") -> Iterator[None]:
    """Turn what a library raises into one line; their classes have no base of their own."""
    try:
        yield
    except LatentlabError:
        raise
    except BaseException as error:
        if isinstance(error, (KeyboardInterrupt, SystemExit, GeneratorExit)):
            raise
        lines = [line for line in str(error).splitlines() if line.strip()] or ["nothing"]
        reason = printable(lines[0].strip(" ."), LONGEST_REASON)
        raise _refused(path, f"{problem}: {owner} says: {reason}", "Take another file.") from None


@contextlib.contextmanager
def _of_words() -> Iterator[None]:
    """Let errors about a network name the argument of texts, and not that of pictures."""
    try:
        yield
    except (DataError, ConfigError) as error:
        error.field = "words"
        raise


def _refused(path: Path, problem: str, hint: str = "") -> DataError:
    return DataError(problem, field="words", value=printable(str(path), 1000), hint=hint)
