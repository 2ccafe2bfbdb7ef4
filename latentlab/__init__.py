"""Find structure in images that nobody labelled.

Train an encoder, cluster its code, measure honestly, show it. The public names are loaded when they
are first used, so that `import latentlab` stays cheap.
"""

import importlib
from typing import Any

__version__ = "0.1.0"

_HOMES = {
    "ClusteringLayer": "latentlab.nets.layers",
    "ClusterOptions": "latentlab.config",
    "ConvAutoencoder": "latentlab.estimators",
    "DataOptions": "latentlab.config",
    "DeepClustering": "latentlab.estimators",
    "FitOptions": "latentlab.config",
    "ImageSet": "latentlab.data.images",
    "LatentlabError": "latentlab.errors",
    "Run": "latentlab.storage.run",
    "RunView": "latentlab.notebook",
    "cluster": "latentlab.pipeline",
    "embed": "latentlab.pipeline",
    "evaluate": "latentlab.pipeline",
    "fit": "latentlab.pipeline",
    "open_images": "latentlab.data.opening",
    "predict": "latentlab.pipeline",
    "project": "latentlab.pipeline",
    "report": "latentlab.pipeline",
    "compare": "latentlab.pipeline",
    "export": "latentlab.pipeline",
    "figures": "latentlab.pipeline",
    "sweep": "latentlab.pipeline",
}

__all__ = sorted([*_HOMES, "__version__"])


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'latentlab' has no attribute {name!r}")
    return getattr(importlib.import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return __all__
