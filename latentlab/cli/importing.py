"""Vectors of other programs to runs."""

import re
from pathlib import Path
from typing import Any

import click

from latentlab.cli._options import IMAGE_NAMES, RUNS_FOLDER, image_options, typed_names
from latentlab.cli._output import json_option, print_result, say, with_intake
from latentlab.cli.generated import option_of, together
from latentlab.config import DataOptions, ImportOptions
from latentlab.errors import ConfigError

BOTH_NAMES = ("held_out", "limit", "max_bytes")  # of images, or else of vectors
# Of vectors too: without images they are of use.
VECTOR_NAMES = (*BOTH_NAMES, "label_column")
SOURCES_WITH_COLUMNS = ("parquet", "table")  # whose labels `label_column` names

import_options = together(
    click.option(
        "--embeddings",
        required=True,
        type=click.Path(),
        help="The vectors: a .parquet, .npy, .npz or .csv file.",
    ),
    click.option(
        "--data",
        help="Their images, as in fit; ids of vectors and images are matched [default: none].",
    ),
    click.option(
        "--run", "run_path", help=f"Run folder to make [default: {RUNS_FOLDER}/FILE, without .csv]."
    ),
    option_of(ImportOptions, "pretraining"),
    option_of(ImportOptions, "id_column"),
    option_of(ImportOptions, "column"),
    option_of(ImportOptions, "split_column"),
    image_options(
        label_column="Column of labels in the file, read by evaluate only; of a table of images"
        " theirs.",
        held_out="Share held out if neither file nor images have a split.",
    ),
)


@click.command("import")
@import_options
@json_option
@click.pass_context
def import_(
    context: click.Context,
    embeddings: str,
    data: str | None,
    run_path: str | None,
    **values: Any,
) -> None:
    """Make a run of vectors that another program made, with or without their images."""
    from latentlab import pipeline
    from latentlab.cli.texts.importing import import_text, left_out_lines
    from latentlab.storage.json_form import to_json

    images = _image_options(data, values, typed_names(context))
    options = _import_options(images, values)
    target = run_path or f"{RUNS_FOLDER}/{_short_name(embeddings)}"
    run = pipeline.import_vectors(embeddings, target, images, options)
    report = pipeline.import_report(run)
    assert report is not None
    for line in left_out_lines(report):
        say(line, err=True)
    result = {"run": str(run.path), **to_json(report)}
    print_result(with_intake(result, run), import_text(str(run.path), report))


def _image_options(
    data: str | None, values: dict[str, Any], typed: frozenset[str]
) -> DataOptions | None:
    """Return the images; None without --data, whose options would then do nothing."""
    if data is not None:
        return DataOptions(data=data, **{name: values[name] for name in IMAGE_NAMES})
    names = [name for name in IMAGE_NAMES if name in typed and name not in VECTOR_NAMES]
    flags = [f"--{name.replace('_', '-')}" for name in names]
    if flags:
        verb = "belongs" if len(flags) == 1 else "belong"
        raise ConfigError(f"{' and '.join(flags)} {verb} to --data, the images of the vectors.")
    return None


def _import_options(images: DataOptions | None, values: dict[str, Any]) -> ImportOptions:
    from latentlab.data.opening import resolve

    names = ("id_column", "column", "split_column", "pretraining", *BOTH_NAMES)
    has_labels = images is not None and resolve(images) in SOURCES_WITH_COLUMNS
    label_column = None if has_labels else values["label_column"]
    return ImportOptions(**{name: values[name] for name in names}, label_column=label_column)


def _short_name(path: str) -> str:
    """Return the name of a file as that of a folder, without its suffix."""
    return re.sub(r"[^\w.+=,-]+", "-", Path(path).stem).strip("-.") or "vectors"
