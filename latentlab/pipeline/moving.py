"""Runs whose pictures moved."""

import contextlib
import os

from latentlab.data import whereabouts
from latentlab.errors import RunError
from latentlab.pipeline.run_data import have_changed, images_fingerprint, open_present_images
from latentlab.progress import log
from latentlab.storage.run import Run


def look_in(run: Run, path: str) -> Run:
    """Say where the pictures of a run are now; the run remembers it.

    Parameters
    ----------
    run : Run
        A run of images.
    path : str
        The folder or file, from the working folder; of a named source its `data_dir`.

    Returns
    -------
    Run
        The same run.

    Raises
    ------
    ConfigError
        If there is nothing at the path, or the run was made of vectors alone.
    RunError
        If other pictures are there.
    """
    data = run.config.images
    if path == data.data and whereabouts.typed_path(data) is None:
        return run
    whereabouts.check_exists(path)
    if is_where_it_looks(run, path):
        return run
    data = whereabouts.with_path(data, path)
    images = open_present_images(run, data)
    if images.fingerprint != images_fingerprint(run):
        raise have_changed(run, images, data)
    run.pictures_at = os.path.abspath(os.path.expanduser(path))
    with contextlib.suppress(RunError):  # a run that cannot be written is used all the same
        whereabouts.remember_move(run, path)
        log.info("%s looks for its pictures in %s from now on", run.path, run.pictures_at)
    return run


def is_where_it_looks(run: Run, path: str) -> bool:
    """Return whether a path is the first place where a run looks for its pictures.

    Parameters
    ----------
    run : Run
        A run of images.
    path : str
        From the working folder.
    """
    if whereabouts.are_lost(run):
        return False
    first = whereabouts.typed_path(whereabouts.first_located(run))
    real = os.path.realpath(os.path.expanduser(path))
    return first is not None and os.path.realpath(first) == real
