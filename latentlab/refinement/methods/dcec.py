"""DCEC, "Deep clustering with convolutional autoencoders" (Guo, Liu, Zhu and Yin, ICONIP 2017).

IDEC's loss, L = reconstruction + gamma KL(P || Q) with gamma 0.1, on a convolutional autoencoder;
the paper's is --arch dcec. Adam, batches of 256, a new target every 140 steps, stop at a label
change of 0.1%.

    latentlab fit --data mnist --arch dcec --batch-size 256 --epochs 200
    latentlab cluster --k 10 --method dcec
"""

from latentlab.refinement.methods.idec import IDEC


class DCEC(IDEC):
    """IDEC on a convolutional autoencoder."""
