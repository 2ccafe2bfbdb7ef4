"""Vectors of other programs to runs."""

import re
from pathlib import Path
from typing import Any

import click

from latentlab.cli._options import RUNS_FOLDER, typed_names
from latentlab.cli._output import json_option, print_result, with_intake
from latentlab.cli.generated import option_of, together
from latentlab.config import RESIZE_RULES, DataOptions, ImportOptions
from latentlab.errors import ConfigError

IMAGE_NAMES = ("data_dir", "resize", "image_column", "max_pixels")  # of images alone
BOTH_NAMES = ("held_out", "limit", "max_bytes")  # of images, or else of vectors

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
    option_of(
        DataOptions,
        "label_column",
        help="Column of labels in the file, read by evaluate only; of parquet images theirs.",
    ),
    option_of(DataOptions, "data_dir"),
    option_of(DataOptions, "resize", type=click.Choice(RESIZE_RULES)),
    option_of(DataOptions, "image_column"),
    option_of(
        DataOptions, "held_out", help="Share held out if neither file nor images have a split."
    ),
    option_of(DataOptions, "limit"),
    option_of(DataOptions, "max_pixels"),
    option_of(DataOptions, "max_bytes"),
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
        click.echo(line, err=True)
    result = {"run": str(run.path), **to_json(report)}
    print_result(with_intake(result, run), import_text(str(run.path), report))


def _image_options(
    data: str | None, values: dict[str, Any], typed: frozenset[str]
) -> DataOptions | None:
    """Return the images; None without --data, whose options would then do nothing."""
    if data is not None:
        names = (*IMAGE_NAMES, *BOTH_NAMES, "label_column")
        return DataOptions(data=data, **{name: values[name] for name in names})
    flags = [f"--{name.replace('_', '-')}" for name in IMAGE_NAMES if name in typed]
    if flags:
        verb = "belongs" if len(flags) == 1 else "belong"
        raise ConfigError(f"{' and '.join(flags)} {verb} to --data, the images of the vectors.")
    return None


def _import_options(images: DataOptions | None, values: dict[str, Any]) -> ImportOptions:
    from latentlab.data.opening import resolve

    names = ("id_column", "column", "split_column", "pretraining", *BOTH_NAMES)
    has_labels = images is not None and resolve(images) == "parquet"
    label_column = None if has_labels else values["label_column"]
    return ImportOptions(**{name: values[name] for name in names}, label_column=label_column)


def _short_name(path: str) -> str:
    """Return the name of a file as that of a folder, without its suffix."""
    return re.sub(r"[^\w.+=,-]+", "-", Path(path).stem).strip("-.") or "vectors"
