"""IDEC, "Improved deep embedded clustering with local structure preservation" (Guo et al., IJCAI 2017).

DEC with the decoder kept: L = reconstruction + gamma KL(P || Q), gamma 0.1. The paper trains with Adam on MNIST and with
SGD elsewhere; here it is Adam.

    latentlab cluster --run RUN --k 10 --method idec
"""

from dataclasses import dataclass

from latentlab.refinement.base import Refiner, Start
from latentlab.refinement.methods import dec


@dataclass(frozen=True)
class Options(dec.Options):
    """Those of DEC, with the reconstruction in the loss."""

    reconstruction: float = 1.0
    gamma: float = 0.1
    optimizer: str = "adam"
    learning_rate: float = 0.001


def refiner(start: Start, options: Options) -> Refiner:
    """Return the method, ready to train from `start`."""
    return dec.SelfTraining(start, options)
