"""The deep-learning frameworks that Keras runs on, behind one interface."""

import abc
import contextlib
import importlib.metadata
from typing import ClassVar

from latentlab.errors import ConfigError


class Framework(abc.ABC):
    """A framework and its devices.

    Attributes
    ----------
    name : str
        As Keras calls it.
    packages : tuple of str
        Packages that install it; the first that is there has its version.
    extra : str
        Extra of latentlab that installs it, in brackets.
    """

    name: ClassVar[str]
    packages: ClassVar[tuple[str, ...]]
    extra: ClassVar[str]

    @abc.abstractmethod
    def has_gpu(self) -> bool:
        """Return whether it sees an accelerator."""

    @abc.abstractmethod
    def gpu_name(self) -> str:
        """Return the name of the first accelerator."""

    @abc.abstractmethod
    def peak_gpu_memory(self) -> int | None:
        """Return the most bytes of the accelerator that were in use; None if it does not say."""

    def set_up(self, deterministic: bool) -> None:
        """Prepare the devices; nothing by default.

        Parameters
        ----------
        deterministic : bool
            Whether every operation gives the same bits each time.
        """
        return

    def version(self) -> str:
        """Return the installed version, "unknown" if no package of it is known."""
        for package in self.packages:
            with contextlib.suppress(importlib.metadata.PackageNotFoundError):
                return importlib.metadata.version(package)
        return "unknown"


class TensorFlow(Framework):
    """TensorFlow, the default."""

    name = "tensorflow"
    packages = ("tensorflow", "tensorflow-cpu")
    extra = ""

    def has_gpu(self) -> bool:
        """Return whether it sees an accelerator."""
        import tensorflow as tf

        return bool(tf.config.list_physical_devices("GPU"))

    def gpu_name(self) -> str:
        """Return the name of the first accelerator."""
        import tensorflow as tf

        gpu = tf.config.list_physical_devices("GPU")[0]
        details = tf.config.experimental.get_device_details(gpu)
        return str(details.get("device_name", "gpu"))

    def peak_gpu_memory(self) -> int | None:
        """Return the most bytes of the accelerator that were in use."""
        import tensorflow as tf

        return int(tf.config.experimental.get_memory_info("GPU:0")["peak"])

    def set_up(self, deterministic: bool) -> None:
        """Let memory grow with use, and start the runtime."""
        import tensorflow as tf

        if deterministic:
            tf.config.experimental.enable_op_determinism()
        # It warns of retracing where the last batch of a data set is a short one.
        tf.get_logger().setLevel("ERROR")
        for gpu in tf.config.list_physical_devices("GPU"):
            # A program that imported keras first may use the GPU already.
            with contextlib.suppress(RuntimeError):
                tf.config.experimental.set_memory_growth(gpu, True)
        # The first operation starts the runtime, here where its greeting is hidden.
        tf.zeros(())


class Jax(Framework):
    """JAX."""

    name = "jax"
    packages = ("jax",)
    extra = "[jax]"

    def has_gpu(self) -> bool:
        """Return whether it sees an accelerator."""
        import jax

        return any(device.platform != "cpu" for device in jax.devices())

    def gpu_name(self) -> str:
        """Return the name of the first accelerator."""
        import jax

        return str(jax.devices()[0].device_kind)

    def peak_gpu_memory(self) -> int | None:
        """Return the most bytes of the accelerator that were in use; None if it does not say."""
        import jax

        return (jax.devices()[0].memory_stats() or {}).get("peak_bytes_in_use")


class Torch(Framework):
    """PyTorch, which runs what Keras alone trains."""

    name = "torch"
    packages = ("torch",)
    extra = "[torch]"

    def has_gpu(self) -> bool:
        """Return whether it sees an accelerator."""
        import torch

        return torch.cuda.is_available()

    def gpu_name(self) -> str:
        """Return the name of the first accelerator."""
        import torch

        return torch.cuda.get_device_name(0)

    def peak_gpu_memory(self) -> int | None:
        """Return the most bytes of the accelerator that were in use."""
        import torch

        return torch.cuda.max_memory_allocated()

    def set_up(self, deterministic: bool) -> None:
        """Choose deterministic algorithms if they are asked for."""
        if deterministic:
            import torch

            torch.use_deterministic_algorithms(True)


FRAMEWORKS: dict[str, Framework] = {
    framework.name: framework for framework in (TensorFlow(), Jax(), Torch())
}


def framework_named(name: str) -> Framework:
    """Return a framework by Keras' name for it.

    Parameters
    ----------
    name : str
        "tensorflow", "jax" or "torch".

    Raises
    ------
    ConfigError
        If the name is unknown.
    """
    if name not in FRAMEWORKS:
        raise ConfigError(f"unknown backend {name!r}: known are {', '.join(FRAMEWORKS)}.")
    return FRAMEWORKS[name]
