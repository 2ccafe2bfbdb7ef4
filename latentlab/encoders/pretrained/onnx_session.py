"""Networks in ONNX Runtime, and many pictures through them.

Without a GPU several small batches run at the same time, each on one core. That takes less time
than one large batch on all cores: cores need not wait for each other after every layer, and the
maps of four pictures stay in the cache. A batch does not change the features of its pictures.
"""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
import onnxruntime

from latentlab import backend

CPU = "CPUExecutionProvider"
PROVIDERS = ("CUDAExecutionProvider", CPU)  # in order, where they are
CUDA_OPTIONS = {"cudnn_conv_algo_search": "HEURISTIC", "use_tf32": "0"}  # the same each time
SILENT = 4  # ONNX Runtime's own lines: none, its errors become one line of ours
PIXELS = 224 * 224  # of a usual picture
GPU_BATCH = 32  # usual pictures
CPU_BATCH = 4  # usual pictures; larger batches are slower
MOST_AT_ONCE = 64  # usual pictures in all batches that run at the same time, for their memory

EncodeBatch = Callable[[np.ndarray], np.ndarray]  # pixels (m, ...) -> features (m, d)


@dataclass(frozen=True)
class Batches:
    """How many pictures a network takes at once.

    Attributes
    ----------
    step : int
        Pictures of a batch.
    lanes : int
        Batches that run at the same time.
    """

    step: int
    lanes: int

    @classmethod
    def on_gpu(cls, size: int, batch: int | None) -> "Batches":
        """Return one large batch at a time.

        Parameters
        ----------
        size : int
            Height and width of the pictures in pixels.
        batch : int or None
            Pictures that the network takes at once; None if that is free.
        """
        return cls(batch or max(1, GPU_BATCH * PIXELS // size**2), 1)

    @classmethod
    def on_cores(cls, size: int, batch: int | None) -> "Batches":
        """Return a small batch for each core, or fewer if they need much memory.

        Parameters
        ----------
        size : int
            Height and width of the pictures in pixels.
        batch : int or None
            Pictures that the network takes at once; None if that is free.
        """
        step = batch or max(1, CPU_BATCH * PIXELS // size**2)
        most_lanes = MOST_AT_ONCE * PIXELS // (step * size**2)
        return cls(step, max(1, min(backend.count_processors(), most_lanes)))


def start_session(
    model: bytes | str, size: int, batch: int | None = None
) -> onnxruntime.InferenceSession:
    """Return a network, ready to run on what the machine has.

    Parameters
    ----------
    model : bytes or str
        An ONNX file that has been checked, or its path.
    size : int
        Height and width of its pictures in pixels.
    batch : int or None
        Pictures that it takes at once; None if that is free.
    """
    available = onnxruntime.get_available_providers()
    providers = [
        (name, CUDA_OPTIONS if name.startswith("CUDA") else {})
        for name in PROVIDERS
        if name in available
    ]
    # A second try without the GPU, which ONNX Runtime announces in lines of its own.
    again = int(len(providers) > 1)
    options = _options(Batches.on_cores(size, batch).lanes)
    return onnxruntime.InferenceSession(model, options, providers=providers, enable_fallback=again)


def _options(lanes: int) -> onnxruntime.SessionOptions:
    options = onnxruntime.SessionOptions()
    options.log_severity_level = SILENT
    options.intra_op_num_threads = max(1, backend.count_processors() // lanes)
    # Threads that wait for work would take it from those that decode the next pictures.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    # Else the content of a file could make it another format, which was not checked.
    options.add_session_config_entry("session.load_model_format", "ONNX")
    return options


def software() -> dict[str, str]:
    """Return what run.json records of the software; Keras, which is not needed, does not start.

    Returns
    -------
    dict of str to str
        As `latentlab.backend.versions`, and "onnxruntime".
    """
    entries = backend.installed_versions()
    if PROVIDERS[0] in onnxruntime.get_available_providers():
        entries["device"] = "CUDA, if ONNX Runtime can start it"
    return {**entries, "onnxruntime": onnxruntime.__version__}


def encode_in_batches(
    session: onnxruntime.InferenceSession,
    pixels: np.ndarray,
    encode_batch: EncodeBatch,
    feature_size: int,
    batch: int | None = None,
) -> np.ndarray:
    """Return the features of images, float32 (n, feature_size), encoded batch by batch.

    Parameters
    ----------
    session : onnxruntime.InferenceSession
        What `encode_batch` runs.
    pixels : ndarray of shape (n, size, size, channels), uint8
        Images.
    encode_batch : callable
        encode_batch(some of the pixels) -> their features; several threads may call it.
    feature_size : int
        Length of a vector.
    batch : int or None
        Images that the network takes at once; None if that is free.
    """
    features = np.empty((len(pixels), feature_size), np.float32)
    on_cores = session.get_providers() == [CPU]
    batches = (Batches.on_cores if on_cores else Batches.on_gpu)(pixels.shape[1], batch)

    def fill(start: int) -> None:
        end = start + batches.step
        features[start:end] = encode_batch(pixels[start:end])

    with ThreadPoolExecutor(batches.lanes, "networks") as pool:
        list(pool.map(fill, range(0, len(pixels), batches.step)))
    return features
