"""Settings of SwAV, and of objectives that train like it."""

from dataclasses import dataclass

from latentlab.options import CheckedOptions, option

OPTIMIZERS = ("adamw", "muon")


@dataclass(frozen=True)
class SwAVOptions(CheckedOptions):
    """Options of the comparison and of the training of the networks.

    Attributes
    ----------
    big, small : int
        Sizes of the two kinds of crop, in pixels of a 32x32 image; other images scale them.
    n_small : int
        Small crops per image, besides two big ones.
    prototypes : int
        Number of prototypes.
    projection, hidden : int
        Dimensions of the sphere, and of the layer before it.
    temperature, epsilon : float
        tau of the prediction, and Sinkhorn's eps: smaller is sharper.
    sinkhorn_steps : int
        Iterations of Sinkhorn.
    frozen_steps : int
        Steps before the prototypes move.
    warm_up_steps : int
        Steps while the learning rate rises.
    optimizer : {"adamw", "muon"}
        With muon, Adam trains biases, normalisation, prototypes and the decoder's last layer.
    adam_share : float
        With muon: Adam's learning rate, as a share of the other.
    weight_decay : float
        Decoupled; with muon only of the weights that Adam does not train. Reasonable values are
        1e-5 for adamw and 0.1 for muon.
    steps_per_call : int
        Steps compiled into one call.
    mirror : bool
        Whether half of the crops are mirrored.
    start : str
        Name of an encoder that comes with latentlab. Training starts from its weights, projection
        head and prototypes, on images of its size and colours. The architecture must be the same.
        "" is random weights.
    """

    big: int = option(28, "Side of a big crop of a 32x32 image.", at_least=8)
    small: int = option(18, "Side of a small crop of a 32x32 image.", at_least=8)
    n_small: int = option(4, "Small crops per image.", at_least=0)
    prototypes: int = option(1000, "Number of prototypes.", at_least=2)
    projection: int = option(128, "Dimensions of the sphere.", at_least=1)
    hidden: int = option(512, "Width of the layer before it.", at_least=1)
    temperature: float = option(0.1, "Temperature of the prediction.", more_than=0)
    epsilon: float = option(0.05, "Sinkhorn's eps.", more_than=0)
    sinkhorn_steps: int = option(3, "Iterations of Sinkhorn.", at_least=1)
    frozen_steps: int = option(500, "Steps before the prototypes move.", at_least=0)
    warm_up_steps: int = option(500, "Steps while the learning rate rises.", at_least=0)
    optimizer: str = option("adamw", "Optimizer.", choices=OPTIMIZERS)
    adam_share: float = option(1.0, "Adam's share of muon's learning rate.", more_than=0)
    weight_decay: float = option(1e-5, "Decoupled weight decay.", at_least=0)
    steps_per_call: int = option(10, "Steps compiled into one call.", at_least=1)
    mirror: bool = option(True, "Whether half of the crops are mirrored.")
    start: str = option("", "Encoder of latentlab to start from.")
