"""N2D, "(Not too) deep clustering" (McConville et al., ICPR 2020): UMAP of the code to k dimensions, then a Gaussian mixture.

The manifold step does what the deep methods train for, in minutes. The paper takes 20 neighbours; the step here takes 15.

latentlab cluster --run RUN --k 10 --method n2d
"""

from latentlab.clustering.methods.gmm import fit, load

FEATURES = "umap{k}"
REQUIRED_STEP = "umap"

__all__ = ["FEATURES", "REQUIRED_STEP", "fit", "load"]
