"""What else is known of each image: columns that came with the data, and how unlike others it is.

Pages show it. Nothing that fits, clusters or scores reads it.
"""

from collections.abc import Sequence
from pathlib import Path

import pyarrow as pa

from latentlab.data import whereabouts
from latentlab.data.columns import ImageColumns
from latentlab.data.opening import source_of
from latentlab.errors import DataError
from latentlab.pipeline.embedding import embed
from latentlab.progress import log
from latentlab.storage import tables
from latentlab.storage.run import Run

COLUMNS_FORMAT = 2
OUTLIERS_FORMAT = 2


def take_columns(run: Run) -> None:
    """Keep the columns that came with a run's images, as far as the data are there.

    Parameters
    ----------
    run : Run
        Any run; one of vectors without images has none.
    """
    from latentlab.reporting.image_facts import COLUMN_PREFIX, columns_path

    config = {"images": run.config.images_sha256, "format": COLUMNS_FORMAT}
    if run.config.data is None or run.is_done("columns", config):
        return
    try:
        columns = _read_columns(run)
    except DataError as error:
        log.info("columns that came with the data are not shown, since %s", error)
        return

    def make() -> list[Path]:
        if columns is None or not columns.values:
            return []
        content: dict[str, Sequence[object]] = {"id": columns.ids}
        for name, values in columns.values.items():
            content[f"{COLUMN_PREFIX}{name}"] = values
        return [tables.write(columns_path(run), pa.table(content))]

    run.do_stage("columns", config, make)


def _read_columns(run: Run) -> ImageColumns | None:
    """Return the columns of the data where they are now; None if the source has none."""
    data = next(iter(whereabouts.located(run)))
    source = source_of(data)
    return source.columns(data, source.parse_options(data.source_options))


def score_outliers(run: Run) -> None:
    """Score how unlike all others each image is, by what the map shows of it.

    Parameters
    ----------
    run : Run
        A fitted run. Of more than 200,000 images, each is compared with a smaller sample.
    """
    from latentlab.clustering.outliers import Reference, reference_rows
    from latentlab.encoders.embedding import Embeddings
    from latentlab.reporting import umap_map
    from latentlab.reporting.image_facts import outliers_path

    embed(run)
    features = umap_map.mapped_features(run)
    config = {"embed": run.encoder_config(), "features": str(features), "format": OUTLIERS_FORMAT}

    def make() -> list[Path]:
        ids = Embeddings(run.path).index().ids
        rows = reference_rows(len(ids))
        reference = Reference.of(umap_map.mapped_vectors(run, rows), rows)
        scores = reference.scores(umap_map.mapped_parts(run))
        table = pa.table({"id": ids.tolist(), "score": scores})
        return [tables.write(outliers_path(run), table)]

    run.do_stage("outliers", config, make)
