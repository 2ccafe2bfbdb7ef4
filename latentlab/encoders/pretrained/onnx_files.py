"""ONNX files as encoders, run by ONNX Runtime.

What the file asks for is checked before ONNX Runtime sees it (`onnx_structure`); no library of
operators is loaded and nothing that the file names is run.
"""

import contextlib
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnxruntime

from latentlab.encoders.pretrained import onnx_session
from latentlab.encoders.pretrained.card import (
    UNKNOWN,
    EncoderCard,
    EncoderSettings,
    Preprocessing,
    PretrainedEncoder,
)
from latentlab.encoders.pretrained.last_opened import LastOpened
from latentlab.encoders.pretrained.onnx_inner import before_last_layer, is_inner, with_output
from latentlab.encoders.pretrained.onnx_input import ImageInput, image_input, settle, with_batch
from latentlab.encoders.pretrained.onnx_output import FeatureOutput, feature_output
from latentlab.encoders.pretrained.onnx_structure import (
    OnnxStructure,
    printable,
    read_structure,
    refused,
)
from latentlab.encoders.pretrained.preprocessing import config_paths, prepare, read_config
from latentlab.errors import DataError

PAIR = 2  # pictures of a first run, to see which axis counts them
GREY = 128
LONGEST_REASON = 200  # characters of an error of ONNX Runtime
LONGEST_TRY = 300  # seconds for the first pictures
COMMON_NAMES = {"model", "vision_model", "encoder", "model_quantized", "model_fp16"}


def open_onnx(path: Path, settings: EncoderSettings) -> "OnnxEncoder":
    """Return the encoder in an ONNX file.

    Parameters
    ----------
    path : Path
        The file.
    settings : EncoderSettings
        What the user says of it; the rest is found.

    Returns
    -------
    OnnxEncoder

    Raises
    ------
    DataError
        If the file is missing, broken, not safe, or no encoder of pictures.
    ConfigError
        If a setting does not fit the file.
    """
    path = path.parent.resolve() / path.name  # a link to the file itself may be one of a cache
    files = [path, *config_paths(path)]
    return _last_opened.of((path, settings), files, lambda: _open(path, settings))


def _open(path: Path, settings: EncoderSettings) -> "OnnxEncoder":
    structure = read_structure(path)
    entry = image_input(structure, settings.layout)
    config = read_config(path)
    preprocessing, input_notes = settle(structure, entry, config, settings)
    session, entry, output = _opened(structure, entry, preprocessing, settings)
    metadata = structure.metadata
    card = EncoderCard(
        name=_name(path),
        kind="onnx",
        reference=str(path),
        files=structure.files,
        preprocessing=preprocessing,
        output=output.name,
        pooling=output.pooling,
        feature_size=output.feature_size,
        pretraining=settings.pretraining or metadata.get("pretraining") or UNKNOWN,
        licence=settings.licence or metadata.get("licence") or metadata.get("license") or UNKNOWN,
        source=metadata.get("source", ""),
        assumed=(*entry.assumed, *input_notes, *output.assumed),
    )
    return OnnxEncoder(card, session, entry, output)


def _opened(
    structure: OnnxStructure,
    entry: ImageInput,
    preprocessing: Preprocessing,
    settings: EncoderSettings,
) -> tuple[onnxruntime.InferenceSession, ImageInput, FeatureOutput]:
    """Return a session, its input, and the output to take, which may lie inside the network."""
    if settings.output and is_inner(structure, settings.output):
        structure = with_output(structure, settings.output)
    session = _session(structure, entry, preprocessing)
    entry, shapes = _tried(session, structure, entry, preprocessing)
    output = feature_output(shapes, entry.layout, settings)
    hidden = before_last_layer(structure, output.name) if output.are_scores else None
    if settings.output or hidden is None:
        return session, entry, output
    inner = replace(settings, output=hidden)
    session, entry, features = _opened(structure, entry, preprocessing, inner)
    note = f"output {printable(hidden)}: what the last layer makes {printable(output.name)} of"
    return session, entry, replace(features, assumed=(note, *features.assumed))


class OnnxEncoder(PretrainedEncoder):
    """An encoder that ONNX Runtime runs; `open_onnx` makes it.

    Attributes
    ----------
    card : EncoderCard
        What is known of it.
    """

    def __init__(
        self,
        card: EncoderCard,
        session: onnxruntime.InferenceSession,
        entry: ImageInput,
        output: FeatureOutput,
    ) -> None:
        self.card = card
        self._session = session
        self._entry = entry
        self._output = output

    def encode(self, pixels: np.ndarray) -> np.ndarray:
        """Return the features of images, float32 (n, feature_size).

        Parameters
        ----------
        pixels : ndarray of shape (n, size, size, channels), uint8
            RGB or grey images of the encoder's size.

        Raises
        ------
        DataError
            If the network fails, or gives what is not finite.
        """
        features = onnx_session.encode_in_batches(
            self._session, pixels, self._encode_batch, self.card.feature_size, self._entry.batch
        )
        if not np.isfinite(features).all():
            raise refused(
                Path(self.card.reference),
                "gives features that are not finite",
                "Check `scale`, `mean` and `std`, or take the file with float32 numbers.",
            )
        return features

    def software(self) -> dict[str, str]:
        """Return what run.json records of the software; Keras does not start for it."""
        return onnx_session.software()

    def _encode_batch(self, pixels: np.ndarray) -> np.ndarray:
        count = len(pixels)
        missing = (self._entry.batch or 0) - count
        if missing > 0:  # a fixed batch is filled with copies of its last picture
            pixels = np.concatenate([pixels, np.repeat(pixels[-1:], missing, axis=0)])
        values = prepare(pixels, self.card.preprocessing, self._entry.dtype)
        with _failures(Path(self.card.reference), "fails"):
            results = self._session.run([self._output.name], {self._entry.name: values})
        return self._output.pool(results[0][:count])


def _session(
    structure: OnnxStructure, entry: ImageInput, preprocessing: Preprocessing
) -> onnxruntime.InferenceSession:
    # The bytes that were checked, unless their data lies in other files: these are found by path.
    model = structure.content if len(structure.files) == 1 else str(structure.path)
    with _failures(structure.path, "cannot be loaded"):
        return onnx_session.start_session(model, preprocessing.size, entry.batch)


@contextlib.contextmanager
def _failures(path: Path, problem: str) -> Iterator[None]:
    """Turn what ONNX Runtime raises into one line; its classes have no base of their own."""
    try:
        yield
    except Exception as error:
        reason = _reason(str(error))
        raise refused(
            path,
            f"{problem}: ONNX Runtime {onnxruntime.__version__} says: {reason}",
            "Export it again, or take another file.",
        ) from None


def _reason(text: str) -> str:
    """Return the part of an error of ONNX Runtime that speaks of the network, in one line."""
    line = next((line for line in text.splitlines() if line.strip()), "nothing")
    for mark in (" : ", "Status Message: ", " was false. "):  # each is followed by more of it
        line = line.rpartition(mark)[2]
    return printable(line.strip(" ."), LONGEST_REASON)


def _tried(
    session: onnxruntime.InferenceSession,
    structure: OnnxStructure,
    entry: ImageInput,
    preprocessing: Preprocessing,
) -> tuple[ImageInput, dict[str, tuple[int, ...]]]:
    """Return the input, and the shapes of the outputs of one picture, after a run on grey.

    Shapes in a file are often missing or wrong. Many files also leave the batch free and hold a
    single picture in some inner shape: they get one at a time.
    """
    if entry.batch is not None:
        return entry, _shapes(session, structure, entry, preprocessing, entry.batch)
    with contextlib.suppress(DataError):
        shapes = _shapes(session, structure, entry, preprocessing, PAIR)
        return entry, shapes
    shapes = _shapes(session, structure, entry, preprocessing, 1)
    return with_batch(entry, 1, "one picture at a time: the network fails on two"), shapes


def _shapes(
    session: onnxruntime.InferenceSession,
    structure: OnnxStructure,
    entry: ImageInput,
    preprocessing: Preprocessing,
    count: int,
) -> dict[str, tuple[int, ...]]:
    pixels = np.full((count, *[preprocessing.size] * 2, entry.channels), GREY, np.uint8)
    values = prepare(pixels, preprocessing, entry.dtype)
    with _failures(structure.path, f"fails on a picture of {preprocessing.size} pixels"):
        names = [output.name for output in session.get_outputs()]
        results = _run_limited(session, {entry.name: values})
    shapes = {
        name: result.shape[1:]
        for name, result in zip(names, results, strict=True)
        if isinstance(result, np.ndarray)
        and np.issubdtype(result.dtype, np.floating)
        and result.ndim > 1
        and len(result) == count
    }
    if not shapes:
        raise refused(
            structure.path,
            "has no output with a vector, tokens or a map for each picture",
            "Take the file of an image encoder.",
        )
    return shapes


def _run_limited(
    session: onnxruntime.InferenceSession, values: dict[str, np.ndarray]
) -> list[np.ndarray]:
    """Return all outputs; a network with a loop that does not end fails after a while."""
    options = onnxruntime.RunOptions()
    options.log_severity_level = onnx_session.SILENT
    timer = threading.Timer(LONGEST_TRY, setattr, (options, "terminate", True))
    timer.daemon = True
    timer.start()
    try:
        return session.run(None, values, options)
    except Exception as error:
        if options.terminate:
            raise TimeoutError(f"stopped after {LONGEST_TRY} seconds") from error
        raise
    finally:
        timer.cancel()


_last_opened = LastOpened[OnnxEncoder]()


def _name(path: Path) -> str:
    """Return a short name: that of the file, or of its repository where the file is `model`."""
    folder = path.parent.parent if path.parent.name == "onnx" else path.parent
    return printable(folder.name if path.stem in COMMON_NAMES else path.stem)
