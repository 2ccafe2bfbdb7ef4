"""Clustering vectors: bad files, and methods that need a network."""

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from helpers.heads import HEAD_METHODS

from latentlab import pipeline
from latentlab.config import ClusterOptions
from latentlab.errors import ConfigError, DataError


def test_methods_without_their_network_are_refused_in_one_line(finished_run, strong_run, tmp_path):
    with pytest.raises(ConfigError, match="no embedding above its code"):
        pipeline.cluster(finished_run, ClusterOptions(k=4, features="embedding"))
    for method in HEAD_METHODS:
        with pytest.raises(ConfigError, match="recipe=strong|no embedding above its code"):
            pipeline.cluster(finished_run, ClusterOptions(k=4, method=method))
    with pytest.raises(ConfigError, match="plain autoencoder|works on the code itself"):
        pipeline.cluster(strong_run, ClusterOptions(k=4, method="vade"))
    with pytest.raises(ConfigError, match="trains the network that made the vectors"):
        pipeline.cluster_vectors(
            tmp_path / "a.parquet", ClusterOptions(k=2, method="dec"), tmp_path / "b.parquet"
        )


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"id": [1, 2]}, "no column of vectors"),
        ({"embedding": [[1.0, 2.0], [1.0]]}, "differ in length"),
        ({"embedding": [[1.0, 2.0], [1.0, float("nan")]]}, "not finite, first in row 1"),
        ({"embedding": [[1.0, 2.0]]}, "`k=2` is more than the 1 vectors"),
    ],
)
def test_bad_vector_files_are_one_clear_line(columns, message, tmp_path):
    pq.write_table(pa.table(columns), tmp_path / "bad.parquet")
    with pytest.raises(DataError, match=message):
        pipeline.cluster_vectors(
            tmp_path / "bad.parquet", ClusterOptions(k=2), tmp_path / "out.parquet"
        )
