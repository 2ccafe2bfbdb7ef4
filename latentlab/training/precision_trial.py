"""Which number format trains faster on this machine: measured, not read from its flags.

Processors with instructions for bfloat16 can still train slower in it: one with AVX-512 units
trained the recipe `strong` at 0.65 times the speed of float32. So both formats train the recipes'
network for some steps, in turns.
"""

import contextlib
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from latentlab import backend

FLOAT32, BFLOAT16 = "float32", "mixed_bfloat16"
SHAPE = (32, 32, 3)
ARCHITECTURE = "fast8"
WIDTH = 48
BATCH = 32
STEPS = 2  # of a round
ROUNDS = 3
HOPELESS = 4.0  # times as slow in its first round: no other round is worth its time


@dataclass(frozen=True)
class PrecisionTrial:
    """Speeds of training on this machine, in images a second.

    Attributes
    ----------
    float32, bfloat16 : float
        Of the best round of each format.
    """

    float32: float
    bfloat16: float

    @property
    def gain(self) -> float:
        """How many times as fast bfloat16 is."""
        return self.bfloat16 / self.float32


def try_precisions() -> PrecisionTrial:
    """Train the recipes' network in both formats and return their speeds.

    It takes a few seconds, most of them for compiling. The format of layers that are built later
    stays as it was.

    Returns
    -------
    PrecisionTrial
    """
    images = np.random.default_rng(0).random((STEPS, BATCH, *SHAPE), np.float32)
    steps = {precision: _steps(precision) for precision in (FLOAT32, BFLOAT16)}
    # Each is compiled for the shape of a round.
    for compiled in steps.values():
        compiled({"images": images})
    seconds: dict[str, list[float]] = {FLOAT32: [], BFLOAT16: []}
    for _ in range(ROUNDS):
        for precision, compiled in steps.items():
            seconds[precision].append(_seconds(compiled, images))
        if seconds[BFLOAT16][0] > HOPELESS * seconds[FLOAT32][0]:
            break
    count = STEPS * BATCH
    return PrecisionTrial(count / min(seconds[FLOAT32]), count / min(seconds[BFLOAT16]))


def _seconds(compiled: Any, images: np.ndarray) -> float:
    start = time.perf_counter()
    compiled({"images": images})
    return time.perf_counter() - start


def _steps(precision: str) -> Any:
    """Return compiled steps that train a new network in a number format."""
    import keras

    from latentlab.backend import kernels
    from latentlab.backend.steps import CompiledSteps
    from latentlab.encoders import networks

    with _layers_in(precision):
        encoder = networks.build(ARCHITECTURE, SHAPE, {"width": WIDTH}).encoder
    kernels.hasten(encoder)

    def loss(batch: Any) -> tuple[Any, dict[str, Any]]:
        codes = encoder(batch["images"], training=True)
        return keras.ops.mean(keras.ops.square(keras.ops.cast(codes, "float32"))), {}

    optimizer = keras.optimizers.SGD(1e-3)
    return CompiledSteps(
        loss, (), encoder.trainable_variables, encoder.non_trainable_variables, optimizer
    )


@contextlib.contextmanager
def _layers_in(precision: str) -> Iterator[None]:
    """Build layers in a number format, and those after it as before."""
    import keras

    backend.start()
    before = keras.config.dtype_policy()
    backend.set_precision(precision)
    try:
        yield
    finally:
        keras.config.set_dtype_policy(before)
