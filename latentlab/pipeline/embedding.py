"""Images to vectors: encode every image of a run, in parts; no labels."""

import functools
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from latentlab.data import account
from latentlab.data.images import ImageSet, Unreadable
from latentlab.data.source import Source
from latentlab.encoders.stored_inputs import MOST_IMAGES
from latentlab.errors import RunError
from latentlab.pipeline.claiming import count_by_split
from latentlab.pipeline.run_data import open_listed_images, open_run_images, write_image_list
from latentlab.storage.run import Run

if TYPE_CHECKING:
    from latentlab.encoders.image_encoder import Encode

MAP_SAMPLE = 60_000  # images of a map, which get a thumbnail


def embed(run: Run, averages: bool = False) -> Run:
    """Encode every image of a run, in parts, and store codes and embeddings.

    Parameters
    ----------
    run : Run
        A run with an encoder. One that was made of vectors has them already.
    averages : bool
        Store the means of the embeddings of each image and its mirror image too, which costs as
        much again.

    Returns
    -------
    Run
        The same run.

    Raises
    ------
    ConfigError
        If there should be averages and the encoder gives none.
    """
    from latentlab.encoders import embedding, model_files

    encoder = run.encoder_config()  # says what to do if there is none
    if averages and "averaged" not in model_files.columns(run):
        of_vectors = run.config.vectors is not None
        raise embedding.missing_column("averaged", of_vectors)
    config = run.config
    if config.fit is not None:
        run.do_stage("embed", encoder, lambda: _encode_images(run), uses_network=True)
    elif config.pretrained is not None:
        _embed_pretrained(run)
    elif run.record("embed") is None:
        raise RunError(f"{run.path} was not imported to the end. Import its vectors again.")
    if averages:
        _average(run)
    return run


def _encode_images(run: Run) -> list[Path]:
    from latentlab.encoders import embedding, model_files

    images = open_run_images(run)
    parts = embedding.Embeddings(run.path).write(model_files.load(run), images)
    if _may_move(run) and len(images) <= MOST_IMAGES:
        parts += embedding.write_inputs(images, run.path)
    return parts


def _may_move(run: Run) -> bool:
    """Return whether the images come from files of the user, not from a data set by name."""
    return run.config.images.data not in Source.names()


def averaging(run: Run) -> "Encode":
    """Return the function from images to embeddings, as averages are made of them.

    Parameters
    ----------
    run : Run
        A run whose encoder gives averages.
    """
    from latentlab.encoders import embedding, model_files
    from latentlab.encoders.image_encoder import open_encoder

    if run.config.is_autoencoder:
        # By way of the codes, as the embeddings themselves were made.
        return functools.partial(embedding.embed_images, model_files.load(run))
    return open_encoder(run).encoding("embedding")


def _average(run: Run) -> None:
    from latentlab.encoders import embedding

    def make() -> list[Path]:
        encode = averaging(run)
        return embedding.Embeddings(run.path).write_averages(encode, open_run_images(run))

    run.do_stage("average", run.encoder_config(), make, uses_network=True)


def _embed_pretrained(run: Run) -> None:
    """Embed by a pretrained encoder, and store thumbnails, in one pass over the pictures."""
    from latentlab.encoders.image_encoder import open_pretrained_of
    from latentlab.encoders.picture_pass import embed_pictures
    from latentlab.reporting.umap_map import sample_indices

    def make() -> list[Path]:
        images = open_listed_images(run)
        shown = np.zeros(len(images), bool)
        shown[sample_indices(len(images), MAP_SAMPLE, seed=0)] = True
        result = embed_pictures(open_pretrained_of(run), images, run.path, shown)
        _note_unreadable(run, images, result.unreadable)
        return list(result.files)

    run.do_stage("embed", run.encoder_config(), make)


def _note_unreadable(run: Run, images: ImageSet, unreadable: tuple[Unreadable, ...]) -> None:
    """Write which images cannot be read, and tell what became of all of them."""
    paths = {image.path for image in unreadable}
    is_readable = np.array([name not in paths for name in images.ids.tolist()])
    readable = replace(images.subset(np.flatnonzero(is_readable)), unreadable=unreadable)
    write_image_list(readable, run.path)
    run.note(
        images=count_by_split(readable),
        unreadable=len(unreadable),
        intake=account.to_json(readable.intake),
    )
    account.tell(readable.intake)
