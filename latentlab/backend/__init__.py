"""The only package that imports a deep-learning framework by name.

It knows device, precision, compilation, seeds and versions. Everything else uses `keras.ops` and
layers. `start` has to run before the first import of keras; `current` starts the default backend if
none runs.
"""

import contextlib
import functools
import importlib.metadata
import os
import sys
from collections.abc import Iterator

from latentlab.backend.frameworks import FRAMEWORKS, Framework, framework_named
from latentlab.backend.quiet import frameworks_hidden, native_stderr_hidden
from latentlab.errors import ConfigError, MissingDependencyError
from latentlab.progress import announce_import
from latentlab.surroundings import close_keras

__all__ = [
    "BACKENDS",
    "PRECISIONS",
    "count_processors",
    "current",
    "frameworks_hidden",
    "installed_versions",
    "is_deterministic",
    "jit_compile",
    "on_gpu",
    "ordered_sums",
    "peak_memory",
    "seed",
    "set_deterministic",
    "set_precision",
    "start",
    "stays_on_device",
    "versions",
]

BACKENDS = tuple(FRAMEWORKS)
DEFAULT_BACKEND = "tensorflow"
PRECISIONS = ("auto", "float32", "mixed_bfloat16", "mixed_float16")
# Most bytes of images that stay in an accelerator's memory: an eighth of a small card's, and six
# times CIFAR-10.
MOST_RESIDENT_BYTES = 1 << 30


def start(name: str | None = None) -> str:
    """Start Keras on a backend; starting the one that runs does nothing.

    Parameters
    ----------
    name : {"tensorflow", "jax", "torch"} or None
        None is the environment's KERAS_BACKEND, or else TensorFlow.

    Returns
    -------
    str
        The backend's name.

    Raises
    ------
    ConfigError
        If the name is unknown, or keras runs already on another backend.
    MissingDependencyError
        If the backend's package is not installed.
    """
    framework = framework_named(name or os.environ.get("KERAS_BACKEND") or DEFAULT_BACKEND)
    if "keras" in sys.modules:
        _check_running(framework)
        _set_up_devices(framework)
    else:
        _prepare_environment(framework)
        _import_keras(framework)
    return framework.name


def current() -> str:
    """Return the name of the running backend; start the default one if none runs.

    Returns
    -------
    str
        "tensorflow", "jax" or "torch".

    Raises
    ------
    ConfigError, MissingDependencyError
        As `start`.
    """
    return start()


def set_deterministic(wanted: bool) -> None:
    """Choose whether every operation gives the same bits each time; call it before `start`.

    On a GPU the backend's slower kernels are used then. On a processor only k-means changes, and
    what starts from it: it uses one thread, since it adds up in the order in which threads finish.

    Parameters
    ----------
    wanted : bool
        Whether it does.
    """
    os.environ["LATENTLAB_DETERMINISTIC"] = "1" if wanted else ""


def is_deterministic() -> bool:
    """Return whether the same bits are wanted each time.

    `set_deterministic` asks for it, or LATENTLAB_DETERMINISTIC=1 in the environment.
    """
    return os.environ.get("LATENTLAB_DETERMINISTIC", "") not in ("", "0")


@contextlib.contextmanager
def ordered_sums() -> Iterator[None]:
    """Use one thread of OpenMP inside the context, if the same bits are wanted each time."""
    if not is_deterministic():
        yield
        return
    import threadpoolctl

    with threadpoolctl.threadpool_limits(1, user_api="openmp"):
        yield


def on_gpu() -> bool:
    """Return whether the running backend sees an accelerator."""
    return _framework().has_gpu()


def jit_compile() -> bool:
    """Return whether networks are compiled with XLA: on a GPU, and always on JAX.

    On a CPU TensorFlow is 3 to 4 times slower with it.
    """
    return on_gpu() or current() == "jax"


def stays_on_device(size: int) -> bool:
    """Return whether data that training reads again and again stays in an accelerator's memory.

    Parameters
    ----------
    size : int
        Bytes of the data.

    Returns
    -------
    bool
        False on a processor, where nothing is copied.
    """
    return size <= MOST_RESIDENT_BYTES and on_gpu()


def peak_memory() -> int | None:
    """Return the most bytes that were in use so far.

    Returns
    -------
    int or None
        Of the accelerator's memory, or else of this process; None if the system does not say.
    """
    if on_gpu():
        return _framework().peak_gpu_memory()
    try:
        import resource
    except ImportError:  # Windows
        return None
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit


def set_precision(precision: str = "auto") -> str:
    """Set the number format of the layers built from now on.

    Losses and codes are float32 in every format.

    Parameters
    ----------
    precision : {"auto", "float32", "mixed_bfloat16", "mixed_float16"}
        "auto" is mixed_bfloat16 on a GPU and float32 on a CPU.

    Returns
    -------
    str
        The format, never "auto".

    Raises
    ------
    ConfigError
        If there is no such format.
    """
    if precision not in PRECISIONS:
        raise ConfigError(f"unknown precision {precision!r}: known are {', '.join(PRECISIONS)}.")
    start()
    import keras

    if precision == "auto":
        precision = "mixed_bfloat16" if on_gpu() else "float32"
    keras.mixed_precision.set_dtype_policy(precision)
    return precision


def seed(value: int) -> None:
    """Seed the initialisers and random layers of models built from now on.

    Parameters
    ----------
    value : int
        The seed.
    """
    start()
    import keras

    keras.utils.set_random_seed(value)


def versions() -> dict[str, str]:
    """Return what run.json records of the software.

    Returns
    -------
    dict of str to str
        "backend", "backend_version", "keras" and "device", in words.
    """
    framework = _framework()
    import keras

    return {
        "backend": framework.name,
        "backend_version": framework.version(),
        "keras": keras.__version__,
        "device": framework.gpu_name() if on_gpu() else f"cpu-{count_processors()}",
    }


def installed_versions() -> dict[str, str]:
    """Return what `versions` returns without starting a backend, which takes seconds.

    Returns
    -------
    dict of str to str
        "backend" and "backend_version" of the one that would start, "keras", and as "device" the
        processors.
    """
    framework = framework_named(os.environ.get("KERAS_BACKEND") or DEFAULT_BACKEND)
    return {
        "backend": framework.name,
        "backend_version": framework.version(),
        "keras": importlib.metadata.version("keras"),
        "device": f"cpu-{count_processors()}",
    }


def _framework() -> Framework:
    return FRAMEWORKS[current()]


def _check_running(framework: Framework) -> None:
    import keras

    running = keras.backend.backend()
    if running != framework.name:
        raise ConfigError(
            f"keras runs on {running} already; choose {framework.name} before it is imported."
        )


def _prepare_environment(framework: Framework) -> None:
    """Set the environment variables that the frameworks read while they start."""
    os.environ["KERAS_BACKEND"] = framework.name
    if is_deterministic():
        # XLA reads the first on a GPU, PyTorch the second.
        flags = f"{os.environ.get('XLA_FLAGS', '')} --xla_gpu_deterministic_ops=true"
        os.environ["XLA_FLAGS"] = flags.strip()
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    # On AMD processors TensorFlow leaves oneDNN off, and the blog's network trains half as fast.
    os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")


def _import_keras(framework: Framework) -> None:
    announce_import(framework.name)
    close_keras(framework.name)
    try:
        with native_stderr_hidden():
            import keras

            # A user's keras.json may say otherwise, and would change results.
            keras.config.set_floatx("float32")
            keras.config.set_image_data_format("channels_last")
            keras.config.set_epsilon(1e-7)
            _set_up_devices(framework)
    except (ValueError, RuntimeError) as error:  # of wrong variables and of a wrong keras.json
        raise ConfigError(
            f"{framework.name} does not start: {' '.join(str(error).split())}",
            hint="Look at the environment's variables of Keras and of the backend.",
        ) from error
    except ImportError as error:
        raise MissingDependencyError(
            f"the backend {framework.name} is not installed:"
            f" pip install 'latentlab{framework.extra}' ({error})."
        ) from error


@functools.cache
def _set_up_devices(framework: Framework) -> None:
    """Prepare the devices of a framework, the first time that it starts."""
    framework.set_up(is_deterministic())


def count_processors() -> int:
    """Return the processors that this process may use, at least 1."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
