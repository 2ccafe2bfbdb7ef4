"""N2D, "(Not too) deep clustering" (McConville et al., ICPR 2020): UMAP, then a Gaussian mixture.

The code goes to k dimensions. The manifold step does in minutes what the deep methods train for.
The paper takes 20 neighbours; the step here takes 15.

    latentlab cluster --run RUN --k 10 --method n2d
"""

from latentlab.clustering.clusterer import ClustererCapabilities
from latentlab.clustering.methods.gmm import GMM


class N2D(GMM):
    """A mixture of Gaussians in UMAP's coordinates."""

    capabilities = ClustererCapabilities(default_features="umap{k}", required_step="umap")
