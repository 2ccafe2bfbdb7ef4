"""UMAP's compiled functions are kept on disk, so that only the first process compiles them."""

from pathlib import Path

import numpy as np
import pytest

from latentlab.backend.umap_import import import_umap


@pytest.mark.run  # it compiles where nothing is kept yet
def test_what_umap_compiles_is_kept_on_disk():
    umap = import_umap()
    vectors = np.random.default_rng(0).normal(size=(30, 4)).astype(np.float32)
    umap.UMAP(n_neighbors=5, n_epochs=5, random_state=0, n_jobs=1).fit(vectors)
    step = umap.layouts._nb_optimize_layout_euclidean_single_epoch
    for function in (umap.umap_.smooth_knn_dist, step):
        folder = Path(function.stats.cache_path)
        assert list(folder.glob(f"*{function.py_func.__name__}*.nbc")), function
