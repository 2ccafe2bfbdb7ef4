"""Default features, names and settings of methods on a run."""

import pytest

from latentlab.config import ClusterOptions
from latentlab.errors import ConfigError
from latentlab.features.spec import PROJECTED, FeatureSpec
from latentlab.refinement.run_methods import run_method


def resolve(augment_of_fit="none", above=None, **options):
    options = ClusterOptions(**options)
    return run_method(options.method).resolve(options, augment_of_fit, above)


def test_methods_bring_their_own_features():
    assert str(resolve(k=7).features) == "code"
    assert str(resolve(k=7, method="n2d").features) == "umap7"
    assert resolve("affine", method="dec").augment == "affine"
    assert resolve("affine", method="dec", augment="none").augment == "none"
    assert resolve("affine", method="kmeans").augment == "none"
    named = resolve(k=7, method="n2d", features="pca5+umap3")
    assert named.name == "n2d-k7-pca5+umap3"
    with pytest.raises(ConfigError, match="unknown step"):
        resolve(features="auto+l2")
    with pytest.raises(
        ConfigError,
        match=r"n2d` needs the feature step umap, as in `features=embedding\+l2\+umap7`:"
        " embedding has none",
    ):
        above = FeatureSpec.parse("embedding+l2")
        resolve(k=7, method="n2d", features="embedding", above=above)
    wanted = {
        "imc": "embedding+project+l2",
        "dec": "embedding+project+l2",
        "n2d": "embedding+project+l2+umap7",
        "selflabel": "embedding+project+l2",
        "vade": "code",
    }
    resolved = {method: resolve(k=7, method=method, above=PROJECTED) for method in wanted}
    assert {method: str(options.features) for method, options in resolved.items()} == wanted
    assert resolve(k=7, above=PROJECTED).name == "kmeans-k7-embedding+project+l2"
    # Which such an encoder lacks; that is an error later.
    assert str(resolve(k=7, method="selflabel").features) == "embedding+l2"


def test_k_belongs_to_methods_that_need_it():
    with pytest.raises(ConfigError, match="leave `k` out"):
        run_method("hdbscan").resolve(ClusterOptions(k=3, method="hdbscan"))
    with pytest.raises(ConfigError, match="`method=kmeans` needs `k`"):
        run_method("kmeans").resolve(ClusterOptions(k=None))
    assert (
        run_method("hdbscan").resolve(ClusterOptions(k=None, method="hdbscan")).name
        == "hdbscan-pca50+umap5"
    )
