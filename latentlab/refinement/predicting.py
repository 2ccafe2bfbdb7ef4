"""Where images belong by a saved clustering, of any kind: the one way for new images and for checks of a run."""

from collections.abc import Iterator
from typing import Any

import numpy as np

from latentlab.clustering import assignments, consensus
from latentlab.clustering.base import Assigned
from latentlab.data.images import ImageSet
from latentlab.encoders import embedding, model_files
from latentlab.features import feature_steps
from latentlab.refinement import refined
from latentlab.storage.run import Run

SHARD = 2048

Shards = list[np.ndarray]


def assign(
    run: Run, name: str, images: ImageSet, shards: Shards | None = None
) -> Iterator[tuple[np.ndarray, Assigned]]:
    """Yield (positions, where they belong) for the images at the positions of each shard; None is all images, 2,048 a shard.

    Raises
    ------
    RunError
        If the clustering's files are missing or damaged.
    """
    chosen = list(images.shards(SHARD)) if shards is None else shards
    if members := assignments.members_of(run, name):
        yield from _vote(run, name, members, images, chosen)
        return
    options = assignments.options_of(run, name)
    if assignments.is_deep(options.method):
        yield from refined.assign(run, name, images, chosen)
        return
    encoder = model_files.load(run).part(feature_steps.column(options.features))
    yield from assignments.assign(
        run,
        name,
        ((indices, embedding.encode(encoder, images.read(indices))) for indices in chosen),
    )


def _vote(
    run: Run, name: str, members: list[tuple[Run, str]], images: ImageSet, chosen: Shards
) -> Iterator[tuple[np.ndarray, Assigned]]:
    """Assign by every member of a consensus and let them vote."""
    known: dict[str, Any] = assignments.read_result(run, name)
    maps, reference = np.array(known["maps"]), known["reference"]
    for parts in zip(*(assign(*member, images, chosen) for member in members), strict=True):
        assigned = [part for _, part in parts]
        clusters = [part.cluster for part in assigned]
        shares = consensus.vote(clusters, maps)
        yield (
            parts[0][0],
            consensus.as_assigned(
                assigned, consensus.choose(clusters, maps, reference, shares), shares, maps
            ),
        )
