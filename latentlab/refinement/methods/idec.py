"""IDEC, "Improved deep embedded clustering with local structure preservation" (IJCAI 2017).

By Guo, Gao, Liu and Yin. DEC with the decoder in the loss: L = reconstruction + gamma KL(P || Q),
gamma 0.1. The paper trains with Adam on MNIST and with SGD elsewhere; the default here is Adam.

    latentlab cluster --run RUN --k 10 --method idec
"""

from dataclasses import dataclass

from latentlab.options import option
from latentlab.refinement.methods.dec import DEC, OPTIMIZERS, DECOptions
from latentlab.refinement.refiner import RefinerCapabilities


@dataclass(frozen=True)
class IDECOptions(DECOptions):
    """Settings of DEC, with the reconstruction in the loss."""

    reconstruction: float = option(
        1.0, "Weight of the reconstruction error in the loss.", at_least=0
    )
    gamma: float = option(0.1, "Weight of the divergence in the loss.")
    optimizer: str = option("adam", "Optimizer; SGD uses momentum 0.9.", choices=OPTIMIZERS)
    learning_rate: float = option(0.001, "Learning rate.", more_than=0)


class IDEC(DEC):
    """Self-training that keeps the reconstruction."""

    Options = IDECOptions
    capabilities = RefinerCapabilities(needs_decoder=True)
