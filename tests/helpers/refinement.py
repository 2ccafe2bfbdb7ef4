"""Settings of deep clustering that train in a second."""

from latentlab.config import ClusterOptions
from latentlab.refinement.refiner import Refiner

FAST = {"interval": 4, "batch_size": 30, "max_steps": 12, "tolerance": -1.0}  # never settles


METHODS = [
    name for name in Refiner.names() if name not in ("selflabel", "consistency", "selftrain")
]  # they need an embedding: see tests/refinement/test_trained_head.py


def options_of(method, **changes):
    features = Refiner.named(method).capabilities.default_features or "pool2+pca6+l2"
    return ClusterOptions(
        **({"k": 4, "method": method, "features": features, "settings": FAST} | changes)
    )
