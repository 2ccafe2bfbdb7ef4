"""The only module that imports a deep-learning framework by name: device, precision, compilation, seeds, versions.

Everything else speaks `keras.ops` and layers. `select` has to run before the first import of keras.
"""

import contextlib
import functools
import importlib.abc
import os
import sys
import warnings
from collections.abc import Iterator
from typing import Any

from latentlab.errors import ConfigError, MissingDependencyError

BACKENDS = ("tensorflow", "jax", "torch")
PRECISIONS = ("auto", "float32", "mixed_bfloat16", "mixed_float16")
CPU_INFO = "/proc/cpuinfo"
KEPT_BYTES = (
    1 << 30
)  # at most, of an accelerator's memory, for images: six times CIFAR-10's, and an eighth of a small card


def select(name: str | None = None) -> str:
    """Choose the Keras backend: `name`, else the environment's KERAS_BACKEND, else TensorFlow.

    Raises
    ------
    ConfigError
        If the name is unknown, or keras runs already on another backend.
    MissingDependencyError
        If the backend's package is not installed.
    """
    chosen = name or os.environ.get("KERAS_BACKEND") or "tensorflow"
    if chosen not in BACKENDS:
        raise ConfigError(f"unknown backend {chosen!r}: known are {', '.join(BACKENDS)}.")
    if "keras" in sys.modules:
        import keras

        if keras.backend.backend() != chosen:
            raise ConfigError(
                f"keras runs on {keras.backend.backend()} already; choose {chosen} before it is imported."
            )
        _set_up_devices(chosen)
        return chosen
    os.environ["KERAS_BACKEND"] = chosen
    if is_deterministic():
        # Read while the backends start; the first by XLA on a GPU, the second by PyTorch.
        os.environ["XLA_FLAGS"] = (
            f"{os.environ.get('XLA_FLAGS', '')} --xla_gpu_deterministic_ops=true".strip()
        )
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    # Without oneDNN the blog's network trains at half the speed on AMD processors, where TensorFlow leaves it off.
    os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")
    try:
        with _native_stderr_hidden():
            import keras  # noqa: F401

            _set_up_devices(chosen)
    except ImportError as error:
        extra = {"tensorflow": "", "jax": "[jax]", "torch": "[torch]"}[chosen]
        raise MissingDependencyError(
            f"the backend {chosen} is not installed: pip install 'latentlab{extra}' ({error})."
        ) from error
    return chosen


def set_deterministic(wanted: bool) -> None:
    """Have every operation give the same bits each time on one machine; to be called before `select`.

    On a GPU the backend's slower kernels are used. On a processor only k-means changes, and what starts from it; it then uses
    one thread, since it adds up in the order in which threads finish.
    """
    os.environ["LATENTLAB_DETERMINISTIC"] = "1" if wanted else ""


def is_deterministic() -> bool:
    """Return whether `set_deterministic`, or LATENTLAB_DETERMINISTIC=1 in the environment, asks for the same bits each time."""
    return os.environ.get("LATENTLAB_DETERMINISTIC", "") not in ("", "0")


@contextlib.contextmanager
def ordered_sums() -> Iterator[None]:
    """Keep OpenMP to one thread where results are to be the same each time."""
    if not is_deterministic():
        yield
        return
    import threadpoolctl

    with threadpoolctl.threadpool_limits(1, user_api="openmp"):
        yield


@contextlib.contextmanager
def _native_stderr_hidden() -> Iterator[None]:
    """Hide what native code prints while it starts: TensorFlow tells its processor's features whatever one asks of it.

    Python's own errors are raised as ever; they do not pass through here.
    """
    sys.stderr.flush()
    kept = os.dup(2)
    try:
        with open(os.devnull, "wb") as nowhere:
            os.dup2(nowhere.fileno(), 2)
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)


class _Hide(importlib.abc.MetaPathFinder):
    """Answers for the deep-learning frameworks that they are not installed."""

    def find_spec(self, name: str, path: Any = None, target: Any = None) -> None:
        if name in ("tensorflow", "torch"):
            raise ModuleNotFoundError(f"{name} is hidden", name=name)


@contextlib.contextmanager
def frameworks_hidden() -> Iterator[None]:
    """Let packages be imported without the deep-learning framework that they would import along, for seconds and noise.

    umap-learn does so for its parametric variant, which is not used here.
    """
    finder = _Hide()
    sys.meta_path.insert(0, finder)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        sys.meta_path.remove(finder)


def on_gpu() -> bool:
    """Return whether the selected backend sees an accelerator."""
    name = select()
    if name == "tensorflow":
        import tensorflow as tf

        return bool(tf.config.list_physical_devices("GPU"))
    if name == "jax":
        import jax

        return any(device.platform != "cpu" for device in jax.devices())
    import torch

    return torch.cuda.is_available()


def jit_compile() -> bool:
    """Return whether to compile with XLA: on a GPU (and always on JAX), not on a CPU, where it is 3 to 4 times slower."""
    return on_gpu() or select() == "jax"


def stays_on_device(size: int) -> bool:
    """Return whether `size` bytes that training reads again and again are kept in the accelerator's memory; on a processor nothing is copied."""
    return size <= KEPT_BYTES and on_gpu()


def peak_memory() -> int | None:
    """Return the most bytes that were in use so far: of the accelerator's memory, else of this process; None where nobody tells."""
    if not on_gpu():
        try:
            import resource
        except ImportError:  # Windows
            return None
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (
            1 if sys.platform == "darwin" else 1024
        )
    name = select()
    if name == "tensorflow":
        import tensorflow as tf

        return int(tf.config.experimental.get_memory_info("GPU:0")["peak"])
    if name == "jax":
        import jax

        return (jax.devices()[0].memory_stats() or {}).get("peak_bytes_in_use")
    import torch

    return torch.cuda.max_memory_allocated()


def bfloat16_unit() -> str:
    """Return what multiplies bfloat16 for TensorFlow on this processor: "amx" (tiles), "avx512" (vectors) or "" for nothing.

    Vectors train fast8 1.4 to 1.5 times as fast as float32 does (reports/cifar10-strong), tiles more than that.
    """
    if select() != "tensorflow":
        return ""
    try:
        with open(CPU_INFO, encoding="ascii", errors="ignore") as file:
            flags = set(file.read().split())
    except OSError:
        return ""
    return "amx" if "amx_bf16" in flags else "avx512" if "avx512_bf16" in flags else ""


def set_precision(precision: str = "auto") -> str:
    """Set the numeric policy of the layers built from now on and return it.

    auto is mixed_bfloat16 on a GPU and float32 on a CPU. Losses and code are float32 under every policy.
    """
    if precision not in PRECISIONS:
        raise ConfigError(f"unknown precision {precision!r}: known are {', '.join(PRECISIONS)}.")
    select()
    import keras

    policy = ("mixed_bfloat16" if on_gpu() else "float32") if precision == "auto" else precision
    keras.mixed_precision.set_dtype_policy(policy)
    return policy


def seed(value: int) -> None:
    """Seed the initialisers and random layers of models built from now on."""
    select()
    import keras

    keras.utils.set_random_seed(value)


def versions() -> dict[str, str]:
    """Return the versions of keras and of the backend, and the device in words."""
    import importlib.metadata as metadata

    name = select()
    import keras

    distributions = {
        "tensorflow": ("tensorflow", "tensorflow-cpu"),
        "jax": ("jax",),
        "torch": ("torch",),
    }[name]
    installed = {d.metadata["Name"].lower(): d.version for d in metadata.distributions()}
    version = next((installed[d] for d in distributions if d in installed), "unknown")
    return {
        "backend": name,
        "backend_version": version,
        "keras": keras.__version__,
        "device": _device_words(name),
    }


def _device_words(name: str) -> str:
    if not on_gpu():
        return f"cpu-{len(os.sched_getaffinity(0)) if hasattr(os, 'sched_getaffinity') else os.cpu_count()}"
    if name == "tensorflow":
        import tensorflow as tf

        return str(
            tf.config.experimental.get_device_details(
                tf.config.list_physical_devices("GPU")[0]
            ).get("device_name", "gpu")
        )
    if name == "jax":
        import jax

        return str(jax.devices()[0].device_kind)
    import torch

    return torch.cuda.get_device_name(0)


@functools.cache
def _set_up_devices(name: str) -> None:
    if name == "torch" and is_deterministic():
        import torch

        torch.use_deterministic_algorithms(True)
    if name != "tensorflow":
        return
    import tensorflow as tf

    if is_deterministic():
        tf.config.experimental.enable_op_determinism()

    tf.get_logger().setLevel(
        "ERROR"
    )  # it warns of retracing where the last batch of a data set is a short one
    for gpu in tf.config.list_physical_devices("GPU"):
        with contextlib.suppress(RuntimeError):  # whoever imported keras first uses the GPU already
            tf.config.experimental.set_memory_growth(gpu, True)
    tf.zeros(())  # starts the runtime here, where its greeting is hidden
